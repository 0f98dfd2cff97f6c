//! What is wrong with a file, how bad that is, and what can be done about it.

use super::{
    boxes::TopBoxes,
    orientation::Orientation,
    report::{Kind, Place, Problem, Report, Severity},
    survey::Survey,
    track, words,
};
use crate::movie::{Movie, MovieRefused, Track, codec};

/// Key frames further from each other than this make a warning, in seconds.
const GOP_LIMIT_S: i64 = 10;

/// Sound and pictures of one second that lie further from each other than this, in bytes, and further
/// than so many seconds of the film take, make a player seek to and fro.
const DISTANCE_LIMIT_BYTES: u64 = 4 << 20;
const DISTANCE_LIMIT_S: f64 = 5.0;

/// Tracks that end so much earlier than the longest are told of, in seconds.
const ENDS_EARLY_S: f64 = 1.0;

/// A list of problems that is being put together.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, severity: Severity, track: Option<u32>, sentence: String, advice: &str) {
        self.0.push(Problem { severity, track, sentence, advice: advice.to_owned() });
    }

    /// All of them, the worst first.
    pub(super) fn sorted(mut self) -> Vec<Problem> {
        self.0.sort_by_key(|problem| problem.severity);
        self.0
    }

    /// That there is no movie in it.
    pub(super) fn refused(&mut self, refused: &MovieRefused, boxes: &TopBoxes) {
        let advice = match (refused, boxes.foreign) {
            (MovieRefused::NoMovie, Some(_)) => {
                "It is served as it is below /media/. For HLS and DASH put it into MP4: \
                 ffmpeg -i IN -c copy OUT.mp4, with new sound or pictures if that is refused."
            }
            (MovieRefused::NoMovie, None) => "See whether it is a video at all.",
            (MovieRefused::NoMoov, _) => {
                "Copy or download it again. If the recording itself was interrupted, a tool such as \
                 untrunc can make an index, given a whole file from the same camera."
            }
            (MovieRefused::MoovTooLong, _) => "Cut it into parts, or encode it anew.",
            (MovieRefused::NoHeader, _) => {
                "Copy or download it again, or let ffmpeg write it anew: ffmpeg -i IN -c copy OUT.mp4."
            }
            (MovieRefused::NoTrack(_), _) => "See what is said of each track.",
        };
        let sentence = match boxes.foreign {
            Some(name) => format!("This is {name}, not MP4 or MOV."),
            None => sentence(&refused.to_string()),
        };
        self.add(Severity::Error, None, sentence, advice);
    }

    /// What is wrong with the boxes of a file.
    pub(super) fn boxes(&mut self, boxes: &TopBoxes) {
        if let Some(cut) = boxes.cut() {
            let what = format!("The box {} says that it is longer than the file.", cut.kind);
            let advice = "The file was cut off, or its writer had not finished: copy it again.";
            self.add(Severity::Warning, None, what, advice);
        }
        if boxes.count() > 0 && boxes.trailing_bytes > 0 {
            let what = format!("The last {} bytes are in no box.", boxes.trailing_bytes);
            self.add(Severity::Note, None, what, "Nobody reads them; nothing need be done.");
        }
        if boxes.index().place == Place::End {
            self.add(
                Severity::Note,
                None,
                "The index (moov) is behind the media, so that players fetch the end first."
                    .to_owned(),
                "Nothing: play.mp4, HLS and DASH have it in front. For others: \
                 ffmpeg -i IN -c copy -movflags +faststart OUT.mp4.",
            );
        }
    }

    /// What is wrong with a movie as a whole. `report` is what is known so far.
    pub(super) fn movie(&mut self, movie: &Movie, report: &Report) {
        let is_clear = movie.tracks.iter().all(|track| track.entry.encryption.is_none());
        if is_clear && report.tracks.iter().all(|track| track.folder.is_none()) {
            self.add(
                Severity::Error,
                None,
                "No track can be sent in segments: there is no HLS and no DASH of it.".to_owned(),
                "Encode it anew, as said below; play.mp4 is there for players that know the codecs.",
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
                let what = format!("It ends {early:.1} s before the longest track.");
                let advice = "Often it is so on purpose. If not, copy the file again.";
                self.add(Severity::Note, Some(track.id), what, advice);
            }
        }
        if let (Some(apart), Some(lasts)) = (report.file.interleaving, report.duration_s) {
            let distance = apart.largest_distance_bytes;
            let bytes_s = movie.file_len as f64 / lasts.max(1.0);
            let is_long = distance as f64 > bytes_s * DISTANCE_LIMIT_S;
            if is_long && distance > DISTANCE_LIMIT_BYTES {
                self.add(
                    Severity::Warning,
                    None,
                    format!(
                        "Sound and pictures lie up to {} MiB apart in the file (at {} s): players of \
                         play.mp4 have to jump.",
                        distance >> 20,
                        apart.at_s,
                    ),
                    "HLS and DASH do not mind. To mend it: ffmpeg -i IN -c copy OUT.mp4.",
                );
            }
        }
        for left_out in &movie.left_out {
            let is_data = !matches!(
                left_out.handler.map(|handler| handler.0),
                Some([b'v', b'i', b'd', b'e'] | [b's', b'o', b'u', b'n'])
            );
            let severity = if is_data { Severity::Note } else { Severity::Warning };
            let what = format!("It is left out: {}.", left_out.why);
            let advice =
                "The other tracks play; if this one is wanted, let ffmpeg write the file anew.";
            self.add(severity, Some(left_out.id), what, advice);
        }
    }

    /// What is wrong with one track.
    pub(super) fn track(&mut self, track: &Track, survey: &Survey, is_offered: bool) {
        let id = Some(track.id);
        if let Some(encryption) = track.entry.encryption {
            let scheme = encryption.scheme.map(|scheme| format!(" ({scheme})")).unwrap_or_default();
            let advice =
                "It cannot be played from here without what opens it: use a copy without DRM.";
            self.add(Severity::Error, id, format!("It is encrypted{scheme}."), advice);
        } else if !is_offered {
            self.not_offered(track);
        }
        if let Some(fault) = track.index.fault {
            let end_s = words::seconds(track.index.end, track.timescale);
            let what = format!("It plays only up to {end_s:.3} s: {fault}.");
            self.add(Severity::Warning, id, what, "Copy or download the file again.");
        }
        if track.is_video() {
            self.pictures(track, survey);
        }
        if track.timeline.jumps > 0 {
            self.add(
                Severity::Warning,
                id,
                format!("Its edit list jumps: {} edits are not followed.", track.timeline.jumps),
                "What is cut out by them is shown. Let an editor write the film anew.",
            );
        }
        for warning in &track.entry.warnings {
            let advice =
                "If a player refuses it, let ffmpeg write it anew: ffmpeg -i IN -c copy OUT.mp4.";
            self.add(Severity::Note, id, words::doubt(*warning), advice);
        }
        if survey.is_partial {
            let what = "It is so long that only its beginning was looked at for this.".to_owned();
            self.add(Severity::Note, id, what, "Nothing need be done.");
        }
    }

    fn not_offered(&mut self, track: &Track) {
        let (severity, advice) = match track.entry.packageable() {
            // That is no surprise: what it is is said of the track.
            _ if track::kind(track) == Kind::Data => return,
            Err(_) if track.is_video() => (
                Severity::Warning,
                "Encode it anew: ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p -c:a copy OUT.mp4.",
            ),
            Err(_) if track.is_audio() => {
                (Severity::Warning, "Encode it anew: ffmpeg -i IN -c:v copy -c:a aac OUT.mp4.")
            }
            _ => (Severity::Note, "Nothing need be done; it stays in the file and in play.mp4."),
        };
        let what = format!("It is not in HLS and DASH; {}.", super::verdicts::not_offered(track));
        self.add(severity, Some(track.id), what, advice);
    }

    fn pictures(&mut self, track: &Track, survey: &Survey) {
        let id = Some(track.id);
        let limit = GOP_LIMIT_S.saturating_mul(i64::from(track.timescale.get()));
        let longest_s = words::seconds(survey.longest_gop, track.timescale);
        let advice = "Encode it anew with a key frame every two seconds: \
                      ffmpeg -i IN -c:v libx264 -force_key_frames 'expr:gte(t,n_forced*2)' -c:a copy OUT.mp4.";
        if survey.syncs == 1 && survey.longest_gop > limit {
            let what = format!(
                "It has one key frame in {longest_s:.1} s: it is one segment, and seeking means to \
                 decode from the start."
            );
            self.add(Severity::Warning, id, what, advice);
        } else if survey.longest_gop > limit {
            let what = format!(
                "Key frames are up to {longest_s:.1} s apart: a segment lasts as long, and a seek may \
                 wait for all of it."
            );
            self.add(Severity::Warning, id, what, advice);
        } else if survey.syncs == 0 && survey.samples > 0 {
            let what =
                "It has no key frame: players may show nothing, or grey pictures.".to_owned();
            self.add(Severity::Warning, id, what, advice);
        }
        if survey.is_variable() {
            let what = "Its pictures last differently (variable frame rate).".to_owned();
            let advice = "Players cope; editors may not. Nothing need be done for playing.";
            self.add(Severity::Note, id, what, advice);
        }
        let orientation = Orientation::of(track);
        if let Some(how) = orientation.words() {
            let severity = if orientation.degrees.is_none() || orientation.is_mirrored {
                Severity::Warning
            } else {
                Severity::Note
            };
            let what = format!("Its pictures are to be shown {how}.");
            let advice =
                "The matrix is kept, and most players obey it; to be sure of all, encode it anew.";
            self.add(severity, id, what, advice);
        }
        if let codec::Media::Video(video) = &track.entry.media
            && video.range != codec::VideoRange::Sdr
        {
            let what = format!("It is high dynamic range ({}) alone.", video.range.as_str());
            let advice =
                "Screens without it show what the player makes of it, often too pale or too dark.";
            self.add(Severity::Note, id, what, advice);
        }
    }
}

/// An error's text as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
