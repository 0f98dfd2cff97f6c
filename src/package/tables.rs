//! Sample tables that are written (ISO/IEC 14496-12 section 8.6 and 8.7), gathered sample by sample.
//!
//! What is kept of a sample is little more than will be written of it: a clip may be ten hours long.

use std::ops::Range;

use super::boxes::Writer;
use crate::movie::{Sample, Track};

/// What things take in memory, in bytes, from when they are gathered until they are written: vectors
/// that grow are up to twice as long as what is in them.
const SIZE_BYTES: usize = 10;
const RUN_BYTES: usize = 20;
const SYNC_BYTES: usize = 10;
/// A chunk is also an extent.
const CHUNK_BYTES: usize = 180;

/// Samples whose bytes lie next to each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) offset: u64,
    pub(super) end: u64,
    samples: u32,
}

/// The tables of one track.
#[derive(Debug)]
pub(super) struct Tables {
    /// What is added to every composition offset so that none is negative, in ticks.
    raise: u32,
    /// The sample entry's length, in bytes.
    entry_bytes: usize,
    duration: u64,
    /// When the last sample ends, as it is written, in ticks.
    ends: Option<i64>,
    durations: Vec<(u32, u32)>,
    compositions: Vec<(u32, u32)>,
    sizes: Vec<u32>,
    /// Their numbers, from 1.
    syncs: Vec<u32>,
    chunks: Vec<Chunk>,
}

impl Tables {
    /// Tables without any sample.
    pub(super) fn new(track: &Track) -> Self {
        Self::raised(track.index.raise, track.entry.entry.len())
    }

    /// Tables without any sample, whose composition offsets are raised by so many ticks, beside a
    /// sample entry of so many bytes.
    pub(super) fn raised(raise: u32, entry_bytes: usize) -> Self {
        Self {
            raise,
            entry_bytes,
            duration: 0,
            ends: None,
            durations: Vec::new(),
            compositions: Vec::new(),
            sizes: Vec::new(),
            syncs: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// Appends a sample.
    pub(super) fn add(&mut self, sample: &Sample) {
        self.close_gap(sample.dts);
        self.ends = sample.dts.checked_add(i64::from(sample.duration));
        self.duration = self.duration.saturating_add(u64::from(sample.duration));
        add_to_runs(&mut self.durations, sample.duration);
        // Not negative: the raise is the largest of all.
        let composition = i64::from(sample.composition) + i64::from(self.raise);
        add_to_runs(&mut self.compositions, u32::try_from(composition).unwrap_or(0));
        self.sizes.push(sample.size);
        if sample.is_sync {
            self.syncs.push(self.samples());
        }
        let end = sample.offset.saturating_add(u64::from(sample.size));
        match self.chunks.last_mut() {
            Some(chunk) if chunk.end == sample.offset => {
                (chunk.end, chunk.samples) = (end, chunk.samples + 1);
            }
            _ => self.chunks.push(Chunk { offset: sample.offset, end, samples: 1 }),
        }
    }

    /// Has the last sample last until the next is decoded: gaps between fragments are in the times of
    /// decoding alone.
    fn close_gap(&mut self, next: i64) {
        let Some(gap) = self.ends.map(|ends| next.saturating_sub(ends)).filter(|gap| *gap != 0)
        else {
            return;
        };
        let Some((count, lasts)) = self.durations.last_mut() else {
            return;
        };
        let longer = i64::from(*lasts).saturating_add(gap).max(0);
        let Ok(longer) = u32::try_from(longer) else {
            return;
        };
        self.duration = self.duration.saturating_sub(u64::from(*lasts)) + u64::from(longer);
        *count -= 1;
        if *count == 0 {
            self.durations.pop();
        }
        add_to_runs(&mut self.durations, longer);
    }

    /// How many samples there are.
    pub(super) fn samples(&self) -> u32 {
        u32::try_from(self.sizes.len()).expect("their number in a track is 32 bits wide")
    }

    /// How long they last together, in ticks.
    pub(super) fn duration(&self) -> u64 {
        self.duration
    }

    /// Where their bytes are in the file.
    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// About how much memory it takes to make all of it, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        3 * self.entry_bytes
            + self.sizes.len() * SIZE_BYTES
            + (self.durations.len() + self.compositions.len()) * RUN_BYTES
            + self.syncs.len() * SYNC_BYTES
            + self.chunks.len() * CHUNK_BYTES
    }

    /// Writes all tables but the sample entry. Returns where the offsets of chunks are in what was
    /// written: `place_of` says what they are.
    pub(super) fn write(
        &self,
        stbl: &mut Writer,
        is_long: bool,
        place_of: impl Fn(u64) -> u64,
    ) -> Range<usize> {
        write_runs(stbl, b"stts", &self.durations);
        if self.compositions.iter().any(|(_, composition)| *composition != 0) {
            // Version 1 has signed offsets; none is negative here, since all were raised.
            write_runs(stbl, b"ctts", &self.compositions);
        }
        if self.syncs.len() < self.sizes.len() {
            stbl.full(b"stss", 0, 0, |stss| {
                stss.u32(count(&self.syncs));
                self.syncs.iter().for_each(|number| stss.u32(*number));
            });
        }
        stbl.full(b"stsz", 0, 0, |stsz| {
            stsz.u32(0);
            stsz.u32(self.samples());
            self.sizes.iter().for_each(|size| stsz.u32(*size));
        });
        self.write_chunk_runs(stbl);
        let mut start = 0;
        stbl.full(if is_long { b"co64" } else { b"stco" }, 0, 0, |table| {
            table.u32(count(&self.chunks));
            start = table.len();
            for chunk in &self.chunks {
                let place = place_of(chunk.offset);
                match is_long {
                    true => table.u64(place),
                    false => table.u32(u32::try_from(place).expect("it was seen to fit")),
                }
            }
        });
        start..stbl.len()
    }

    /// `stsc`: how many samples are in which chunks.
    fn write_chunk_runs(&self, stbl: &mut Writer) {
        let mut before = 0;
        let changes = (1..)
            .zip(&self.chunks)
            .filter(|(_, chunk)| std::mem::replace(&mut before, chunk.samples) != chunk.samples);
        let changes: Vec<(u32, u32)> =
            changes.map(|(number, chunk)| (number, chunk.samples)).collect();
        stbl.full(b"stsc", 0, 0, |stsc| {
            stsc.u32(count(&changes));
            for (number, samples) in changes {
                [number, samples, 1].into_iter().for_each(|field| stsc.u32(field));
            }
        });
    }
}

fn count<T>(entries: &[T]) -> u32 {
    u32::try_from(entries.len()).expect("no more than samples")
}

fn add_to_runs(runs: &mut Vec<(u32, u32)>, value: u32) {
    match runs.last_mut() {
        Some((count, last)) if *last == value => *count += 1,
        _ => runs.push((1, value)),
    }
}

/// A table of counts and values (`stts`, `ctts`).
fn write_runs(stbl: &mut Writer, kind: &[u8; 4], runs: &[(u32, u32)]) {
    stbl.full(kind, 0, 0, |table| {
        table.u32(count(runs));
        for (count, value) in runs {
            table.u32(*count);
            table.u32(*value);
        }
    });
}
