//! Sync samples: where a decoder can begin (ISO/IEC 14496-12 section 8.6.2).
//!
//! Writers mark them in several places, and each of them counts: the table `stss`, which [`tables`] reads;
//! the partial sync samples `stps` of QuickTime; the sample groups `rap ` (section 10.4) and `sync` (ISO/IEC
//! 14496-15 section 8.4.4), in the sample table and in fragments; and the flags of samples in fragments.
//!
//! [`tables`]: super::tables

use std::{ops::Range, sync::Arc};

use super::boxes::Header;
use crate::{
    extent::{ReadAt, ReadError},
    movie::window::Window,
};

/// The most entries that are read: a day of key frames has 172,800, each with a group before and after it.
const ENTRIES_MAX: u32 = 1 << 20;

/// The most runs that are kept, in one MiB of memory.
const RUNS_MAX: usize = 1 << 17;

/// Runs of sync samples that are marked elsewhere than in `stss`, as numbers from 0, sorted and apart.
#[derive(Clone, Debug, Default)]
pub(super) struct SyncRuns(Arc<[Range<u32>]>);

impl SyncRuns {
    /// Only the first sample.
    pub(super) fn first() -> Self {
        Self(Arc::from(vec![Range { start: 0, end: 1 }]))
    }

    /// The sync samples in `stps`, and in the groups of an `stbl` or of a `traf`.
    pub(super) fn read<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
        parts: &[Header],
    ) -> Result<Self, ReadError> {
        let mut runs = Vec::new();
        let mut left = ENTRIES_MAX;
        for part in parts {
            match &part.kind.0 {
                b"stps" => read_partial(window, part, &mut left, &mut runs)?,
                b"sbgp" => read_group(window, part, &mut left, &mut runs)?,
                _ => {}
            }
        }
        if runs.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self(merged(runs).into()))
    }

    /// Approximate memory use in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.len() * size_of::<Range<u32>>()
    }

    /// Whether no sample is marked.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a sample is marked.
    pub(super) fn contains(&self, number: u32) -> bool {
        let after = self.0.partition_point(|run| run.start <= number);
        after.checked_sub(1).is_some_and(|last| number < self.0[last].end)
    }
}

/// Whether a decoder can begin at a sample of a fragment with these flags (section 8.8.3.1). Some writers
/// never set `sample_is_non_sync_sample`, and mark what is no key frame by `sample_depends_on` alone.
pub(super) fn is_sync(flags: u32) -> bool {
    const IS_NON_SYNC: u32 = 0x0001_0000;
    const DEPENDS_ON_OTHERS: u32 = 0x0100_0000;
    flags & (IS_NON_SYNC | DEPENDS_ON_OTHERS) == 0
}

/// `stps`: numbers of samples, from 1.
fn read_partial<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    stps: &Header,
    left: &mut u32,
    runs: &mut Vec<Range<u32>>,
) -> Result<(), ReadError> {
    if stps.body_len() < 8 {
        return Ok(());
    }
    let start = stps.body.start + 8;
    let count = window.u32(start - 4)?.min(fitting(stps.body.end - start, 4)).min(*left);
    *left -= count;
    for entry in 0..count {
        if let Some(number) = window.u32(start + 4 * u64::from(entry))?.checked_sub(1) {
            add(runs, number..number + 1);
        }
    }
    Ok(())
}

/// `sbgp` (section 8.9.2), if it groups sync samples: runs of samples, each with the index of its group or 0.
fn read_group<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    sbgp: &Header,
    left: &mut u32,
    runs: &mut Vec<Range<u32>>,
) -> Result<(), ReadError> {
    if sbgp.body_len() < 12 || !matches!(&window.array(sbgp.body.start + 4)?, b"rap " | b"sync") {
        return Ok(());
    }
    let [version, ..] = window.array::<4>(sbgp.body.start)?;
    let start = sbgp.body.start + if version == 1 { 16 } else { 12 };
    let Some(length) = sbgp.body.end.checked_sub(start) else {
        return Ok(());
    };
    let count = window.u32(start - 4)?.min(fitting(length, 8)).min(*left);
    *left -= count;
    let mut number = 0_u32;
    for entry in 0..count {
        let at = start + 8 * u64::from(entry);
        let end = number.saturating_add(window.u32(at)?);
        if window.u32(at + 4)? != 0 {
            add(runs, number..end);
        }
        number = end;
    }
    Ok(())
}

/// How many entries of this width fit into a box.
fn fitting(length: u64, width: u64) -> u32 {
    u32::try_from(length / width).unwrap_or(u32::MAX)
}

fn add(runs: &mut Vec<Range<u32>>, run: Range<u32>) {
    let is_full = runs.len() >= RUNS_MAX;
    match runs.last_mut() {
        _ if run.is_empty() => {}
        Some(last) if last.end == run.start => last.end = run.end,
        _ if is_full => {}
        _ => runs.push(run),
    }
}

/// The runs in order, with those that touch or overlap as one.
fn merged(mut runs: Vec<Range<u32>>) -> Vec<Range<u32>> {
    runs.sort_by_key(|run| run.start);
    let mut apart: Vec<Range<u32>> = Vec::new();
    for run in runs {
        match apart.last_mut() {
            Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
            _ => apart.push(run),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_or_overlap_become_one() {
        let runs = SyncRuns(merged(vec![8..9, 0..1, 1..3, 2..5, 12..20]).into());
        let marked: Vec<u32> = (0..25).filter(|number| runs.contains(*number)).collect();
        assert_eq!(marked, [0, 1, 2, 3, 4, 8, 12, 13, 14, 15, 16, 17, 18, 19]);
        assert_eq!(runs.0.len(), 3);
        assert!(!SyncRuns::default().contains(0) && SyncRuns::first().contains(0));
    }

    #[test]
    fn a_sample_that_depends_on_others_is_no_sync_sample() {
        assert!(is_sync(0) && is_sync(0x0200_0000));
        assert!(!is_sync(0x0100_0000) && !is_sync(0x0001_0000) && !is_sync(0x0201_0000));
    }
}
