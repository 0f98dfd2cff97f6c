//! Renders the poster of a file that is no MP4 itself, before it is remuxed: a library shows posters of all
//! its files, and plays few of them on one day.
//!
//! ffprobe finds the video and its length, and ffmpeg decodes the key frames of some seconds. Of audio, the
//! poster is its cover art.

use std::path::Path;

use tokio::sync::watch;

use super::{
    Failure, JobContext, JobRunner, Source,
    images::{BYTES_MAX, DEADLINE},
};
use crate::transcode::{
    ffmpeg::{
        Input, Invocation, Limits,
        probe_report::{ProbeReport, Stream},
    },
    images::{Fit, RenderPlan, SizeRequest, plan_source_poster, poster_times_ms},
};

impl JobRunner {
    /// Renders the poster of a file.
    pub(super) async fn render_source_poster(
        &self,
        source: &Source,
        width: u32,
        folder: &Path,
        context: JobContext,
    ) -> Result<(), Failure> {
        let limits = Limits { file_bytes: 0, deadline: DEADLINE, ..self.limits() };
        let cancel = context.cancel.clone();
        let report = self.ffmpeg.probe(source.input()?, folder, limits, cancel).await?;
        let stream = shown_stream(&report).ok_or_else(|| Failure::permanent("it has no video"))?;
        let display = stream.display_size();
        let display = display.ok_or_else(|| Failure::permanent("its video has no size"))?;
        let size = SizeRequest::new(Some(width), None, Fit::Contain).map_err(Failure::permanent)?;
        let size = size.resolve(display);
        let at_ms = poster_times_ms(report.duration_ms().unwrap_or(0))[0];
        let plan_from = |start_ms| plan_source_poster(stream, start_ms, size);
        if stream.is_cover() {
            return self.render_source(source, plan_from(None), folder, context.cancel).await;
        }
        let early =
            self.render_source(source, plan_from(Some(at_ms)), folder, context.cancel.clone());
        match early.await {
            // A transport stream is entered between key frames, and may have no further one.
            Err(_) if at_ms > 0 && !*context.cancel.borrow() => {
                self.render_source(source, plan_from(Some(0)), folder, context.cancel).await
            }
            rendered => rendered,
        }
    }

    /// Runs ffmpeg on the file itself, and checks the image.
    async fn render_source(
        &self,
        source: &Source,
        plan: RenderPlan,
        folder: &Path,
        cancel: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let run = Invocation {
            arguments: plan.arguments.clone(),
            input: Input::File(source.input()?),
            output_dir: folder.to_owned(),
            limits: Limits { file_bytes: BYTES_MAX, deadline: DEADLINE, ..self.limits() },
        };
        self.ffmpeg.run(run, |_| {}, cancel).await?;
        let folder = folder.to_owned();
        let verify = tokio::task::spawn_blocking(move || plan.verify(&folder));
        verify.await.map_err(Failure::transient)?.map_err(Failure::from)
    }
}

/// The video of a file, else its cover art.
fn shown_stream(report: &ProbeReport) -> Option<&Stream> {
    let program = report.main_program();
    let videos = || {
        let in_program = |stream: &&Stream| program.is_none_or(|it| it.contains(stream.index));
        report.streams.iter().filter(|stream| stream.kind == "video").filter(in_program)
    };
    videos().find(|stream| !stream.is_cover()).or_else(|| videos().next())
}
