//! Sample tables (ISO/IEC 14496-12 section 8.6 and 8.7): position and time of each sample.
//!
//! The tables stay in the file; the index keeps their offsets. A [`TablePosition`] holds a position in all of
//! them, so that a walk resumes there without reading earlier entries.

use std::num::NonZeroU32;

use super::{
    auxiliary::{Auxiliary, AuxiliaryTables, AuxiliaryWalk},
    boxes::{self, Header},
    corrections::{CompositionLimits, Corrections},
    syncs::SyncRuns,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{Sample, SampleFault, window::Window},
};

/// The most samples of a track: 60 per second for six days. Reading more would outlast any request.
pub const SAMPLES_MAX: u32 = 1 << 25;

/// The number of composition offsets, spread over the track, whose median stands for all.
const COMPOSITIONS_PROBED: usize = 9;

/// Read size for each of them, in bytes.
const PROBE_BYTES: usize = 512;

/// A table of fixed-width entries in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    /// Offset of the first entry.
    start: u64,
    pub(super) count: u32,
    width: u8,
}

impl Table {
    /// The table after `skipped` bytes of a box, preceded by its 32-bit count; `None` if the count exceeds
    /// the box.
    fn read<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
        header: &Header,
        skipped: u64,
        width: u8,
    ) -> Result<Option<Self>, ReadError> {
        if header.body_len() < skipped {
            return Ok(None);
        }
        let start = header.body.start + skipped;
        let count = window.u32(start - 4)?;
        let fits = u64::from(count) * u64::from(width) <= header.body.end - start;
        Ok(fits.then_some(Self { start, count, width }))
    }

    fn offset(&self, entry: u32) -> u64 {
        self.start + u64::from(entry) * u64::from(self.width)
    }
}

#[derive(Clone, Copy, Debug)]
enum Sizes {
    Equal(u32),
    Each(Table),
    /// `stz2`: fields of 4, 8 or 16 bits.
    Compact {
        start: u64,
        bits: u8,
    },
}

/// The tables of one track.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    /// `stts`: durations, run-length coded.
    durations: Table,
    /// `ctts`: composition offsets, run-length coded.
    compositions: Option<Table>,
    /// `stsc`: samples per chunk, run-length coded.
    runs: Table,
    sizes: Sizes,
    /// `stco` or `co64`.
    pub(super) chunks: Table,
    /// `stss`; `None` if every sample is a sync sample.
    syncs: Option<Table>,
    /// Sync samples that are marked elsewhere, if there is an `stss`.
    other_syncs: SyncRuns,
    /// The samples need no sync samples, but the track has a table of them.
    pub(super) ignores_syncs: bool,
    /// The table of sync samples is empty.
    pub(super) has_no_syncs: bool,
    /// The duration of all samples, if all of those in the file are zero.
    equal_duration: Option<u32>,
    composition_limits: Option<CompositionLimits>,
    pub(super) count: u32,
    /// Auxiliary information for decryption, if there is any.
    pub(super) auxiliary: Option<AuxiliaryTables>,
}

/// A position at which a walk over tables resumes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::movie) struct TablePosition {
    /// Decoding time of the next sample.
    pub(super) dts: i64,
    /// Offset of the next sample, unless it is the first of its chunk.
    offset: u64,
    pub(super) sample: u32,
    duration_entry: u32,
    duration_used: u32,
    composition_entry: u32,
    composition_used: u32,
    run: u32,
    chunk: u32,
    in_chunk: u32,
    sync: u32,
    /// Bytes of auxiliary information passed since its last listed offset.
    auxiliary_used: u32,
}

impl Tables {
    /// The tables in the boxes of an `stbl`; the error names the missing or invalid one.
    pub(super) fn read<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
        stbl: &[Header],
    ) -> Result<Result<Self, &'static str>, ReadError> {
        let mut table = |kind: &[u8; 4], width: u8| match boxes::find(stbl, kind) {
            Some(header) => Ok(match Table::read(window, header, 8, width)? {
                Some(table) => Lookup::Valid(table),
                None => Lookup::Invalid,
            }),
            None => Ok::<_, ReadError>(Lookup::Missing),
        };
        let durations = table(b"stts", 8)?;
        let compositions = table(b"ctts", 8)?;
        let runs = table(b"stsc", 12)?;
        let syncs = table(b"stss", 4)?;
        let chunks = match table(b"stco", 4)? {
            Lookup::Missing => table(b"co64", 8)?,
            lookup => lookup,
        };
        let sizes = read_sizes(window, stbl)?;
        let other_syncs = match syncs {
            Lookup::Missing => SyncRuns::default(),
            _ => SyncRuns::read(window, stbl)?,
        };
        Ok((|| {
            let (sizes, count) = sizes.ok_or("its sample sizes (stsz) are missing or invalid")?;
            if count > SAMPLES_MAX {
                return Err("it has too many samples");
            }
            Ok(Self {
                durations: durations
                    .valid()
                    .ok_or("its durations (stts) are missing or invalid")?,
                compositions: match compositions {
                    Lookup::Missing => None,
                    lookup => {
                        Some(lookup.valid().ok_or("its composition offsets (ctts) are invalid")?)
                    }
                },
                runs: runs.valid().ok_or("its samples per chunk (stsc) are missing or invalid")?,
                chunks: chunks.valid().ok_or("its chunk offsets (stco) are missing or invalid")?,
                syncs: match syncs {
                    Lookup::Missing => None,
                    lookup => Some(lookup.valid().ok_or("its sync samples (stss) are invalid")?),
                },
                other_syncs,
                ignores_syncs: false,
                has_no_syncs: false,
                equal_duration: None,
                composition_limits: None,
                sizes,
                count,
                auxiliary: None,
            })
        })())
    }

    /// Makes every sample a sync sample, as a codec without state between frames has them.
    pub(super) fn ignore_syncs(&mut self) {
        self.ignores_syncs = self.syncs.take().is_some_and(|syncs| syncs.count < self.count);
        self.other_syncs = SyncRuns::default();
    }

    /// Makes the first sample a sync sample if the file has a table of them without entries.
    pub(super) fn begin_with_sync(&mut self) {
        let is_empty = self.syncs.is_some_and(|syncs| syncs.count == 0);
        if is_empty && self.other_syncs.is_empty() {
            (self.other_syncs, self.has_no_syncs) = (SyncRuns::first(), true);
        }
    }

    /// Checks durations and composition offsets. `media_end` is the end of the media according to the
    /// header, and `duration` the duration of samples without any, in ticks.
    pub(super) fn check_times<R: ReadAt + ?Sized>(
        &mut self,
        window: &mut Window<'_, R>,
        timescale: NonZeroU32,
        media_end: Option<i64>,
        duration: u32,
    ) -> Result<(), ReadError> {
        let mut entry = 0;
        while entry < self.durations.count && window.u32(self.durations.offset(entry) + 4)? == 0 {
            entry += 1;
        }
        if entry == self.durations.count {
            self.equal_duration = Some(duration);
        }
        if let Some(table) = self.compositions.filter(|table| table.count > 0) {
            let window = &mut Window::new(window.source(), PROBE_BYTES);
            let mut offsets = [0_i32; COMPOSITIONS_PROBED];
            for (probe, offset) in (0..).zip(&mut offsets) {
                let entry = u64::from(table.count - 1) * probe / (COMPOSITIONS_PROBED as u64 - 1);
                let entry = u32::try_from(entry).expect("an entry of the table");
                *offset = window.u32(table.offset(entry) + 4)?.cast_signed();
            }
            offsets.sort_unstable();
            let usual = offsets[offsets.len() / 2];
            self.composition_limits = Some(CompositionLimits::new(usual, timescale, media_end));
        }
        Ok(())
    }

    /// Approximate memory use beside its own size, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.other_syncs.bytes()
    }

    /// The duration of all samples, if the file gives none.
    pub(super) fn missing_duration(&self) -> Option<u32> {
        self.equal_duration.filter(|_| self.count > 0)
    }
}

/// The result of looking up a table.
enum Lookup {
    Missing,
    Invalid,
    Valid(Table),
}

impl Lookup {
    fn valid(self) -> Option<Table> {
        match self {
            Self::Valid(table) => Some(table),
            _ => None,
        }
    }
}

fn read_sizes<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    stbl: &[Header],
) -> Result<Option<(Sizes, u32)>, ReadError> {
    if let Some(header) = boxes::find(stbl, b"stsz") {
        if header.body_len() < 12 {
            return Ok(None);
        }
        let equal = window.u32(header.body.start + 4)?;
        if equal > 0 {
            return Ok(Some((Sizes::Equal(equal), window.u32(header.body.start + 8)?)));
        }
        let table = Table::read(window, header, 12, 4)?;
        return Ok(table.map(|table| (Sizes::Each(table), table.count)));
    }
    let Some(header) = boxes::find(stbl, b"stz2").filter(|header| header.body_len() >= 12) else {
        return Ok(None);
    };
    let bits = window.array::<4>(header.body.start + 4)?[3];
    let count = window.u32(header.body.start + 8)?;
    let start = header.body.start + 12;
    let fits = (u64::from(count) * u64::from(bits)).div_ceil(8) <= header.body.end - start;
    let is_valid = matches!(bits, 4 | 8 | 16) && fits;
    Ok(is_valid.then_some((Sizes::Compact { start, bits }, count)))
}

/// A walk over the samples of tables, in decoding order.
#[derive(Debug)]
pub(super) struct TableWalk<'a, R: ?Sized> {
    tables: &'a Tables,
    pub(super) at: TablePosition,
    /// How far the decoding time is ahead of the one in the file, in ticks.
    pub(super) lead: i64,
    pub(super) corrections: Corrections,
    durations: Entries<'a, R>,
    compositions: Option<Entries<'a, R>>,
    runs: Entries<'a, R>,
    /// Reads the following entry; its first chunk ends the current one.
    next_runs: Entries<'a, R>,
    sizes: Window<'a, R>,
    chunks: Window<'a, R>,
    syncs: Option<Entries<'a, R>>,
    auxiliaries: Option<AuxiliaryWalk<'a, R>>,
    /// Auxiliary information of the last returned sample.
    pub(super) auxiliary: Auxiliary,
}

impl<'a, R: ReadAt + ?Sized> TableWalk<'a, R> {
    /// Resumes at a position and reads `span` bytes per table at a time.
    pub(super) fn new(tables: &'a Tables, source: &'a R, at: TablePosition, span: usize) -> Self {
        let entries = |table: Table| Entries::new(source, table, span);
        Self {
            tables,
            at,
            lead: 0,
            corrections: Corrections::default(),
            durations: entries(tables.durations),
            compositions: tables.compositions.map(entries),
            runs: entries(tables.runs),
            next_runs: entries(tables.runs),
            sizes: Window::new(source, span),
            chunks: Window::new(source, span),
            syncs: tables.syncs.map(entries),
            auxiliaries: tables.auxiliary.map(|of| AuxiliaryWalk::new(of, source, span)),
            auxiliary: Auxiliary::default(),
        }
    }

    /// The next sample. An inconsistency in the tables ends the track with a fault.
    pub(super) fn next(&mut self) -> Result<Option<Result<Sample, SampleFault>>, ReadError> {
        let number = self.at.sample;
        if number >= self.tables.count {
            return Ok(None);
        }
        let Some((offset, description)) = self.locate()? else {
            return Ok(Some(Err(SampleFault::NoChunk)));
        };
        let size = self.size(number)?;
        let duration = self.duration()?;
        let composition = self.composition()?;
        let is_sync = self.is_sync(number)?;
        if let Some(walk) = &mut self.auxiliaries {
            let chunk = (self.at.chunk, self.at.in_chunk == 0);
            match walk.next(number, chunk, &mut self.at.auxiliary_used)? {
                Ok(auxiliary) => self.auxiliary = auxiliary,
                Err(fault) => return Ok(Some(Err(fault))),
            }
        }
        let sample = Sample {
            number,
            offset,
            size,
            dts: self.at.dts,
            duration,
            composition,
            is_sync,
            description,
            is_hidden: false,
            is_silence: false,
        };
        let Some(dts) = self.at.dts.checked_add(i64::from(duration)) else {
            return Ok(Some(Err(SampleFault::TimeOverflows)));
        };
        let Some(end) = offset.checked_add(u64::from(size)) else {
            return Ok(Some(Err(SampleFault::OutsideFile)));
        };
        (self.at.dts, self.at.offset) = (dts, end);
        (self.at.sample, self.at.in_chunk) = (number + 1, self.at.in_chunk + 1);
        Ok(Some(Ok(sample)))
    }

    /// The offset of the next sample, and the index of its sample entry (from 1).
    fn locate(&mut self) -> Result<Option<(u64, u32)>, ReadError> {
        if self.tables.runs.count == 0 {
            return Ok(None);
        }
        loop {
            let [_, per_chunk, description] = self.runs.words(self.at.run)?;
            if self.at.in_chunk >= per_chunk && self.at.in_chunk > 0 {
                (self.at.chunk, self.at.in_chunk) = (self.at.chunk + 1, 0);
            }
            if self.at.in_chunk > 0 {
                return Ok(Some((self.at.offset, description)));
            }
            if self.at.chunk >= self.tables.chunks.count {
                return Ok(None);
            }
            // Chunks are numbered from 1. Entries that do not increase are skipped.
            let next = self.at.run + 1;
            if next < self.tables.runs.count {
                let [first_chunk, ..] = self.next_runs.words(next)?;
                if first_chunk <= self.at.chunk.saturating_add(1) {
                    self.at.run = next;
                    continue;
                }
            }
            if per_chunk == 0 {
                // All chunks before the next entry are empty.
                if next >= self.tables.runs.count {
                    return Ok(None);
                }
                let [first_chunk, ..] = self.next_runs.words(next)?;
                self.at.chunk = first_chunk - 1;
                continue;
            }
            let offset = self.tables.chunks.offset(self.at.chunk);
            let offset = match self.tables.chunks.width {
                4 => u64::from(self.chunks.u32(offset)?),
                _ => u64::from_be_bytes(self.chunks.array(offset)?),
            };
            return Ok(Some((offset, description)));
        }
    }

    fn size(&mut self, number: u32) -> Result<u32, ReadError> {
        match self.tables.sizes {
            Sizes::Equal(size) => Ok(size),
            Sizes::Each(table) => self.sizes.u32(table.offset(number)),
            Sizes::Compact { start, bits: 16 } => {
                let field = self.sizes.array(start + 2 * u64::from(number))?;
                Ok(u32::from(u16::from_be_bytes(field)))
            }
            Sizes::Compact { start, bits } => {
                let [byte] = self.sizes.array(start + u64::from(number) * u64::from(bits) / 8)?;
                let field = match (bits, number % 2) {
                    (4, 0) => byte >> 4,
                    (4, _) => byte & 15,
                    _ => byte,
                };
                Ok(u32::from(field))
            }
        }
    }

    /// The duration of the next sample, in the track's ticks.
    ///
    /// Durations are signed: some writers correct a decoding time by a negative one. Decoding times do not go
    /// back, so a sample whose time would is decoded one tick after the one before, until the times of the
    /// file catch up, as ffmpeg does it.
    fn duration(&mut self) -> Result<u32, ReadError> {
        let delta = self.delta()?;
        if let Some(duration) = self.tables.equal_duration {
            return Ok(duration);
        }
        // Hot: most samples end here.
        if delta.cast_signed() >= 0 && self.lead == 0 {
            return Ok(delta);
        }
        let delta = i64::from(delta.cast_signed());
        self.corrections.negative_durations += u32::from(delta < 0);
        let step = delta.saturating_sub(self.lead);
        let duration = step.max(1);
        self.lead = duration.saturating_sub(step);
        Ok(u32::try_from(duration).expect("no more than the duration in the file"))
    }

    /// The duration of the next sample in the file. Samples beyond the table have the duration of its last
    /// entry.
    fn delta(&mut self) -> Result<u32, ReadError> {
        let table = self.tables.durations;
        let mut duration = 0;
        while self.at.duration_entry < table.count {
            let [count, delta, _] = self.durations.words(self.at.duration_entry)?;
            duration = delta;
            if self.at.duration_used < count {
                self.at.duration_used += 1;
                break;
            }
            if self.at.duration_entry + 1 == table.count {
                break;
            }
            (self.at.duration_entry, self.at.duration_used) = (self.at.duration_entry + 1, 0);
        }
        Ok(duration)
    }

    /// The composition offset of the next sample. Signed in both versions of the box: QuickTime wrote it so,
    /// and all readers follow.
    fn composition(&mut self) -> Result<i32, ReadError> {
        let (Some(table), Some(entries)) = (self.tables.compositions, &mut self.compositions)
        else {
            return Ok(0);
        };
        while self.at.composition_entry < table.count {
            let [count, offset, _] = entries.words(self.at.composition_entry)?;
            if self.at.composition_used < count {
                self.at.composition_used += 1;
                let Some(limits) = &self.tables.composition_limits else {
                    return Ok(offset.cast_signed());
                };
                let (composition, is_wrong) = limits.check(self.at.dts, offset.cast_signed());
                self.corrections.compositions += u32::from(is_wrong);
                return Ok(composition);
            }
            (self.at.composition_entry, self.at.composition_used) =
                (self.at.composition_entry + 1, 0);
        }
        Ok(0)
    }

    fn is_sync(&mut self, number: u32) -> Result<bool, ReadError> {
        let (Some(table), Some(entries)) = (self.tables.syncs, &mut self.syncs) else {
            return Ok(true);
        };
        while self.at.sync < table.count {
            let [sync, ..] = entries.words(self.at.sync)?;
            // Sync samples are numbered from 1.
            if sync > number {
                return Ok(sync - 1 == number || self.tables.other_syncs.contains(number));
            }
            self.at.sync += 1;
        }
        Ok(self.tables.other_syncs.contains(number))
    }
}

/// Reads entries of a table in order, each several times.
#[derive(Debug)]
struct Entries<'a, R: ?Sized> {
    table: Table,
    window: Window<'a, R>,
    /// The last read entry.
    last: Option<(u32, [u32; 3])>,
}

impl<'a, R: ReadAt + ?Sized> Entries<'a, R> {
    fn new(source: &'a R, table: Table, span: usize) -> Self {
        Self { table, window: Window::new(source, span), last: None }
    }

    /// The one, two or three words of an entry.
    fn words(&mut self, entry: u32) -> Result<[u32; 3], ReadError> {
        if let Some((last, words)) = self.last
            && last == entry
        {
            return Ok(words);
        }
        debug_assert!(entry < self.table.count);
        let offset = self.table.offset(entry);
        let mut words = [0; 3];
        words[0] = self.window.u32(offset)?;
        if self.table.width >= 8 {
            words[1] = self.window.u32(offset + 4)?;
        }
        if self.table.width >= 12 {
            words[2] = self.window.u32(offset + 8)?;
        }
        self.last = Some((entry, words));
        Ok(words)
    }
}
