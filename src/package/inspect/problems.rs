//! Problems of a file, with their severity and the next step.

use super::{
    boxes::TopBoxes,
    corrections, edits, orientation,
    report::{Kind, Place, Problem, Report, Severity},
    survey::Survey,
    track, words,
};
use crate::{
    movie::{Movie, MovieRefused, Track, codec},
    package::clip,
};

/// Key frames farther apart than this are a warning, in seconds.
const GOP_LIMIT_S: i64 = 10;

/// Audio and video of one second that are farther apart in the file than this make players seek: in bytes,
/// and in seconds of the movie at its average bit rate.
const DISTANCE_LIMIT_BYTES: u64 = 4 << 20;
const DISTANCE_LIMIT_S: f64 = 5.0;

/// A track that ends this much before the longest one is worth a note, in seconds.
const ENDS_EARLY_S: f64 = 1.0;

/// A list of problems under construction.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a problem of the movie, or of one track.
    pub(super) fn add(
        &mut self,
        severity: Severity,
        track: Option<u32>,
        sentence: String,
        advice: &str,
    ) {
        self.0.push(Problem { severity, track, sentence, advice: advice.to_owned() });
    }

    /// The problems of a report, to add more.
    pub(super) fn from_list(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// All problems, the most severe first.
    pub(super) fn sorted(mut self) -> Vec<Problem> {
        self.0.sort_by_key(|problem| problem.severity);
        self.0
    }

    /// Adds the reason why the file is not a movie.
    pub(super) fn refused(&mut self, refused: &MovieRefused, boxes: &TopBoxes) {
        let advice = match (refused, boxes.container()) {
            (MovieRefused::NoMovie | MovieRefused::NotInPlace(_), Some(_)) => {
                "The file itself is served below /media/."
            }
            (MovieRefused::NoMovie | MovieRefused::NotInPlace(_), None) => {
                "Check that the file is a video."
            }
            (MovieRefused::NoMoov, _) => {
                "Copy or download the file again. If the recording was interrupted, a tool such as \
                 untrunc can rebuild the index from an intact file of the same camera."
            }
            (MovieRefused::MoovTooLong, _) => "Split or transcode the file.",
            (MovieRefused::NoHeader, _) => {
                "Copy or download the file again, or remux it: ffmpeg -i IN -c copy OUT.mp4."
            }
            (MovieRefused::Compressed, _) => {
                "HLS, DASH and play.mp4 are made by ffmpeg at the first request. To fix the file: \
                 ffmpeg -i IN -c copy OUT.mp4."
            }
            (MovieRefused::NoTrack(_), _) => "See the reason for each track.",
        };
        let sentence = match boxes.container() {
            Some(name) => format!("This is {name}, not MP4 or MOV."),
            None => sentence(&refused.to_string()),
        };
        self.add(Severity::Error, None, sentence, advice);
    }

    /// Adds problems of the top-level boxes.
    pub(super) fn boxes(&mut self, boxes: &TopBoxes) {
        if let Some(truncated) = boxes.truncated() {
            let what = format!("The box {} extends past the end of the file.", truncated.kind);
            let advice = "The file is truncated or was not finished: copy it again.";
            self.add(Severity::Warning, None, what, advice);
        }
        if boxes.count() > 0 && boxes.trailing_bytes > 0 {
            let what = format!("The last {} bytes belong to no box.", boxes.trailing_bytes);
            self.add(Severity::Note, None, what, "Players ignore them; no action needed.");
        }
        if boxes.index().place == Place::End {
            self.add(
                Severity::Note,
                None,
                "The index (moov) comes after the media data, so players fetch the end of the file \
                 first."
                    .to_owned(),
                "No action needed for play.mp4, HLS and DASH. For other uses: \
                 ffmpeg -i IN -c copy -movflags +faststart OUT.mp4.",
            );
        }
    }

    /// Adds what plays of a movie in another container than MP4.
    pub(super) fn in_place(&mut self, movie: &Movie, boxes: &TopBoxes, surveys: &[Survey]) {
        let Some(container) = boxes.container().filter(|_| movie.mp4().is_none()) else {
            return;
        };
        let (what, advice) = match clip::whole(movie) {
            Some(_) => (
                format!("This is {container}, which plays in place, without a copy."),
                "No action needed: play.mp4, HLS and DASH are made of the bytes of the file.",
            ),
            None => (
                format!("This is {container}, which HLS and DASH play in place, without a copy."),
                "For play.mp4 Headwater remuxes it into MP4 with ffmpeg at the first request.",
            ),
        };
        self.add(Severity::Note, None, what, advice);
        if let Some(segments) = surveys.iter().filter_map(|survey| survey.segments).max() {
            let what =
                format!("Sample counts and sizes are those of the first {segments} segments.");
            let advice =
                "The file has no table of its samples. To count all: ffprobe -count_packets.";
            self.add(Severity::Note, None, what, advice);
        }
    }

    /// Adds problems of the movie as a whole. `report` is the report so far.
    pub(super) fn movie(&mut self, movie: &Movie, report: &Report) {
        let is_clear = movie.tracks.iter().all(|track| track.entry.encryption.is_none());
        if is_clear && report.tracks.iter().all(|track| track.folder.is_none()) {
            self.add(
                Severity::Error,
                None,
                "No track fits into segments: the title has no HLS and no DASH.".to_owned(),
                "Transcode it as shown below; players with the right decoders can use play.mp4.",
            );
        }
        let ends = |track: &&super::report::Track| track.timing.end_s;
        let is_media =
            |track: &&super::report::Track| track.video.is_some() || track.audio.is_some();
        let last =
            report.tracks.iter().filter(is_media).map(|track| ends(&track)).fold(0.0, f64::max);
        for track in report.tracks.iter().filter(is_media) {
            let early = last - ends(&track);
            if early > ENDS_EARLY_S {
                let what = format!("The track ends {early:.1} s before the longest track.");
                let advice = "This is often intended. If not, copy the file again.";
                self.add(Severity::Note, Some(track.id), what, advice);
            }
        }
        if let (Some(interleaving), Some(duration_s)) =
            (report.file.interleaving, report.duration_s)
        {
            let distance = interleaving.largest_distance_bytes;
            let bytes_s = movie.file_len as f64 / duration_s.max(1.0);
            let is_long = distance as f64 > bytes_s * DISTANCE_LIMIT_S;
            if is_long && distance > DISTANCE_LIMIT_BYTES {
                self.add(
                    Severity::Warning,
                    None,
                    format!(
                        "Audio and video are up to {} MiB apart in the file (at {} s): players of \
                         play.mp4 have to seek.",
                        distance >> 20,
                        interleaving.at_s,
                    ),
                    "HLS and DASH are not affected. To fix it: ffmpeg -i IN -c copy OUT.mp4.",
                );
            }
        }
        if movie.mp4().is_some_and(|mp4| mp4.timescale_is_missing) {
            let what = "The movie header (mvhd) has no timescale: one tick a second is assumed."
                .to_owned();
            let advice = "Only edit lists and declared durations depend on it. To fix the file: \
                          ffmpeg -i IN -c copy OUT.mp4.";
            self.add(Severity::Note, None, what, advice);
        }
        for left_out in &movie.left_out {
            let is_data = !matches!(
                left_out.handler.map(|handler| handler.0),
                Some([b'v', b'i', b'd', b'e'] | [b's', b'o', b'u', b'n'])
            );
            let severity = if is_data { Severity::Note } else { Severity::Warning };
            let what = format!("The track is unplayable: {}.", left_out.why);
            let advice = "The other tracks play. If the reason names no other step, a remux with ffmpeg may \
                          recover this one.";
            self.add(severity, Some(left_out.id), what, advice);
        }
    }

    /// Adds problems of one track.
    pub(super) fn track(&mut self, track: &Track, survey: &Survey, is_offered: bool) {
        let id = Some(track.id);
        if let Some(encryption) = track.entry.encryption {
            let scheme = encryption.scheme.map(|scheme| format!(" ({scheme})")).unwrap_or_default();
            let advice = "Headwater delivers no keys: use a copy without DRM.";
            let what = format!("The track is encrypted{scheme}.");
            self.add(Severity::Error, id, what, advice);
        } else if !is_offered && !survey.is_without_cues {
            self.not_offered(track);
        }
        self.text(track, survey.is_without_cues);
        if let Some(fault) = track.index.fault {
            let end_s = words::seconds(track.index.end, track.timescale);
            let what = format!("The track plays only up to {end_s:.3} s: {fault}.");
            self.add(Severity::Warning, id, what, "Copy or download the file again.");
        }
        for (severity, what, advice) in corrections::corrections(track) {
            self.add(severity, id, what, advice);
        }
        if track.is_video() {
            self.video(track, survey);
        }
        if track.entry.segment_audio() == Some(codec::SegmentAudio::Misleads) {
            let what = format!(
                "Browsers play {} in play.mp4, but not in segments.",
                super::verdicts::misleading(track)
            );
            let advice =
                "Headwater makes AAC of it with ffmpeg at the first request for a manifest.";
            self.add(Severity::Note, id, what, advice);
        }
        self.0.extend(edits::problems(track));
        for warning in &track.entry.warnings {
            let advice = "If a player refuses the track, remux it: ffmpeg -i IN -c copy OUT.mp4.";
            self.add(Severity::Note, id, words::warning(*warning), advice);
        }
        if survey.is_partial {
            let what = "The track is very long; the report covers only its beginning.".to_owned();
            self.add(Severity::Note, id, what, "No action needed.");
        }
    }

    fn not_offered(&mut self, track: &Track) {
        let (severity, advice) = match track.entry.packageable() {
            // The report already names the kind of the track.
            _ if track::kind(track) == Kind::Data => return,
            Err(_) if track.is_video() => (
                Severity::Warning,
                "If the file has no other video, Headwater encodes it as H.264 with ffmpeg at the first \
                 request for a manifest. To have that done: ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p \
                 -c:a copy OUT.mp4.",
            ),
            Err(_) if track.is_audio() => (
                Severity::Warning,
                "If no other audio plays in browsers, Headwater makes AAC of it with ffmpeg at the first \
                 request for a manifest. To have that done: ffmpeg -i IN -c:v copy -c:a aac OUT.mp4.",
            ),
            _ => (Severity::Note, "No action needed; the track stays in the file and in play.mp4."),
        };
        let reason = super::verdicts::not_offered(track);
        let what = format!("HLS and DASH do not contain the track: {reason}.");
        self.add(severity, Some(track.id), what, advice);
    }

    fn video(&mut self, track: &Track, survey: &Survey) {
        let id = Some(track.id);
        self.captions(track);
        let limit = GOP_LIMIT_S.saturating_mul(i64::from(track.timescale.get()));
        let longest_s = words::seconds(survey.longest_gop, track.timescale);
        let advice = "Transcode it with a key frame every two seconds: \
                      ffmpeg -i IN -c:v libx264 -force_key_frames 'expr:gte(t,n_forced*2)' -c:a copy OUT.mp4.";
        if survey.syncs == 1 && survey.longest_gop > limit {
            let what = format!(
                "The track has one key frame in {longest_s:.1} s: it is one segment, and every seek \
                 decodes from the start."
            );
            self.add(Severity::Warning, id, what, advice);
        } else if survey.longest_gop > limit {
            let what = format!(
                "Key frames are up to {longest_s:.1} s apart: segments are as long, and a seek may wait \
                 for a whole segment."
            );
            self.add(Severity::Warning, id, what, advice);
        } else if survey.syncs == 0 && survey.samples > 0 {
            let what = "The track has no key frame: players may show nothing, or a grey image.";
            self.add(Severity::Warning, id, what.to_owned(), advice);
        }
        if let Some((severity, what, advice)) = corrections::open_gops(track) {
            self.add(severity, id, what, advice);
        }
        if survey.is_variable() {
            let what = "The frame rate is variable.".to_owned();
            let advice =
                "Players support this; some editors do not. No action needed for playback.";
            self.add(Severity::Note, id, what, advice);
        }
        if let Some(shape) = track.shape
            && let Some(description) = orientation::description(shape.orientation)
        {
            let orientation = shape.orientation;
            let severity = if orientation.degrees.is_none() || orientation.is_mirrored {
                Severity::Warning
            } else {
                Severity::Note
            };
            let what = format!("The video is {description}.");
            let advice = "Headwater keeps the matrix, and most players apply it. Transcode the video to be \
                          independent of the player.";
            self.add(severity, id, what, advice);
        }
        let codec::Media::Video(video) = &track.entry.media else { return };
        if let Some((width, height)) = video.clean_aperture {
            let what = format!("The sample entry crops the frames to {width} x {height} (clap).");
            let advice = "Apple's players do. Browsers, and Headwater's images and renditions, show the \
                          whole frames.";
            self.add(Severity::Note, id, what, advice);
        }
        let interlaced = match video.scan {
            codec::Scan::Interlaced => Some("The video is interlaced."),
            codec::Scan::Mixed => Some("The stream allows interlaced frames."),
            codec::Scan::Progressive | codec::Scan::Unknown => None,
        };
        if let Some(what) = interlaced {
            let advice = "Browsers show combs where such frames move. Images and renditions have none: \
                          order a rendition of the same height.";
            self.add(Severity::Note, id, what.to_owned(), advice);
        }
        if video.range != codec::VideoRange::Sdr {
            let what = format!("The video is high dynamic range only ({}).", video.range.as_str());
            let advice = "On other screens the player maps the colours, and the result may be too pale or \
                          too dark.";
            self.add(Severity::Note, id, what, advice);
        }
    }
}

/// The text of an error as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
