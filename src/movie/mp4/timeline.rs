//! Edit lists (ISO/IEC 14496-12 section 8.6.6): the presentation times of a track's samples.
//!
//! Most lists have one part: they shift all samples by the same time, as a [`Timeline`] does. All others
//! are lists of [`Part`]s, which [`pieces`](super::pieces) arranges.
//!
//! Times are exact, in the track's ticks; products of two timescales use 128 bits.

use std::num::NonZeroU32;

/// The latest start of a track, in seconds. Writers that do not know a duration fill the field with ones,
/// which is 13 hours or more.
const START_MAX_S: u32 = 12 * 3600;

/// The longest time between two pieces of media, in seconds: the frame before lasts as long, and so its
/// segment.
const GAP_MAX_S: u32 = 3600;

/// The longest time between two pieces of media, in seconds, that a sample can last: its duration has 32
/// bits, and tracks of pieces have up to a million ticks per second, or their own.
pub(super) fn longest_gap_s(timescale: NonZeroU32) -> u32 {
    GAP_MAX_S.min(u32::MAX / timescale.get().max(1_000_000))
}

/// An edit plays its media at its own speed: `media_rate` as a 16.16 number.
const NORMAL_RATE: u32 = 0x1_0000;

/// One entry of an edit list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Edit {
    /// Duration in the movie's ticks; 0 means to the end.
    pub(super) duration: u64,
    /// Start in the track's ticks; -1 marks an empty edit.
    pub(super) media_time: i64,
    /// Playback rate as a 16.16 number; 0 holds one frame.
    pub(super) rate: u32,
}

/// An edit list as the file has it.
#[derive(Clone, Debug, Default)]
pub(super) struct EditList {
    /// The first edits.
    pub(super) edits: Vec<Edit>,
    /// Number of later edits, which are not read.
    pub(super) unread: u32,
}

/// A range of the media, and when it is presented, in the track's ticks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Part {
    /// When it is presented.
    pub(super) start: i64,
    /// Where it begins in the media.
    pub(super) media_time: i64,
    /// Its duration; `None` means to the end.
    pub(super) duration: Option<i64>,
    /// It holds the frame at `media_time` (`media_rate` 0).
    pub(super) is_still: bool,
}

impl Part {
    /// When it ends, if its duration is known.
    pub(super) fn end(&self) -> Option<i64> {
        self.duration.map(|duration| self.start.saturating_add(duration))
    }
}

/// What an edit list asks for beyond a start, and what of it is not played.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EditSummary {
    /// Number of pieces that play, if they are several.
    pub pieces: u32,
    /// Total duration between pieces in which no media plays, in ticks.
    pub gaps: i64,
    /// Number of edits that hold one frame (`media_rate` 0).
    pub stills: u32,
    /// Number of edits with another rate than 0 and 1; they play at 1.
    pub other_rates: u32,
    /// Number of edits that begin where the media has ended; they are ignored.
    pub behind_end: u32,
    /// Number of edits that last hours longer than their media; the excess is ignored.
    pub too_long: u32,
    /// Number of edits that no longer play, because the list is too long or repeats too much.
    pub dropped: u32,
    /// Number of later edits that are ignored because the file is fragmented.
    pub in_fragments: u32,
    /// When the first edit of a fragmented file ends, which does not end the movie.
    pub fragments_end: Option<i64>,
}

/// The mapping from decoding times to presentation times.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timeline {
    /// Added to decoding time plus composition offset.
    pub shift: i64,
    /// Presentation time at which the track starts: the duration of its leading empty edits.
    pub from: i64,
    /// Presentation time at which the track ends, if that is before its last sample.
    pub until: Option<i64>,
    /// What else the edit list asks for.
    pub edits: EditSummary,
}

/// What the times of an edit list refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeBase {
    /// Ticks per second of the track.
    pub(super) timescale: NonZeroU32,
    /// Ticks per second of the movie.
    pub(super) movie_timescale: NonZeroU32,
    /// Decoding time of the track's first sample, which is not 0 in a fragment of a longer recording.
    pub(super) first: i64,
    /// The movie's start in that case.
    pub(super) origin: i64,
    /// The samples are in fragments.
    pub(super) is_fragmented: bool,
}

impl TimeBase {
    fn to_ticks(self, movie: u64) -> i64 {
        let product = u128::from(movie) * u128::from(self.timescale.get());
        let ticks = product.div_ceil(u128::from(self.movie_timescale.get()));
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }
}

impl Timeline {
    /// Evaluates an edit list: the timeline of its first part, and all parts in order of presentation.
    ///
    /// An edit that continues where the one before ends belongs to the same part. In a fragmented file only
    /// the start of the first part counts, because writers do not know the duration of later fragments.
    pub(super) fn new(list: &EditList, base: TimeBase) -> (Self, Vec<Part>) {
        let mut summary = EditSummary { dropped: list.unread, ..EditSummary::default() };
        let (mut edits, end) = placed_edits(&list.edits, base, &mut summary);
        let delay = base.to_ticks(edits.first().map_or(end, |(start, _)| *start));
        let first = edits.first().map(|(_, edit)| *edit);
        if base.is_fragmented && edits.len() > 1 {
            summary.in_fragments = u32::try_from(edits.len() - 1).unwrap_or(u32::MAX);
            edits.truncate(1);
        }
        let late = base.first.saturating_sub(base.origin).max(0);
        let media_time = first.map_or(0, |edit| edit.media_time);
        let from = delay.saturating_add(late);
        let shift = delay.saturating_sub(media_time).saturating_sub(base.origin);
        let duration = first.map(|edit| edit.duration).filter(|duration| *duration > 0);
        // The edit list refers to the times in the file, which start late.
        let mut until = duration.map(|movie| from.saturating_add(base.to_ticks(movie)));
        if base.is_fragmented {
            summary.fragments_end = until.take().filter(|_| summary.in_fragments == 0);
        }
        let part = |(start, edit): &(u64, Edit)| Part {
            start: base.to_ticks(*start).saturating_add(late),
            media_time: edit.media_time.saturating_add(base.origin).saturating_add(late),
            duration: Some(base.to_ticks(edit.duration))
                .filter(|ticks| *ticks > 0 && !base.is_fragmented),
            is_still: edit.rate == 0,
        };
        let parts = edits.iter().map(part).collect();
        (Self { shift, from, until, edits: summary }, parts)
    }

    /// The presentation time of a sample.
    pub fn presented(&self, dts: i64, composition: i32) -> i64 {
        // In one 128-bit sum: an intermediate sum may overflow where the total does not.
        let exact = i128::from(dts) + i128::from(composition) + i128::from(self.shift);
        let limit = if exact < 0 { i64::MIN } else { i64::MAX };
        i64::try_from(exact).unwrap_or(limit)
    }
}

/// The edits that play media, each with its start, and the end of all; in the movie's ticks.
fn placed_edits(
    edits: &[Edit],
    base: TimeBase,
    summary: &mut EditSummary,
) -> (Vec<(u64, Edit)>, u64) {
    let in_movie = |seconds: u32| u64::from(seconds) * u64::from(base.movie_timescale.get());
    // Some writers leave the rate of their only edit at 0: no movie holds one frame from start to end.
    let is_only = edits.iter().filter(|edit| edit.media_time >= 0).count() == 1;
    let can_hold = !is_only && !base.is_fragmented;
    let mut placed: Vec<(u64, Edit)> = Vec::new();
    let mut at = 0_u64;
    for (number, edit) in (1..).zip(edits) {
        let is_empty = edit.media_time < 0;
        let is_still = edit.rate == 0 && !is_empty && can_hold;
        let longest = match placed.is_empty() && is_empty {
            true => START_MAX_S,
            false => longest_gap_s(base.timescale),
        };
        if (is_empty || is_still) && edit.duration > in_movie(longest) {
            summary.too_long += 1;
            continue;
        }
        // Only the last edit can last to the end.
        let lasts_to_end = edit.duration == 0 && number == edits.len() && !is_still;
        if is_empty || (edit.duration == 0 && !lasts_to_end && !base.is_fragmented) {
            at = at.saturating_add(edit.duration);
            continue;
        }
        summary.stills += u32::from(is_still);
        summary.other_rates += u32::from(!is_still && edit.rate != NORMAL_RATE);
        let edit = Edit { rate: if is_still { 0 } else { NORMAL_RATE }, ..*edit };
        match placed.last_mut() {
            Some((start, last)) if continues((*start, last), (at, &edit), base) => {
                last.duration = match edit.duration {
                    0 => 0,
                    duration => last.duration.saturating_add(duration),
                };
            }
            _ => placed.push((at, edit)),
        }
        at = at.saturating_add(edit.duration);
    }
    (placed, at)
}

/// Whether an edit plays on where the one before it ends; each with its start.
fn continues((start, last): (u64, &Edit), (at, edit): (u64, &Edit), base: TimeBase) -> bool {
    let end = last.media_time.saturating_add(base.to_ticks(last.duration));
    // Durations are rounded to the movie's ticks.
    let tick = base.to_ticks(1).unsigned_abs();
    let is_near = edit.media_time.abs_diff(end) <= tick;
    let is_adjacent = start.saturating_add(last.duration) == at;
    is_near && is_adjacent && last.duration > 0 && last.rate != 0 && edit.rate != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(is_fragmented: bool) -> TimeBase {
        let timescale = NonZeroU32::new(90_000).expect("ticks");
        let movie_timescale = NonZeroU32::new(1000).expect("ticks");
        TimeBase { timescale, movie_timescale, first: 0, origin: 0, is_fragmented }
    }

    fn evaluate(edits: &[(u64, i64, u32)], is_fragmented: bool) -> (Timeline, Vec<Part>) {
        let edit = |&(duration, media_time, rate)| Edit { duration, media_time, rate: rate << 16 };
        let list = EditList { edits: edits.iter().map(edit).collect(), unread: 0 };
        Timeline::new(&list, base(is_fragmented))
    }

    fn starts(parts: &[Part]) -> Vec<(i64, i64)> {
        parts.iter().map(|part| (part.start, part.media_time)).collect()
    }

    #[test]
    fn edits_that_continue_are_one_part_and_others_are_several() {
        let (_, parts) = evaluate(&[(1000, 0, 1), (1000, 90_045, 1), (1000, 900_000, 1)], false);
        assert_eq!(starts(&parts), [(0, 0), (180_000, 900_000)]);
        assert_eq!(parts[0].end(), Some(180_000));
    }

    #[test]
    fn an_empty_edit_delays_what_follows() {
        let (timeline, parts) =
            evaluate(&[(500, -1, 1), (1000, 0, 1), (2000, -1, 1), (0, 90_000, 1)], false);
        assert_eq!(timeline.from, 45_000);
        assert_eq!(starts(&parts), [(45_000, 0), (315_000, 90_000)]);
        assert_eq!(parts[1].end(), None);
    }

    #[test]
    fn a_late_start_is_no_absurd_length_but_a_gap_of_hours_is() {
        let two_hours = 7_200_000;
        let (timeline, _) = evaluate(&[(two_hours, -1, 1), (1000, 0, 1)], false);
        assert_eq!((timeline.from, timeline.edits.too_long), (648_000_000, 0));
        let edits = [(1000, 0, 1), (two_hours, -1, 1), (1000, 90_000, 1)];
        let (timeline, parts) = evaluate(&edits, false);
        assert_eq!((parts[0].start, timeline.edits.too_long), (0, 1));
    }

    #[test]
    fn an_empty_edit_of_absurd_length_is_ignored_and_counted() {
        let (timeline, parts) = evaluate(&[(u64::from(u32::MAX), -1, 1), (1000, 0, 1)], false);
        assert_eq!((timeline.from, timeline.edits.too_long), (0, 1));
        assert_eq!(starts(&parts), [(0, 0)]);
    }

    #[test]
    fn a_fragmented_file_has_no_end_and_one_part() {
        let (timeline, parts) = evaluate(&[(1000, 0, 1)], true);
        assert_eq!((timeline.until, timeline.edits.fragments_end), (None, Some(90_000)));
        assert_eq!(parts[0].duration, None);
        let (timeline, parts) = evaluate(&[(1000, 0, 1), (1000, 900_000, 1)], true);
        assert_eq!((timeline.edits.in_fragments, timeline.edits.fragments_end), (1, None));
        assert_eq!(parts.len(), 1);
    }

    #[test]
    fn rates_other_than_one_are_counted() {
        let (timeline, parts) = evaluate(&[(1000, 0, 0), (1000, 0, 2), (1000, 0, 1)], false);
        assert_eq!((timeline.edits.stills, timeline.edits.other_rates), (1, 1));
        assert_eq!(parts.len(), 3);
        assert!(parts[0].is_still && !parts[1].is_still);
    }

    #[test]
    fn the_only_edit_holds_no_frame() {
        let (timeline, parts) = evaluate(&[(1000, 0, 0)], false);
        assert_eq!((timeline.edits.stills, timeline.edits.other_rates), (0, 1));
        assert!(!parts[0].is_still);
    }
}
