//! Renders the poster of a file that is no MP4 itself, before it is remuxed: a library shows posters of all
//! its files, and most of them nobody plays today.
//!
//! ffprobe finds the video and its length, and ffmpeg decodes the key frames of some seconds. Of audio, the
//! poster is its cover art.

use std::path::Path;

use super::{
    Failure, JobContext, JobRunner, Source,
    images::{BYTES_MAX, DEADLINE},
};
use crate::transcode::{
    ffmpeg::{
        Input, Invocation, Limits,
        probe_report::{ProbeReport, Stream},
    },
    images::{Fit, SizeRequest, plan_source_poster, poster_times_ms},
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
        let limits = |file_bytes| Limits { file_bytes, deadline: DEADLINE, ..self.limits() };
        let cancel = context.cancel.clone();
        let report = self.ffmpeg.probe(source.input()?, folder, limits(0), cancel).await?;
        let stream = shown_stream(&report).ok_or_else(|| Failure::permanent("it has no video"))?;
        let display = stream.display_size();
        let display = display.ok_or_else(|| Failure::permanent("its video has no size"))?;
        let size = SizeRequest::new(Some(width), None, Fit::Contain).map_err(Failure::permanent)?;
        let times_ms = poster_times_ms(report.duration_ms().unwrap_or(0));
        let start_ms = times_ms.first().copied().filter(|_| !stream.is_cover());
        let plan = plan_source_poster(stream, start_ms, size.resolve(display));
        let run = Invocation {
            arguments: plan.arguments.clone(),
            input: Input::File(source.input()?),
            output_dir: folder.to_owned(),
            limits: limits(BYTES_MAX),
        };
        self.ffmpeg.run(run, |_| {}, context.cancel).await?;
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
