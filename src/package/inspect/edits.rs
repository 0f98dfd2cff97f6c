//! What the edit list of a track does, and what of it is not played: one sentence per fact.

use super::{
    report::{Problem, Severity},
    words,
};
use crate::movie::{EditSummary, Track};

/// The problems of the edit list of a track.
pub(super) fn problems(track: &Track) -> Vec<Problem> {
    let EditSummary { pieces, gaps, stills, other_rates, .. } = track.timeline.edits;
    let EditSummary { behind_end, too_long, dropped, in_fragments, .. } = track.timeline.edits;
    let seconds = |ticks| words::seconds(ticks, track.timescale);
    let mut problems = Vec::new();
    let mut add = |severity, is_so: bool, sentence: String, advice: &str| {
        if is_so {
            let advice = advice.to_owned();
            problems.push(Problem { severity, track: Some(track.id), sentence, advice });
        }
    };
    let (note, warning) = (Severity::Note, Severity::Warning);
    add(
        note,
        pieces > 0,
        format!("The edit list plays {pieces} pieces of the media in turn."),
        "No action needed: HLS, DASH, clips and images show the pieces, and play.mp4 keeps the list.",
    );
    let fills = match track.silence() {
        Some(_) => "it is silent",
        None if track.is_video() => "the frame before stays",
        // The codec has no known frame of silence.
        None => "browsers play the rest early",
    };
    add(
        note,
        gaps > 0 && (track.is_video() || track.is_audio()),
        format!(
            "The edit list leaves {:.3} s between pieces in which the media is not played: {fills}.",
            seconds(gaps),
        ),
        "This is often intended, such as a pause of the recording. No action needed.",
    );
    add(
        note,
        stills > 0 && track.is_video(),
        format!("The edit list holds a still frame {} (media_rate 0).", times(stills)),
        "HLS, DASH, clips and images hold it; some players of play.mp4 play on instead.",
    );
    add(
        warning,
        other_rates > 0,
        format!(
            "The edit list changes the speed {}: the track plays at normal speed.",
            times(other_rates)
        ),
        "Export the movie again with the change of speed applied.",
    );
    add(
        warning,
        behind_end > 0,
        format!(
            "{} behind the end of the media: nothing plays there.",
            edits(behind_end, "begins", "begin")
        ),
        "If the track is incomplete, copy the file again or export the movie again.",
    );
    add(
        warning,
        too_long > 0,
        format!(
            "{} too long without media: the excess is ignored.",
            edits(too_long, "lasts", "last")
        ),
        "The durations are wrong. Export the movie again.",
    );
    add(
        warning,
        dropped > 0,
        format!(
            "{} not played: the edit list has too many edits, or repeats too much.",
            edits(dropped, "is", "are")
        ),
        "Export the movie again, with fewer edits or with all edits applied.",
    );
    add(
        warning,
        in_fragments > 0,
        format!(
            "{} not played as listed, because the file is fragmented: all media from the first edit on plays.",
            edits(in_fragments, "is", "are"),
        ),
        "Remux the file to apply them: ffmpeg -i IN -c copy OUT.mp4.",
    );
    let fragments_end = track.timeline.edits.fragments_end.unwrap_or(i64::MAX);
    add(
        note,
        fragments_end < track.index.end,
        format!(
            "The edit list ends at {:.3} s, before the fragments do: all fragments are played.",
            seconds(fragments_end),
        ),
        "The writer knew only the first fragments. No action needed.",
    );
    problems
}

/// A number of edits as the subject of a sentence.
fn edits(count: u32, one: &str, several: &str) -> String {
    match count {
        1 => format!("One edit {one}"),
        _ => format!("{count} edits {several}"),
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}
