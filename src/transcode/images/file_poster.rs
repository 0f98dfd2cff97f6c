//! The poster of a file that only ffmpeg reads. Without an index nobody knows where its frames are: ffmpeg
//! seeks, and reads some seconds from there.

use super::{
    Arguments, POSTER_CANDIDATES, RenderPlan, RenderedImage, Size, SizeRequest, SourceVideo,
};
use crate::transcode::ffmpeg::probe_report::{ProbeReport, Stream};

/// The part of the title that is skipped: logos and black.
const SKIPPED: u64 = 10;

/// The seconds that ffmpeg reads: some key frames of most files, and not too much of a large one.
const READ_S: &str = "20";

/// Plans the poster from the key frames behind the first tenth of the file `input`: the most representative
/// one. `None` if the file has no video.
pub fn plan_file_poster(
    report: &ProbeReport,
    request: SizeRequest,
    input: &str,
) -> Option<RenderPlan> {
    let stream = video_of(report)?;
    let size = request.resolve((stream.width?, stream.height?));
    let source = SourceVideo::from_stream(stream);
    let start_ms = report.duration_ms().unwrap_or(0) / SKIPPED;
    let filters =
        format!("[0:{}]{},thumbnail={POSTER_CANDIDATES}[out]", stream.index, source.filters(size));
    let mut arguments = Arguments::decoding(source, size);
    // From the key frame before the start on: a short file may have no other one.
    arguments.add(&["-skip_frame", "nokey", "-noaccurate_seek"]);
    arguments.add(&["-ss", &format!("{}.{:03}", start_ms / 1000, start_ms % 1000), "-t", READ_S]);
    arguments.add(&["-i", input]);
    arguments.add(&["-filter_complex_threads", "1", "-filter_complex", &filters]);
    let jpeg = ["-c:v", "mjpeg", "-q:v", "3", "-update", "1", "-f", "image2", "-frames:v", "1"];
    arguments.add_output("[out]", &jpeg, "poster.jpg");
    let Size { width, height, .. } = size;
    let poster = RenderedImage { name: "poster.jpg".to_owned(), width, height };
    Some(RenderPlan { arguments: arguments.0, outputs: vec![poster] })
}

/// The first video of the program that a title is.
fn video_of(report: &ProbeReport) -> Option<&Stream> {
    let program = report.main_program();
    let is_played = |stream: &&Stream| {
        let is_in = program.is_none_or(|program| program.contains(stream.index));
        stream.kind == "video" && !stream.is_cover() && is_in
    };
    report.streams.iter().find(is_played)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(streams: &str) -> ProbeReport {
        let json = format!(r#"{{"streams": [{streams}], "format": {{"duration": "100.5"}}}}"#);
        ProbeReport::parse(json.as_bytes()).expect("a report")
    }

    #[test]
    fn a_poster_is_of_the_first_video_that_is_no_cover() {
        let report = report(
            r#"{"index": 0, "codec_type": "video", "width": 600, "height": 600, "disposition": {"attached_pic": 1}},
               {"index": 1, "codec_type": "audio"},
               {"index": 2, "codec_type": "video", "width": 1920, "height": 1080}"#,
        );
        let request = SizeRequest::parse(Some("320"), None, None).expect("a size");
        let plan = plan_file_poster(&report, request, "file").expect("a plan");
        let RenderedImage { width, height, .. } = plan.outputs[0];
        assert_eq!((width, height), (320, 180));
        let arguments: Vec<_> = plan.arguments.iter().map(|it| it.to_string_lossy()).collect();
        assert!(arguments.windows(2).any(|pair| pair == ["-ss", "10.050"]), "{arguments:?}");
        assert!(arguments.iter().any(|it| it.starts_with("[0:2]")), "{arguments:?}");
    }

    #[test]
    fn audio_with_a_cover_has_no_poster() {
        let report = report(
            r#"{"index": 0, "codec_type": "audio"},
               {"index": 1, "codec_type": "video", "width": 600, "height": 600, "disposition": {"attached_pic": 1}}"#,
        );
        assert_eq!(plan_file_poster(&report, SizeRequest::default(), "file"), None);
    }
}
