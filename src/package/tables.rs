//! New sample tables (ISO/IEC 14496-12 section 8.6 and 8.7), built sample by sample.
//!
//! A sample takes little more memory than its table entries, because a clip may be ten hours long.

use std::ops::Range;

use super::boxes::Writer;
use crate::movie::{Sample, Track};

/// Memory use per entry, in bytes, from the first sample until the tables are written: the capacity of a
/// growing vector is up to twice its length.
const SIZE_BYTES: usize = 10;
const RUN_BYTES: usize = 20;
const SYNC_BYTES: usize = 10;
/// Each chunk is also a range of the media data, first in a sorted list.
const CHUNK_BYTES: usize = 100;

/// The longest duration in a table, in ticks: readers take longer ones for negative.
const DURATION_MAX: u32 = i32::MAX.unsigned_abs();

/// The memory use of tables of so many samples, in bytes: at least so much.
pub(super) fn least_bytes(samples: u32) -> usize {
    SIZE_BYTES * samples as usize
}

/// A run of samples that are adjacent in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) offset: u64,
    pub(super) end: u64,
    samples: u32,
}

/// The tables of one track.
#[derive(Debug)]
pub(super) struct Tables {
    /// Added to every composition offset so that none is negative, in ticks.
    raise: u32,
    /// Length of the sample entry, in bytes.
    entry_bytes: usize,
    duration: u64,
    /// End of the last sample in the new timeline, in ticks.
    end: Option<i64>,
    durations: Vec<(u32, u32)>,
    compositions: Vec<(u32, u32)>,
    sizes: Vec<u32>,
    /// Numbers of sync samples, from 1.
    syncs: Vec<u32>,
    chunks: Vec<Chunk>,
}

impl Tables {
    /// Tables without samples, for a track.
    pub(super) fn new(track: &Track) -> Self {
        Self::with_raise(track.index.raise, track.entry.entry.len())
    }

    /// Tables without samples, with a raise of composition offsets in ticks and the length of the sample
    /// entry in bytes.
    pub(super) fn with_raise(raise: u32, entry_bytes: usize) -> Self {
        Self {
            raise,
            entry_bytes,
            duration: 0,
            end: None,
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
        self.end = sample.dts.checked_add(i64::from(sample.duration));
        let duration = sample.duration.min(DURATION_MAX);
        self.duration = self.duration.saturating_add(u64::from(duration));
        add_to_runs(&mut self.durations, duration);
        // Not negative: the raise is the maximum over the track.
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

    /// Extends the last sample until the next one is decoded: only decoding times show the gaps between
    /// fragments.
    fn close_gap(&mut self, next: i64) {
        let Some(gap) = self.end.map(|end| next.saturating_sub(end)).filter(|gap| *gap != 0) else {
            return;
        };
        let Some((count, duration)) = self.durations.last_mut() else {
            return;
        };
        let longer = i64::from(*duration).saturating_add(gap).max(0);
        let Some(longer) = u32::try_from(longer).ok().filter(|ticks| *ticks <= DURATION_MAX) else {
            return;
        };
        self.duration = self.duration.saturating_sub(u64::from(*duration)) + u64::from(longer);
        *count -= 1;
        if *count == 0 {
            self.durations.pop();
        }
        add_to_runs(&mut self.durations, longer);
    }

    /// Number of samples.
    pub(super) fn samples(&self) -> u32 {
        u32::try_from(self.sizes.len()).expect("a track has a 32-bit number of samples")
    }

    /// Total duration, in ticks.
    pub(super) fn duration(&self) -> u64 {
        self.duration
    }

    /// Ranges of the samples in the file.
    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Approximate memory use until the tables are written, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        3 * self.entry_bytes
            + self.sizes.len() * SIZE_BYTES
            + (self.durations.len() + self.compositions.len()) * RUN_BYTES
            + self.syncs.len() * SYNC_BYTES
            + self.chunks.len() * CHUNK_BYTES
    }

    /// Writes all tables except `stsd`. Returns the range of the chunk offsets in the writer; `map_offset`
    /// maps offsets of the file to new ones.
    pub(super) fn write(
        &self,
        stbl: &mut Writer,
        is_long: bool,
        mut map_offset: impl FnMut(u64) -> u64,
    ) -> Range<usize> {
        write_runs(stbl, b"stts", &self.durations);
        if self.compositions.iter().any(|(_, composition)| *composition != 0) {
            // Version 0 has unsigned offsets; none is negative after the raise.
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
                let offset = map_offset(chunk.offset);
                match is_long {
                    true => table.u64(offset),
                    false => table.u32(u32::try_from(offset).expect("short offsets fit")),
                }
            }
        });
        start..stbl.len()
    }

    /// `stsc`: samples per chunk.
    fn write_chunk_runs(&self, stbl: &mut Writer) {
        let mut previous = 0;
        let changes = (1..)
            .zip(&self.chunks)
            .filter(|(_, chunk)| std::mem::replace(&mut previous, chunk.samples) != chunk.samples);
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
    u32::try_from(entries.len()).expect("no more entries than samples")
}

fn add_to_runs(runs: &mut Vec<(u32, u32)>, value: u32) {
    match runs.last_mut() {
        Some((count, last)) if *last == value => *count += 1,
        _ => runs.push((1, value)),
    }
}

/// A table of runs: counts and values (`stts`, `ctts`).
fn write_runs(stbl: &mut Writer, kind: &[u8; 4], runs: &[(u32, u32)]) {
    stbl.full(kind, 0, 0, |table| {
        table.u32(count(runs));
        for (count, value) in runs {
            table.u32(*count);
            table.u32(*value);
        }
    });
}
