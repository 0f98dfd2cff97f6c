//! Movie fragments (ISO/IEC 14496-12 section 8.8): samples with their tables next to them.
//!
//! The index keeps the positions of the `moof` boxes only. It ignores the segment index (`sidx`), which is
//! a hint and often stale.

mod moof;

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use self::moof::{Parsed, Run, be_u32, parse};
use super::{
    auxiliary::{Auxiliary, AuxiliaryRun, Format},
    corrections::{Clock, CompositionLimits, Corrections},
    syncs::{self, SyncRuns},
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{Sample, SampleFault, budget},
};

/// The longest `moof` that is read, in bytes: an hour at 60 frames per second, for muxers that write a
/// whole movie as one fragment.
pub(super) const FRAGMENT_BYTES_MAX: u64 = 4 << 20;

/// The most samples of a track in one fragment: a run without per-sample fields can declare any number.
const FRAGMENT_SAMPLES_MAX: u32 = 1 << 18;

/// The most restarts of decoding times that other tracks follow.
const RESTARTS_MAX: usize = 1 << 12;

/// Sample defaults of a track in fragments (`trex`, section 8.8.3).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Defaults {
    pub(super) description: u32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

/// A position at which a walk over fragments can resume.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::movie) struct FragmentPosition {
    /// Decoding time at the start of the fragment, unless the fragment declares one.
    pub(super) dts: i64,
    /// The clock of the times that fragments declare.
    pub(super) clock: Clock,
    /// Index of the `moof` in the list.
    pub(super) fragment: u32,
    /// Number of its samples already returned.
    pub(in crate::movie) skip: u32,
    /// Number of the next sample in the track.
    pub(super) sample: u32,
}

/// The fragments of one track.
#[derive(Clone, Debug)]
pub(super) struct Fragments {
    /// Each `moof` of the file, header included.
    pub(super) moofs: Arc<[Range<u64>]>,
    pub(super) track_id: u32,
    pub(super) timescale: NonZeroU32,
    pub(super) defaults: Defaults,
    /// The duration of samples without any, in ticks, where no later fragment tells it.
    pub(super) usual_duration: u32,
    /// Every sample is a sync sample, whatever its flags are.
    pub(super) ignores_syncs: bool,
    pub(super) composition_limits: Option<CompositionLimits>,
    /// What each restart of the leading track adds to decoding times, in ticks of this track.
    pub(super) restarts: Arc<[i64]>,
    /// Format of the auxiliary information, if the samples are encrypted.
    pub(super) protection: Option<Format>,
}

/// A walk over the samples of a track's fragments, in decoding order.
#[derive(Debug)]
pub(super) struct FragmentWalk<'a, R: ?Sized> {
    fragments: &'a Fragments,
    source: &'a R,
    /// Position of the next sample.
    pub(super) at: FragmentPosition,
    /// The open fragment.
    current: Option<Fragment>,
    /// The fragment at the position, if it is read and not open yet.
    ready: Option<Fragment>,
    /// The next fragment with samples and its index, if already read.
    following: Option<(u32, Fragment)>,
    pub(super) corrections: Corrections,
    /// What each restart so far adds to decoding times, in ticks.
    pub(super) restarts: Vec<i64>,
    /// Auxiliary information of the last returned sample.
    pub(super) auxiliary: Auxiliary,
}

#[derive(Debug)]
struct Fragment {
    bytes: Vec<u8>,
    runs: std::vec::IntoIter<Run>,
    run: Option<Run>,
    in_run: u32,
    offset: u64,
    dts: i64,
    /// The clock after its declared time.
    clock: Clock,
    /// The sync samples in groups of each of the track's fragments in the `moof`.
    syncs: Vec<SyncRuns>,
    /// Number of the next sample in its track fragment.
    in_traf: u32,
    /// The duration of all samples, if the file gives none.
    equal_duration: Option<u32>,
    /// Auxiliary information of each of the track's fragments in the `moof`.
    auxiliaries: Vec<AuxiliaryRun>,
    /// Auxiliary information of the last returned sample.
    auxiliary: Auxiliary,
}

impl<'a, R: ReadAt + ?Sized> FragmentWalk<'a, R> {
    pub(super) fn new(fragments: &'a Fragments, source: &'a R, at: FragmentPosition) -> Self {
        Self {
            fragments,
            source,
            at,
            current: None,
            ready: None,
            following: None,
            corrections: Corrections::default(),
            restarts: Vec::new(),
            auxiliary: Auxiliary::default(),
        }
    }

    /// The next sample, if there is one. Reading a fragment consumes work budget.
    pub(super) fn next(
        &mut self,
        work_left: &mut u64,
    ) -> Result<Option<Result<Sample, SampleFault>>, ReadError> {
        loop {
            if self.current.is_none() {
                let FragmentPosition { fragment, dts, clock, .. } = self.at;
                let read = match self.ready.take() {
                    Some(ready) => Some(Ok(ready)),
                    None => self.read(fragment, dts, clock, work_left)?,
                };
                let mut current = match read {
                    Some(Ok(current)) => current,
                    Some(Err(fault)) => return Ok(Some(Err(fault))),
                    None => return Ok(None),
                };
                (self.at.dts, self.at.clock) = (current.dts, current.clock);
                self.give_durations(&mut current, work_left)?;
                for _ in 0..self.at.skip {
                    current.next(0, self.fragments, &mut Corrections::default());
                }
                self.current = Some(current);
            }
            let fragment = self.current.as_mut().expect("read above");
            let next = fragment.next(self.at.sample, self.fragments, &mut self.corrections);
            let Some(sample) = next else {
                self.advance();
                continue;
            };
            let (is_last, dts, clock) = (fragment.is_finished(), fragment.dts, fragment.clock);
            self.auxiliary = fragment.auxiliary;
            let mut sample = match sample {
                Ok(sample) => sample,
                Err(fault) => return Ok(Some(Err(fault))),
            };
            if is_last && let Some(Ok(next)) = self.read_following(dts, clock, work_left)? {
                sample.duration = duration_until(&sample, next);
            }
            self.at.skip += 1;
            let Some(number) = self.at.sample.checked_add(1) else {
                return Ok(Some(Err(SampleFault::TooMany)));
            };
            self.at.sample = number;
            return Ok(Some(Ok(sample)));
        }
    }

    /// Gives the samples of a fragment without durations the time until the next fragment, in equal parts.
    fn give_durations(
        &mut self,
        current: &mut Fragment,
        work_left: &mut u64,
    ) -> Result<(), ReadError> {
        let Some(count) = current.count_without_durations() else {
            return Ok(());
        };
        let (start, clock) = (current.dts, current.clock);
        let next = match self.read_following(start, clock, work_left)? {
            Some(Ok(next)) => next.saturating_sub(start),
            _ => 0,
        };
        let equal = u32::try_from(next / i64::from(count)).unwrap_or(0);
        let duration = if equal > 0 { equal } else { self.fragments.usual_duration };
        current.equal_duration = Some(duration);
        self.corrections.missing_durations = Some(duration);
        Ok(())
    }

    /// Moves to the next fragment.
    fn advance(&mut self) {
        let Some(finished) = self.current.take() else {
            return;
        };
        let restarts = finished.clock.restarts;
        (self.at.dts, self.at.clock) = (finished.dts, finished.clock);
        (self.at.fragment, self.at.skip) = (self.at.fragment + 1, 0);
        if let Some((index, following)) = self.following.take() {
            (self.at.dts, self.at.clock, self.at.fragment) =
                (following.dts, following.clock, index);
            if following.clock.restarts > restarts && self.restarts.len() < RESTARTS_MAX {
                self.restarts.push(following.clock.offset());
            }
            self.ready = Some(following);
        }
    }

    /// Reads the next fragment that has samples, and returns the decoding time of its first; `None` after
    /// the last.
    fn read_following(
        &mut self,
        mut dts: i64,
        mut clock: Clock,
        work_left: &mut u64,
    ) -> Result<Option<Result<i64, SampleFault>>, ReadError> {
        if let Some((_, following)) = &self.following {
            return Ok(Some(Ok(following.dts)));
        }
        let mut index = self.at.fragment;
        loop {
            let Some(next) = index.checked_add(1) else {
                return Ok(None);
            };
            index = next;
            match self.read(index, dts, clock, work_left)? {
                Some(Ok(fragment)) if fragment.is_finished() => {
                    (dts, clock) = (fragment.dts, fragment.clock);
                }
                Some(Ok(fragment)) => {
                    let start = fragment.dts;
                    self.following = Some((index, fragment));
                    return Ok(Some(Ok(start)));
                }
                // The walk reports it when it reaches that fragment.
                Some(Err(fault)) => return Ok(Some(Err(fault))),
                None => return Ok(None),
            }
        }
    }

    /// Reads the fragment at an index, which consumes work budget.
    fn read(
        &self,
        index: u32,
        dts: i64,
        clock: Clock,
        work_left: &mut u64,
    ) -> Result<Option<Result<Fragment, SampleFault>>, ReadError> {
        let Some(moof) = self.fragments.moofs.get(index as usize) else {
            return Ok(None);
        };
        let work = budget::fragment_cost(moof.end - moof.start);
        let Some(left) = work_left.checked_sub(work) else {
            *work_left = 0;
            return Ok(Some(Err(SampleFault::TooMany)));
        };
        *work_left = left;
        Fragment::read(self.source, moof, self.fragments, dts, clock).map(Some)
    }
}

/// The duration of a fragment's last sample, from the decoding time of the next: only the decoding times
/// show a gap between two fragments.
fn duration_until(sample: &Sample, next: i64) -> u32 {
    let duration = next.checked_sub(sample.dts).and_then(|ticks| u32::try_from(ticks).ok());
    duration.filter(|ticks| *ticks > 0).unwrap_or(sample.duration)
}

impl Fragment {
    /// Reads the fragment of one track from a `moof`.
    fn read<R: ReadAt + ?Sized>(
        source: &R,
        moof: &Range<u64>,
        fragments: &Fragments,
        dts: i64,
        mut clock: Clock,
    ) -> Result<Result<Self, SampleFault>, ReadError> {
        let length = moof.end - moof.start;
        if length > FRAGMENT_BYTES_MAX {
            return Ok(Err(SampleFault::FragmentTooLong));
        }
        let mut bytes = vec![0; usize::try_from(length).expect("at most 4 MiB")];
        source.read_exact_at(moof.start, &mut bytes)?;
        let Some(parsed) = parse(&bytes, moof.start, fragments)? else {
            return Ok(Err(SampleFault::FragmentInvalid));
        };
        let Parsed { runs, declared, auxiliaries, syncs } = parsed;
        let Fragments { timescale, restarts, .. } = fragments;
        let dts = match declared {
            Some(declared) => clock.read(declared, dts, *timescale, restarts),
            None => Some(dts),
        };
        let Some(dts) = dts else {
            return Ok(Err(SampleFault::TimeOverflows));
        };
        let mut runs = runs.into_iter();
        let run = runs.next();
        let offset = run.as_ref().map_or(0, |run| run.offset);
        let auxiliary = Auxiliary::default();
        Ok(Ok(Self {
            bytes,
            runs,
            run,
            in_run: 0,
            offset,
            dts,
            clock,
            syncs,
            in_traf: 0,
            equal_duration: None,
            auxiliaries,
            auxiliary,
        }))
    }

    /// The number of its samples, if there are some and none has a duration. Only before the first is taken.
    fn count_without_durations(&self) -> Option<u32> {
        let is_without = |run: &Run| match run.flags & Run::DURATION {
            0 => run.defaults.duration == 0,
            _ => {
                let entries =
                    &self.bytes[run.entries..run.entries + run.count as usize * run.width];
                entries.chunks_exact(run.width).all(|entry| be_u32(entry) == 0)
            }
        };
        let mut runs = self.run.iter().chain(self.runs.as_slice()).filter(|run| run.count > 0);
        let count: u32 = runs.clone().map(|run| run.count).sum();
        (count > 0 && runs.all(is_without)).then_some(count)
    }

    /// Whether the fragment has no more samples.
    fn is_finished(&self) -> bool {
        let is_empty = |run: &Run| run.count == 0;
        let is_last_run_finished = self.run.as_ref().is_none_or(|run| self.in_run >= run.count);
        is_last_run_finished && self.runs.as_slice().iter().all(is_empty)
    }

    fn next(
        &mut self,
        number: u32,
        fragments: &Fragments,
        corrections: &mut Corrections,
    ) -> Option<Result<Sample, SampleFault>> {
        while self.run.as_ref().is_some_and(|run| self.in_run >= run.count) {
            let traf = self.run.as_ref().map(|run| run.traf);
            self.run = self.runs.next();
            self.in_run = 0;
            if self.run.as_ref().map(|run| run.traf) != traf {
                self.in_traf = 0;
            }
            self.offset = self.run.as_ref().map_or(0, |run| run.offset);
        }
        let run = self.run.as_ref()?;
        let start = run.entries + self.in_run as usize * run.width;
        // `read_run` checked that the entries fit into the box.
        let mut fields = self.bytes[start..start + run.width].chunks_exact(4).map(be_u32);
        let mut field = |flag, default| {
            let own = (run.flags & flag != 0).then(|| fields.next()).flatten();
            own.unwrap_or(default)
        };
        let duration = field(Run::DURATION, run.defaults.duration);
        let duration = self.equal_duration.unwrap_or(duration);
        let size = field(Run::SIZE, run.defaults.size);
        let flags = field(Run::FLAGS, run.defaults.flags);
        let composition = field(Run::COMPOSITION, 0).cast_signed();
        let flags = run.first_flags.filter(|_| self.in_run == 0).unwrap_or(flags);
        let is_marked = syncs::is_sync(flags)
            || self.syncs.get(run.traf).is_some_and(|runs| runs.contains(self.in_traf));
        corrections.audio_syncs |= fragments.ignores_syncs && !is_marked;
        let (composition, is_wrong) = match &fragments.composition_limits {
            Some(limits) => limits.check(self.dts, composition),
            None => (composition, false),
        };
        corrections.compositions += u32::from(is_wrong);
        let sample = Sample {
            number,
            offset: self.offset,
            size,
            dts: self.dts,
            duration,
            composition,
            is_sync: is_marked || fragments.ignores_syncs,
            description: run.defaults.description,
            is_hidden: false,
            is_silence: false,
        };
        let Some(dts) = self.dts.checked_add(i64::from(duration)) else {
            return Some(Err(SampleFault::TimeOverflows));
        };
        let Some(offset) = self.offset.checked_add(u64::from(size)) else {
            return Some(Err(SampleFault::OutsideFile));
        };
        if let Some(auxiliary) = self.auxiliaries.get_mut(run.traf) {
            match auxiliary.next(&self.bytes, self.in_run == 0) {
                Ok(auxiliary) => self.auxiliary = auxiliary,
                Err(fault) => return Some(Err(fault)),
            }
        }
        (self.dts, self.offset, self.in_run) = (dts, offset, self.in_run + 1);
        self.in_traf += 1;
        Some(Ok(sample))
    }
}
