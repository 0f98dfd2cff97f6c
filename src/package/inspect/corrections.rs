//! Sentences about what a track says and cannot mean, and what is read instead.

use super::{report::Severity, words};
use crate::movie::{Corrections, Measured, SegmentStart, Track};

/// A problem of a track: its severity, the sentence, and the next step.
pub(super) type Finding = (Severity, String, &'static str);

const REMUX: &str = "HLS, DASH and play.mp4 have the corrected times. To fix the file: ffmpeg -i IN -c copy OUT.mp4.";
const NO_ACTION: &str = "No action needed: HLS, DASH and play.mp4 are correct.";

/// All corrections of a track.
pub(super) fn corrections(track: &Track) -> Vec<Finding> {
    let Corrections {
        negative_durations,
        missing_durations,
        last_duration,
        compositions,
        wraps,
        restarts,
        late_start,
        missing_timescale,
        audio_syncs,
        no_syncs,
        equal_entries,
    } = track.index.corrections;
    let seconds = |ticks: u32| words::seconds(ticks.into(), track.timescale);
    let mut findings = Vec::new();
    let mut add = |severity, sentence: String, advice| findings.push((severity, sentence, advice));
    if negative_durations > 0 {
        add(
            Severity::Warning,
            format!(
                "{} a negative duration (stts): decoding times go on without a step back.",
                counted(negative_durations, "sample has", "samples have")
            ),
            REMUX,
        );
    }
    if let Some(duration) = missing_durations {
        let sentence = format!(
            "The samples have no duration (stts, trun): each is taken to last about {:.3} s.",
            seconds(duration)
        );
        add(Severity::Warning, sentence, REMUX);
    }
    if let Some(duration) = last_duration {
        let sentence = format!(
            "The last sample would last {:.3} s, long past the duration in the headers: it is taken to last \
             as long as the others.",
            seconds(duration)
        );
        add(Severity::Warning, sentence, REMUX);
    }
    if compositions > 0 {
        add(
            Severity::Warning,
            format!(
                "{} a composition offset (ctts) far from all others: a usual one is taken instead.",
                counted(compositions, "sample has", "samples have")
            ),
            REMUX,
        );
    }
    if wraps > 0 {
        let sentence = format!(
            "The decoding times of fragments (tfdt) pass their 32-bit limit {}: they are continued.",
            counted(wraps, "time", "times")
        );
        add(Severity::Note, sentence, NO_ACTION);
    }
    if restarts > 0 {
        let sentence = format!(
            "The decoding times of fragments (tfdt) go back {}: what follows is played after what precedes.",
            counted(restarts, "time", "times")
        );
        let advice = "If the file holds a part twice, cut it out; otherwise no action is needed.";
        add(Severity::Warning, sentence, advice);
    }
    if let Some(ticks) = late_start {
        let sentence = format!(
            "The decoding times of fragments (tfdt) begin {:.0} s after those of other tracks: the track is \
             taken to begin with them.",
            words::seconds(ticks, track.timescale)
        );
        let advice = "If audio and video are not in step, remux the source again.";
        add(Severity::Warning, sentence, advice);
    }
    if missing_timescale {
        let sentence =
            "The media header (mdhd) has no timescale: that of the movie is taken.".to_owned();
        add(Severity::Warning, sentence, REMUX);
    }
    if audio_syncs {
        let sentence = "Audio frames are marked as no sync samples, although their codec allows decoding to \
                        begin with any of them: the marks are ignored.";
        add(Severity::Note, sentence.to_owned(), NO_ACTION);
    }
    if no_syncs {
        let sentence =
            "The table of key frames (stss) is empty: only the first frame is taken for one.";
        let advice = "Seeking decodes from the start. To fix the file: ffmpeg -i IN -c copy OUT.mp4; if that \
                      finds no key frames, transcode it.";
        add(Severity::Warning, sentence.to_owned(), advice);
    }
    if equal_entries > 1 {
        let sentence =
            format!("The track has {equal_entries} equal sample entries: they are read as one.");
        add(Severity::Note, sentence, NO_ACTION);
    }
    findings
}

/// Open GOPs at the start of segments.
pub(super) fn open_gops(track: &Track) -> Option<Finding> {
    let segments = &track.index.measured;
    let is_open = |segment: &&Measured| segment.totals.shape.begins == SegmentStart::Leading;
    let open = segments.iter().filter(is_open).count();
    (open > 0).then(|| {
        let sentence = format!(
            "{open} of {} segments begin with an open GOP: frames that are presented before the key frame may \
             refer to the segment before.",
            segments.len()
        );
        let advice = "After a seek players leave these frames out. The manifests say so (startWithSAP 3, no \
                      EXT-X-INDEPENDENT-SEGMENTS). No action needed.";
        (Severity::Note, sentence, advice)
    })
}

fn counted(number: u32, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}
