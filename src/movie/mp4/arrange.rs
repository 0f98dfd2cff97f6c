//! Arranges the parts of an edit list as [pieces](super::pieces), and indexes what they present.
//!
//! One pass over the media finds where each part begins, however the parts jump; then each part is read
//! once. A part of the work budget bounds both, so that a list that repeats a long track a thousand times
//! ends early instead.

use std::num::NonZeroU32;

use bytes::Bytes;

use super::{
    corrections::Corrections,
    index::{IndexFault, IndexedWithRestarts, Lead, PIECE_BYTES, Subject, index},
    pieces::{Kind, Piece, Pieces, TIMESCALE_MIN, times},
    samples::{Position, Samples, Walk},
    timeline::{EditSummary, Part, TimeBase, Timeline, longest_gap_s},
    track::Head,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        Indexed, Sample, SampleFault, budget::Budget, codec::silence::silent_frame, cuts::Cuts,
    },
};

/// Read size per table in a pass over all media, in bytes.
const PASS_BYTES: usize = 64 * 1024;

/// The most samples that are decoded between one and another that is presented before it: no codec reorders
/// more than 32.
const REORDER_MAX: u32 = 64;

/// Work to begin another piece, in units of [`Budget::work`].
const PIECE_COST: u64 = 32;

/// The share of the work budget that the pieces of one track may take.
const WORK_SHARE: u64 = 8;

/// Indexes a track as its edit list presents it.
pub(super) fn index_edited<R: ReadAt + ?Sized>(
    head: &mut Head,
    source: &R,
    base: TimeBase,
    cuts: Cuts<'_>,
    lead: Lead,
    budget: &mut Budget,
) -> Result<Result<(Timeline, IndexedWithRestarts), IndexFault>, ReadError> {
    let (timeline, parts) = Timeline::new(&head.edits, base);
    let is_plain = matches!(&parts[..], [] | [Part { is_still: false, .. }]);
    let mut plain = None;
    if is_plain {
        let segments_left = budget.segments;
        let indexed = index(subject(head, timeline), source, cuts, lead, budget)?;
        if parts.is_empty() || is_as_presented(&indexed, &timeline, kind(head)) {
            return Ok(indexed.map(|indexed| (timeline, indexed)));
        }
        budget.segments = segments_left;
        plain = indexed.ok();
    }
    let mut summary = timeline.edits;
    let arrangement = Arrangement::new(head, source, base, lead);
    let Some(arranged) = arrangement.arrange(&parts, &mut summary, budget)? else {
        if summary.dropped > 0
            && let Some(plain) = plain
        {
            // Its samples are too many for another pass: players see the lead-in that the edit hides.
            budget.segments = budget.segments.saturating_sub(plain.0.segments.len());
            return Ok(Ok((timeline, plain)));
        }
        // No edit plays anything: all media plays instead.
        let start = parts.first().map_or(0, |part| part.start);
        let begins = head.first.map_or(0, |first| times(&first, NonZeroU32::MIN).1);
        let shift = start.saturating_sub(begins);
        let timeline = Timeline { shift, from: start, until: None, edits: summary };
        let indexed = index(subject(head, timeline), source, cuts, lead, budget)?;
        return Ok(indexed.map(|indexed| (timeline, indexed)));
    };
    let Arranged { pieces, timeline, corrections, fault } = arranged;
    let lead_in = pieces.list[0].lead_in;
    head.timescale = base.timescale.saturating_mul(pieces.scale);
    head.samples.pieces = Some(Box::new(pieces));
    let subject = Subject { declared: None, ..subject(head, timeline) };
    let indexed = index(subject, source, cuts, Lead::Arranged, budget)?;
    Ok(indexed.map(|(indexed, _)| {
        let (corrections, restarts) = match plain {
            Some((plain, restarts)) => (plain.corrections, restarts),
            None => (corrections, Vec::new()),
        };
        let fault = indexed.fault.or(fault);
        (timeline, (Indexed { fault, lead_in, corrections, ..indexed }, restarts))
    }))
}

fn subject(head: &mut Head, timeline: Timeline) -> Subject<'_> {
    Subject {
        samples: &mut head.samples,
        timescale: head.timescale,
        timeline,
        declared: head.declared,
    }
}

fn kind(head: &Head) -> Kind {
    match &head.handler.0 {
        b"vide" => Kind::Video,
        b"soun" => Kind::Audio,
        _ => Kind::Text,
    }
}

/// Whether the samples of a track without pieces can be presented as they are: its edit begins inside the
/// media, and at a key frame if the track is video.
fn is_as_presented(
    indexed: &Result<IndexedWithRestarts, IndexFault>,
    timeline: &Timeline,
    kind: Kind,
) -> bool {
    match indexed {
        Err(fault) => *fault != IndexFault::Empty,
        Ok((indexed, _)) => {
            let is_behind_end = indexed.end <= timeline.from.saturating_add(1);
            let begins_between = indexed.lead_in >= i64::from(indexed.usual_duration.max(1));
            !is_behind_end && (kind != Kind::Video || !begins_between)
        }
    }
}

/// What arranging the parts of a track needs.
struct Arrangement<'a, R: ?Sized> {
    samples: &'a Samples,
    source: &'a R,
    kind: Kind,
    /// Time that the decoder needs before its output is correct, in ticks.
    preroll: i64,
    base: TimeBase,
    /// The first sample of the media.
    first: Option<Sample>,
    /// A frame of silence, if the codec has one.
    silence: Option<Bytes>,
}

/// The presentation of a track.
struct Arranged {
    pieces: Pieces,
    timeline: Timeline,
    /// What was corrected in the media.
    corrections: Corrections,
    /// Why the media ends early.
    fault: Option<SampleFault>,
}

/// Where the parts begin in the media.
struct Starts {
    /// The first sample that each part needs.
    positions: Vec<Option<Position>>,
    /// End of the media, in the ticks of the file.
    end: i64,
    corrections: Corrections,
    fault: Option<SampleFault>,
}

/// The samples of a part, in the ticks of the file; numbers count from the first decoded one.
#[derive(Clone, Copy, Debug)]
struct Measured {
    part: Part,
    position: Position,
    count: u32,
    first_shown: u32,
    lead_end: u32,
    has_hidden: bool,
    media: (i64, i64),
    /// The first sample, the first one that is shown, and the last one.
    first: Sample,
    shown: Sample,
    last: Sample,
}

impl<'a, R: ReadAt + ?Sized> Arrangement<'a, R> {
    fn new(head: &'a Head, source: &'a R, base: TimeBase, lead: Lead) -> Self {
        let preroll = match lead {
            Lead::Audio { preroll } => preroll,
            _ => 0,
        };
        let frame = head.first.and_then(|first| NonZeroU32::new(first.duration));
        let silence = frame.and_then(|frame| silent_frame(&head.entry, frame, base.timescale));
        let (samples, first) = (&head.samples, head.first);
        Self { samples, source, kind: kind(head), preroll, base, first, silence }
    }

    /// Arranges parts; `None` if none of them plays anything.
    fn arrange(
        &self,
        parts: &[Part],
        summary: &mut EditSummary,
        budget: &mut Budget,
    ) -> Result<Option<Arranged>, ReadError> {
        let parts = &self.on_frames(parts)[..];
        let starts = self.find_starts(parts, budget)?;
        let mut measured: Vec<Measured> = Vec::new();
        let mut work_left = budget.work / WORK_SHARE;
        let work_before = work_left;
        let timescale = self.base.timescale;
        let gap_max = i64::from(longest_gap_s(timescale)) * i64::from(timescale.get());
        // The excess of absurd durations so far.
        let mut excess = 0_i64;
        // The end of the part before.
        let mut earliest = 0_i64;
        for (number, (part, position)) in parts.iter().zip(&starts.positions).enumerate() {
            let is_last = number + 1 == parts.len();
            let start = part.start.saturating_sub(excess).max(earliest);
            let mut part = Part { start, ..*part };
            let media_left = starts.end.saturating_sub(part.media_time);
            let position = position.filter(|_| media_left > 0);
            if position.is_none() {
                summary.behind_end += 1;
            }
            let duration = part.duration.unwrap_or(media_left.max(0));
            let over = duration.saturating_sub(media_left.max(0));
            if over > gap_max && !part.is_still {
                excess = excess.saturating_add(over);
                part.duration = Some(media_left.max(0));
                summary.too_long += u32::from(!is_last);
            }
            earliest = part.end().unwrap_or(start);
            let Some(position) = position else {
                continue;
            };
            let left = work_left.checked_sub(PIECE_COST);
            let is_first = number == 0;
            match self.measure(part, position, (is_first, is_last), left.unwrap_or(0))? {
                Some((found, left)) => {
                    work_left = left;
                    measured.extend(found);
                }
                None => {
                    let dropped = u32::try_from(parts.len() - number).unwrap_or(u32::MAX);
                    summary.dropped = summary.dropped.saturating_add(dropped);
                    work_left = 0;
                    break;
                }
            }
        }
        budget.work -= work_before - work_left;
        let Some(pieces) = self.place(&measured, work_left) else {
            return Ok(None);
        };
        let timeline = self.timeline(&pieces, &measured, starts.end, summary);
        let Starts { corrections, fault, .. } = starts;
        Ok(Some(Arranged { pieces, timeline, corrections, fault }))
    }

    /// Finds the first sample that each part needs, in one pass.
    fn find_starts(&self, parts: &[Part], budget: &mut Budget) -> Result<Starts, ReadError> {
        let start = self.samples.start();
        let mut walk = Walk::new(self.samples, self.source, start, PASS_BYTES, budget.work);
        let mut starts = Starts {
            positions: vec![None; parts.len()],
            end: 0,
            corrections: Corrections::default(),
            fault: None,
        };
        // In the order of the media.
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|part| parts[*part].media_time);
        let mut waiting = order.into_iter().peekable();
        // The sample to begin with for a part that begins before the next sync sample.
        let mut last_sync = start;
        loop {
            let position = walk.resumable_position();
            let sample = match walk.next_sample()? {
                Some(Ok(sample)) => sample,
                Some(Err(fault)) => {
                    starts.fault = Some(fault);
                    break;
                }
                None => break,
            };
            let (_, shown_at, _) = times(&sample, NonZeroU32::MIN);
            let ends = shown_at.saturating_add(sample.duration.into());
            starts.end = starts.end.max(ends);
            let Some(position) = position else {
                continue;
            };
            while let Some(part) = waiting.peek().copied() {
                let is_passed = match self.kind {
                    Kind::Video => sample.is_sync && shown_at > parts[part].media_time,
                    Kind::Text => ends > parts[part].media_time,
                    // One frame before the start of the track, and more for the decoder's preroll.
                    Kind::Audio if part == 0 => {
                        ends.saturating_add(self.preroll) > parts[part].media_time
                    }
                    Kind::Audio => is_middle_from(&sample, parts[part].media_time),
                };
                if !is_passed {
                    break;
                }
                starts.positions[part] =
                    Some(if self.kind == Kind::Video { last_sync } else { position });
                waiting.next();
            }
            if sample.is_sync {
                last_sync = position;
            }
        }
        if self.kind == Kind::Video {
            waiting.for_each(|part| starts.positions[part] = Some(last_sync));
        }
        starts.corrections = walk.corrections();
        budget.work = walk.work_left();
        Ok(starts)
    }

    /// Reads the samples of a part from its first one on, and returns the work that is left; `None` if that
    /// does not suffice.
    fn measure(
        &self,
        part: Part,
        position: Position,
        (is_first, is_last): (bool, bool),
        work_left: u64,
    ) -> Result<Option<(Option<Measured>, u64)>, ReadError> {
        let begin = part.media_time;
        let end = match part.duration {
            _ if part.is_still => begin.saturating_add(1),
            Some(duration) => begin.saturating_add(duration),
            None => i64::MAX,
        };
        let mut walk = Walk::new(self.samples, self.source, position, PIECE_BYTES, work_left);
        let mut found: Option<Measured> = None;
        let (mut first, mut shown_samples, mut lead_end, mut beyond) = (None, 0, 0, 0);
        // The sample that is visible when the part begins.
        let mut visible: Option<(i64, u32, Sample)> = None;
        for number in 0.. {
            let sample = match walk.next_sample()? {
                Some(Ok(sample)) => sample,
                Some(Err(SampleFault::TooMany)) => return Ok(None),
                Some(Err(_)) | None => break,
            };
            let first = *first.get_or_insert(sample);
            let (_, shown_at, _) = times(&sample, NonZeroU32::MIN);
            let is_beyond = match self.kind {
                Kind::Audio if !is_last => is_middle_from(&sample, end),
                _ => shown_at >= end,
            };
            if is_beyond {
                beyond += 1;
                if self.kind != Kind::Video || beyond > REORDER_MAX {
                    break;
                }
                continue;
            }
            beyond = 0;
            if self.kind == Kind::Video && shown_at < begin {
                if visible.is_none_or(|(latest, ..)| shown_at >= latest) {
                    visible = Some((shown_at, number, sample));
                }
                let first_shown = found.map_or(number, |found| found.first_shown);
                if number < first_shown.saturating_add(REORDER_MAX) {
                    lead_end = number + 1;
                }
                continue;
            }
            shown_samples += 1;
            // Frames of audio stay next to each other: the first one is presented when the piece begins.
            let is_moved = self.kind == Kind::Audio && !is_first;
            let so_far = found.get_or_insert(Measured {
                part,
                position,
                count: 0,
                first_shown: number,
                lead_end: 0,
                has_hidden: false,
                media: (if is_moved { shown_at } else { begin }, end),
                first,
                shown: sample,
                last: sample,
            });
            (so_far.count, so_far.last, so_far.lead_end) = (number + 1, sample, lead_end);
        }
        let found = match (found, visible, first) {
            (Some(found), ..) => {
                let has_hidden = shown_samples < found.count;
                Some(Measured { has_hidden, ..found })
            }
            // A part shorter than a frame, or one that holds a frame.
            (None, Some((shown_at, number, sample)), Some(first)) => Some(Measured {
                part,
                position,
                count: number + 1,
                first_shown: number,
                lead_end: number,
                has_hidden: number > 0,
                media: (shown_at, shown_at.saturating_add(1)),
                first,
                shown: sample,
                last: sample,
            }),
            _ => None,
        };
        Ok(Some((found, walk.work_left())))
    }

    /// Places measured parts one after another; `None` if there are none.
    ///
    /// Silence fills gaps in audio, if `work_left` suffices to read it.
    fn place(&self, measured: &[Measured], mut work_left: u64) -> Option<Pieces> {
        let is_video = self.kind == Kind::Video;
        let has_hidden = is_video && measured.iter().any(|part| part.has_hidden);
        let scale = match self.base.timescale.get() {
            timescale if has_hidden && timescale < TIMESCALE_MIN => {
                NonZeroU32::new(TIMESCALE_MIN.div_ceil(timescale)).unwrap_or(NonZeroU32::MIN)
            }
            _ => NonZeroU32::MIN,
        };
        let scaled = |ticks: i64| ticks.saturating_mul(scale.get().into());
        let mut list: Vec<Piece> = Vec::new();
        let (mut dts_min, mut samples) = (i64::MIN / 4, 0_u32);
        for found in measured {
            let start = scaled(found.part.start);
            let media = (scaled(found.media.0), scaled(found.media.1));
            let (shown_dts, ..) = times(&found.shown, scale);
            let (first_dts, first_shown_at, _) = times(&found.first, scale);
            let (last_dts, ..) = times(&found.last, scale);
            let end = found.part.end().map_or(i64::MAX, scaled);
            if is_video && list.is_empty() {
                // The delay of a key frame, not that of the frame that is shown first, which may be decoded
                // earlier: shaka-player expects key frames at the decoding times of their segments.
                dts_min = start.saturating_sub(first_shown_at.saturating_sub(first_dts));
            }
            let piece = Piece {
                position: found.position,
                first_sample: samples,
                count: found.count,
                first_shown: if is_video { found.first_shown } else { 0 },
                lead_end: found.lead_end,
                media,
                start,
                end,
                shown_dts: start.saturating_add(shown_dts.saturating_sub(media.0)),
                dts_min,
                // The last frame of the track is held to its end.
                next: found.part.is_still.then_some((end, 0)),
                lead_in: media.0.saturating_sub(first_shown_at).max(0),
                frame: scaled(found.shown.duration.into()),
                silent_frame: None,
            };
            if let Some(silence) = list.last().and_then(|before| self.gap(before, start, dts_min)) {
                let total = samples.checked_add(silence.count);
                if let Some((total, left)) = total.zip(work_left.checked_sub(silence.count.into()))
                {
                    if let Some(before) = list.last_mut() {
                        (before.end, before.next) = (silence.start, Some((silence.start, 0)));
                    }
                    list.push(Piece { first_sample: samples, ..silence });
                    (samples, work_left) = (total, left);
                }
            }
            let piece = Piece { first_sample: samples, ..piece };
            let Some(samples_after) = samples.checked_add(found.count) else {
                break;
            };
            samples = samples_after;
            if let Some(before) = list.last_mut() {
                before.end = start;
                before.next =
                    Some((piece.decode_time(self.kind, 0, first_dts), piece.lead_ticks()));
            }
            dts_min = piece.decode_time(self.kind, found.count - 1, last_dts).saturating_add(1);
            list.push(piece);
        }
        let list = list.into_boxed_slice();
        let description = self.first.map_or(1, |first| first.description);
        let silence = self.silence.clone();
        let kind = self.kind;
        (!list.is_empty()).then_some(Pieces { list, kind, description, scale, silence })
    }

    /// The silence between a piece of audio, whose last frame is decoded just before `dts_min`, and the
    /// start of the next piece; `None` if there is none.
    fn gap(&self, before: &Piece, next_start: i64, dts_min: i64) -> Option<Piece> {
        let frame = NonZeroU32::new(self.first?.duration)?;
        let ticks = i64::from(frame.get());
        let start = dts_min.saturating_sub(1).saturating_add(ticks);
        let frames = next_start.saturating_sub(start).saturating_add(ticks / 2) / ticks;
        let is_silent = self.kind == Kind::Audio && self.silence.is_some() && frames > 0;
        is_silent.then_some(Piece {
            count: u32::try_from(frames).unwrap_or(u32::MAX),
            first_shown: 0,
            lead_end: 0,
            start,
            end: next_start,
            next: Some((next_start, 0)),
            lead_in: 0,
            silent_frame: Some(frame),
            ..*before
        })
    }

    /// Moves the parts of audio to the frame grid of the first part, so that frames follow each other
    /// without a gap: a browser plays them so in any case, and would lose the sync a little at each part.
    fn on_frames(&self, parts: &[Part]) -> Vec<Part> {
        let mut moved = parts.to_vec();
        let frame = self.first.map_or(0, |first| i64::from(first.duration));
        let (Some(first), Some(first_part)) = (self.first, parts.first()) else {
            return moved;
        };
        if self.kind != Kind::Audio || frame == 0 {
            return moved;
        }
        let (_, begins, _) = times(&first, NonZeroU32::MIN);
        let grid = first_part.start.saturating_add(begins.saturating_sub(first_part.media_time));
        let nearest = |time: i64| {
            let since = time.saturating_sub(grid).saturating_add(frame / 2);
            grid.saturating_add(since.div_euclid(frame).saturating_mul(frame))
        };
        let count = moved.len();
        for (number, part) in moved.iter_mut().enumerate() {
            let start = if number == 0 { part.start } else { nearest(part.start) };
            let end = part.end().map(|end| if number + 1 == count { end } else { nearest(end) });
            part.media_time = part.media_time.saturating_add(start.saturating_sub(part.start));
            part.duration = end.map(|end| end.saturating_sub(start).max(0));
            part.start = start;
        }
        moved
    }

    /// The timeline of pieces. `media_end` is the end of the media in the ticks of the file.
    fn timeline(
        &self,
        pieces: &Pieces,
        measured: &[Measured],
        media_end: i64,
        summary: &EditSummary,
    ) -> Timeline {
        let scaled = |ticks: i64| ticks.saturating_mul(pieces.scale.get().into());
        let mut edits = *summary;
        edits.fragments_end = summary.fragments_end.map(scaled);
        if measured.len() > 1 {
            edits.pieces = u32::try_from(measured.len()).unwrap_or(u32::MAX);
        }
        let tenth_s = i64::from(self.base.timescale.get()) / 10;
        for pair in measured.windows(2) {
            let media_left = media_end.saturating_sub(pair[0].part.media_time);
            let plays = match pair[0].part.duration {
                Some(duration) if pair[0].part.is_still => duration,
                Some(duration) => duration.min(media_left),
                None => media_left,
            };
            let gap = pair[1].part.start.saturating_sub(pair[0].part.start.saturating_add(plays));
            if gap > tenth_s {
                edits.gaps = edits.gaps.saturating_add(scaled(gap));
            }
        }
        let until = measured.last().and_then(|last| last.part.end()).map(scaled);
        Timeline { shift: 0, from: pieces.list[0].start, until, edits }
    }
}

/// Whether the middle of a sample is at or after a time, in the ticks of the file.
fn is_middle_from(sample: &Sample, time: i64) -> bool {
    let middle =
        2 * (i128::from(sample.dts) + i128::from(sample.composition)) + i128::from(sample.duration);
    middle >= 2 * i128::from(time)
}
