//! Renders the poster of a file that is no MP4 itself, before it is remuxed: a library shows posters of all
//! its files, and plays few of them on one day.
//!
//! ffprobe finds the video and its length, and ffmpeg decodes the key frames of some seconds. Of audio, the
//! poster is its cover art.

use std::path::Path;

use super::{Failure, JobContext, JobRunner, Source, images::DEADLINE};
use crate::transcode::{
    ffmpeg::{
        Input, Limits,
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
        let limits = Limits { file_bytes: 0, deadline: DEADLINE, ..self.limits() };
        let cancel = &context.cancel;
        let input = source.input(self, folder).await?;
        let report = self.ffmpeg.probe(input, folder, limits, cancel.clone()).await?;
        let stream = shown_stream(&report).ok_or_else(|| Failure::permanent("it has no video"))?;
        let display = stream.display_size();
        let display = display.ok_or_else(|| Failure::permanent("its video has no size"))?;
        let size = SizeRequest::new(Some(width), None, Fit::Contain).map_err(Failure::permanent)?;
        let size = size.resolve(display);
        let at_ms = poster_times_ms(report.duration_ms().unwrap_or(0))[0];
        let render_from = |start_ms| async move {
            let plan = plan_source_poster(stream, start_ms, size);
            let input = Input::File(source.input(self, folder).await?);
            self.render(plan, input, folder, cancel.clone()).await
        };
        if stream.is_cover() {
            return render_from(None).await;
        }
        match render_from(Some(at_ms)).await {
            // A transport stream is entered between key frames, and may have no further one.
            Err(_) if at_ms > 0 && !*cancel.borrow() => render_from(Some(0)).await,
            rendered => rendered,
        }
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
