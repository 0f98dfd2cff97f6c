//! A set of a shelf's chunks: a bitmap that threads share without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// The chunks of a shelf.
pub(super) const SHELF_CHUNKS: usize = 256;

/// A bitmap in words: as it is stored, and a copy of one moment.
pub(super) type Words = [u64; SHELF_CHUNKS / 64];

/// Which chunks of a shelf have a property.
///
/// What a thread did before it inserted a chunk is visible to all threads that find the chunk in the set.
#[derive(Debug, Default)]
pub(super) struct ChunkSet([AtomicU64; SHELF_CHUNKS / 64]);

impl ChunkSet {
    /// Whether a chunk is in the set.
    pub fn contains(&self, chunk: usize) -> bool {
        self.0[chunk / 64].load(Ordering::Acquire) & bit(chunk) != 0
    }

    /// Inserts a chunk. False if it was in the set.
    pub fn insert(&self, chunk: usize) -> bool {
        self.0[chunk / 64].fetch_or(bit(chunk), Ordering::AcqRel) & bit(chunk) == 0
    }

    /// Removes a chunk. False if it was not in the set.
    pub fn remove(&self, chunk: usize) -> bool {
        self.0[chunk / 64].fetch_and(!bit(chunk), Ordering::AcqRel) & bit(chunk) != 0
    }

    /// The number of chunks that follow each other in the set, from this one on.
    pub fn run_from(&self, chunk: usize) -> usize {
        let mut at = chunk;
        while at < SHELF_CHUNKS {
            let word = self.0[at / 64].load(Ordering::Acquire) >> (at % 64);
            // The bits that were shifted in are 0 and end the run at the word's end.
            let run = word.trailing_ones() as usize;
            at += run;
            if run == 0 || !at.is_multiple_of(64) {
                break;
            }
        }
        at - chunk
    }

    /// The set at this moment.
    pub fn words(&self) -> Words {
        self.0.each_ref().map(|word| word.load(Ordering::Acquire))
    }
}

impl From<Words> for ChunkSet {
    fn from(words: Words) -> Self {
        Self(words.map(AtomicU64::new))
    }
}

/// The number of chunks in a bitmap.
pub(super) fn count(words: &Words) -> u32 {
    words.iter().map(|word| word.count_ones()).sum()
}

/// The union of two bitmaps.
pub(super) fn union(mut one: Words, other: Words) -> Words {
    one.iter_mut().zip(other).for_each(|(word, other)| *word |= other);
    one
}

/// The chunks of a bitmap that are below a number.
pub(super) fn below(mut words: Words, chunks: usize) -> Words {
    for (number, word) in words.iter_mut().enumerate() {
        let kept = chunks.saturating_sub(number * 64);
        if kept < 64 {
            *word &= bit(kept) - 1;
        }
    }
    words
}

/// The bit of a chunk in its word.
fn bit(chunk: usize) -> u64 {
    1 << (chunk % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bitmap_is_a_set(
            changes in prop::collection::vec((0..SHELF_CHUNKS, any::<bool>()), 0..600),
            from in 0..SHELF_CHUNKS,
        ) {
            let (set, mut expected) = (ChunkSet::default(), BTreeSet::new());
            for (chunk, is_inserted) in changes {
                if is_inserted {
                    prop_assert_eq!(set.insert(chunk), expected.insert(chunk));
                } else {
                    prop_assert_eq!(set.remove(chunk), expected.remove(&chunk));
                }
            }
            let run = (from..SHELF_CHUNKS).take_while(|chunk| expected.contains(chunk)).count();
            prop_assert_eq!(set.run_from(from), run);
            prop_assert!((0..SHELF_CHUNKS).all(|chunk| set.contains(chunk) == expected.contains(&chunk)));
            prop_assert_eq!(count(&set.words()) as usize, expected.len());
            let kept = expected.range(..from).count();
            prop_assert_eq!(count(&below(set.words(), from)) as usize, kept);
        }
    }

    #[test]
    fn a_run_crosses_words_and_ends_with_the_shelf() {
        let all = ChunkSet::from([u64::MAX; 4]);
        assert_eq!((all.run_from(0), all.run_from(63), all.run_from(255)), (256, 193, 1));
        assert_eq!(all.run_from(SHELF_CHUNKS), 0);
        all.remove(130);
        assert_eq!((all.run_from(60), all.run_from(130), all.run_from(131)), (70, 0, 125));
        assert_eq!(below(all.words(), SHELF_CHUNKS), all.words());
    }
}
