//! The pieces of an edit list (ISO/IEC 14496-12 section 8.6.6) as one continuous track.
//!
//! A [piece](Piece) is a range of the media with a place in the presentation. A [`PieceWalk`] returns the
//! samples of all pieces in order of presentation, numbered and timed as if the file had them so; all that
//! reads a track through it, such as segments, clips and images, follows the edit list without knowing it.
//!
//! Decoding times only rise. A piece may need samples that are not shown: those from the sync sample before
//! it, and references after its end. They last one tick each, and are presented just before the start of the
//! piece or just before its end: whatever is shown keeps its time, and players need no edit list. In the
//! first piece they come just after its start, and its first frame is late by as many ticks: browsers drop
//! what is presented before zero (seen in Chromium 156), and with a key frame all that depends on it.

use std::num::NonZeroU32;

use bytes::Bytes;

use super::{
    auxiliary::Auxiliary,
    corrections::Corrections,
    samples::{Position, Samples, Walk},
    timeline::Timeline,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{Sample, SampleFault},
};

/// Ticks per second that a track with samples that are not shown has at least: 600 such samples, ten
/// seconds at 60 frames per second, take a millisecond. Browsers count in microseconds.
pub(super) const TIMESCALE_MIN: u32 = 500_000;

/// Ticks for samples that are presented after the end of a piece and decoded before it: no codec has more of
/// them at once.
const TAIL_TICKS: i64 = 64;

/// What the samples of a track need of earlier ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// All from the sync sample before.
    Video,
    /// Little: each frame can begin a piece.
    Audio,
    /// Nothing, and a sample is cut at any time.
    Text,
}

/// The pieces of a track.
#[derive(Clone, Debug)]
pub(in crate::movie) struct Pieces {
    /// In order of presentation, none without samples.
    pub(super) list: Box<[Piece]>,
    pub(super) kind: Kind,
    /// Index of the sample entry of frames of silence.
    pub(super) description: u32,
    /// Ticks of the presentation per tick of the file.
    pub(super) scale: NonZeroU32,
    /// The frame of silence between pieces of audio, if there is any.
    pub(super) silence: Option<Bytes>,
}

/// A piece. Its times are in ticks of the presentation; numbers of its samples count from its first decoded
/// one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Position of its first decoded sample.
    pub(super) position: Position,
    /// Number of its first sample in the presented track.
    pub(super) first_sample: u32,
    /// Number of its samples.
    pub(super) count: u32,
    /// Samples before this one in decoding order are not shown.
    pub(super) first_shown: u32,
    /// Samples from this one on are shown, unless they are presented after the end.
    pub(super) lead_end: u32,
    /// Range of media that it shows, in the scaled ticks of the file.
    pub(super) media: (i64, i64),
    /// When it is presented, and when the next piece is.
    pub(super) start: i64,
    pub(super) end: i64,
    /// Decoding time of its first sample that is shown.
    pub(super) shown_dts: i64,
    /// The earliest decoding time of its first sample: after the piece before.
    pub(super) dts_min: i64,
    /// Decoding time of the first sample of the next piece, and its [ticks of hidden samples](Self::lead_ticks).
    pub(super) next: Option<(i64, i64)>,
    /// Duration of media that is decoded before it and not shown.
    pub(super) lead_in: i64,
    /// Duration of a frame.
    pub(super) frame: i64,
    /// The piece is silence, in frames of this duration.
    pub(super) silent_frame: Option<NonZeroU32>,
}

impl Piece {
    /// The decoding time of a sample, from its number and its time in the media. Both rise, so the result
    /// does.
    pub(super) fn decode_time(&self, kind: Kind, number: u32, media_dts: i64) -> i64 {
        let natural = match self.first_shown.checked_sub(number) {
            Some(before) if before > 0 => self.shown_dts.saturating_sub(before.into()),
            _ => {
                let since = media_dts.saturating_sub(self.media.0);
                let since = if kind == Kind::Text { since.max(0) } else { since };
                self.start.saturating_add(since)
            }
        };
        natural.max(self.dts_min.saturating_add(number.into()))
    }

    /// A frame of silence.
    fn silence(&self, pieces: &Pieces, number: u32, frame: NonZeroU32) -> Sample {
        let after = i64::from(number) * i64::from(frame.get());
        let dts = self.start.saturating_add(after);
        let next_dts = match self.next {
            Some((next_dts, _)) if number + 1 == self.count => next_dts,
            _ => dts.saturating_add(frame.get().into()),
        };
        let size = pieces.silence.as_ref().map_or(0, Bytes::len);
        Sample {
            number: self.first_sample + number,
            offset: 0,
            size: u32::try_from(size).unwrap_or(0),
            dts,
            duration: u32::try_from(next_dts.saturating_sub(dts)).unwrap_or(frame.get()),
            composition: 0,
            is_sync: true,
            description: pieces.description,
            is_hidden: false,
            is_silence: true,
        }
    }

    /// Ticks before its start for the samples that are decoded and not shown: one for each frame of the lead-in,
    /// some of which may be decoded later.
    pub(super) fn lead_ticks(&self) -> i64 {
        let samples = i64::from(self.lead_end);
        let frames = self.lead_in / self.frame.max(1);
        if samples == 0 { 0 } else { frames.clamp(samples, samples + TAIL_TICKS) }
    }

    /// A sample of the media as part of the presentation.
    fn place(&self, pieces: &Pieces, number: u32, sample: Sample) -> Sample {
        let kind = pieces.kind;
        let (media_dts, shown_at, media_end) = pieces.times(&sample);
        let dts = self.decode_time(kind, number, media_dts);
        let next_dts = if number + 1 < self.count {
            self.decode_time(kind, number + 1, media_end)
        } else if let Some((next_dts, _)) = self.next {
            next_dts
        } else {
            dts.saturating_add(media_end.saturating_sub(media_dts))
        };
        let ends = match kind {
            // A cue ends with its sample, whatever follows.
            Kind::Text => next_dts.min(
                self.start.saturating_add(media_end.min(self.media.1).saturating_sub(self.media.0)),
            ),
            _ => next_dts,
        };
        let is_early = shown_at < self.media.0;
        let is_hidden = kind == Kind::Video && (is_early || shown_at >= self.media.1);
        let lead_ticks = self.lead_ticks();
        // In order of presentation, in which decoders return frames.
        let rank_of = |since: i64, span: i64, ranks: i64| {
            let rank = i128::from(since) * i128::from(ranks) / i128::from(span.max(1));
            i64::try_from(rank.clamp(0, i128::from(ranks - 1).max(0))).unwrap_or(0)
        };
        let before_start = if self.first_sample == 0 { 0 } else { lead_ticks };
        let presented = if !is_hidden {
            let presented = self.start.saturating_add(shown_at.saturating_sub(self.media.0));
            match kind {
                Kind::Video => presented.max(self.start.saturating_add(lead_ticks - before_start)),
                _ => presented,
            }
        } else if is_early && number < self.lead_end {
            // Without a lead-in they are the leading frames of an open GOP.
            let span = match self.lead_in {
                0 => self.frame.saturating_mul(lead_ticks),
                lead_in => lead_in,
            };
            let begins = self.media.0.saturating_sub(span);
            let rank = rank_of(shown_at.saturating_sub(begins), span, lead_ticks);
            self.start.saturating_add(rank - before_start)
        } else if is_early {
            dts
        } else {
            let next_lead = self.next.map_or(0, |(_, lead_ticks)| lead_ticks);
            let span = self.frame.saturating_mul(TAIL_TICKS);
            let rank = rank_of(shown_at.saturating_sub(self.media.1), span, TAIL_TICKS);
            self.end.saturating_sub(next_lead + TAIL_TICKS - rank)
        };
        let presented = if kind == Kind::Text { dts } else { presented };
        let offset = presented.saturating_sub(dts);
        Sample {
            number: self.first_sample + number,
            dts,
            duration: u32::try_from(ends.saturating_sub(dts).max(0)).unwrap_or(u32::MAX),
            composition: i32::try_from(offset).unwrap_or(0),
            is_hidden,
            ..sample
        }
    }
}

impl Pieces {
    /// Decoding time, presentation time and end of decoding of a sample in the media, in scaled ticks.
    pub(super) fn times(&self, sample: &Sample) -> (i64, i64, i64) {
        times(sample, self.scale)
    }

    /// The index of the piece with a sample, by its number in the presented track.
    fn find(&self, number: u32) -> usize {
        self.list.partition_point(|piece| piece.first_sample <= number).saturating_sub(1)
    }

    /// The frame of silence, if any piece is silent.
    pub(super) fn silence(&self) -> Option<&Bytes> {
        self.silence.as_ref()
    }

    /// Approximate memory use, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.list.len() * size_of::<Piece>()
    }
}

/// Decoding time, presentation time and end of decoding of a sample, in ticks times `scale`.
pub(super) fn times(sample: &Sample, scale: NonZeroU32) -> (i64, i64, i64) {
    let scaled = |ticks: i64| ticks.saturating_mul(scale.get().into());
    let shown_at = sample.dts.saturating_add(sample.composition.into());
    let end = sample.dts.saturating_add(sample.duration.into());
    (scaled(sample.dts), scaled(shown_at), scaled(end))
}

/// A walk over a track's presented samples in decoding order: those of the file, or those of its pieces.
#[derive(Debug)]
pub(in crate::movie) struct PieceWalk<'a, R: ?Sized> {
    samples: &'a Samples,
    source: &'a R,
    span: usize,
    media: Walk<'a, R>,
    /// The piece, its index, and the number of its next sample.
    at: Option<(&'a Pieces, usize, u32)>,
    /// Duration of the last returned sample in the media, in scaled ticks.
    media_duration: i64,
}

impl<'a, R: ReadAt + ?Sized> PieceWalk<'a, R> {
    /// Resumes at the position of the sample with this number, and reads `span` bytes per table at a time,
    /// within `work_left` units of [work](crate::movie::budget).
    pub(in crate::movie) fn new(
        samples: &'a Samples,
        source: &'a R,
        (position, number): (Position, u32),
        span: usize,
        work_left: u64,
    ) -> Self {
        let media = Walk::new(samples, source, position, span, work_left);
        let at = samples.pieces.as_deref().map(|pieces| {
            let index = pieces.find(number);
            (pieces, index, number - pieces.list[index].first_sample)
        });
        Self { samples, source, span, media, at, media_duration: 0 }
    }

    /// The position of the next sample, if a walk can resume there.
    pub(super) fn resumable_position(&self) -> Option<Position> {
        match self.at {
            Some((pieces, index, number)) if number >= pieces.list[index].count => {
                pieces.list.get(index + 1).map(|piece| piece.position)
            }
            // A frame of silence has no place in the file.
            Some((pieces, index, _)) if pieces.list[index].silent_frame.is_some() => {
                Some(pieces.list[index].position)
            }
            _ => self.media.resumable_position(),
        }
    }

    /// What was corrected in the samples of the file so far; since the start of the piece if there are any.
    pub(super) fn corrections(&self) -> Corrections {
        self.media.corrections()
    }

    /// What each restart of the decoding times of fragments so far adds to those of the file, in ticks.
    pub(super) fn restarts(&self) -> &[i64] {
        self.media.restarts()
    }

    /// The remaining work budget.
    pub(super) fn work_left(&self) -> u64 {
        self.media.work_left()
    }

    /// When the last returned sample is presented. One that is not shown counts for the start of its piece.
    pub fn presented(&self, sample: &Sample, timeline: &Timeline) -> i64 {
        match self.at {
            Some((pieces, index, _)) if sample.is_hidden => pieces.list[index].start,
            _ => timeline.presented(sample.dts, sample.composition),
        }
    }

    /// How long the last returned sample lasts in the media, in ticks: pieces change the times of decoding
    /// around their borders.
    pub(super) fn media_duration(&self, sample: &Sample) -> i64 {
        if self.at.is_some() { self.media_duration } else { sample.duration.into() }
    }

    /// Auxiliary information of the last returned sample.
    pub fn auxiliary(&self) -> Auxiliary {
        self.media.auxiliary()
    }

    /// The next sample; `None` after the last one. A fault ends the track; an error comes from the disk.
    pub fn next_sample(&mut self) -> Result<Option<Result<Sample, SampleFault>>, ReadError> {
        let Some((pieces, mut index, mut number)) = self.at else {
            return self.media.next_sample();
        };
        if number >= pieces.list[index].count {
            let Some(next) = pieces.list.get(index + 1) else {
                return Ok(None);
            };
            (index, number) = (index + 1, 0);
            let work_left = self.media.work_left();
            self.media = Walk::new(self.samples, self.source, next.position, self.span, work_left);
        }
        self.at = Some((pieces, index, number + 1));
        let piece = &pieces.list[index];
        if let Some(frame) = piece.silent_frame {
            let is_within = self.media.charge(1);
            let silence = piece.silence(pieces, number, frame);
            self.media_duration = frame.get().into();
            return Ok(Some(if is_within { Ok(silence) } else { Err(SampleFault::TooMany) }));
        }
        let sample = self.media.next_sample()?;
        if let Some(Ok(sample)) = &sample {
            self.media_duration = i64::from(sample.duration) * i64::from(pieces.scale.get());
        }
        Ok(sample.map(|sample| sample.map(|sample| piece.place(pieces, number, sample))))
    }
}
