use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;

use super::{
    layout::{Layout, WINDOW_BYTES_MAX},
    ranges::Ranges,
};
use crate::extent::{Extent, Extents, ReadError, Source};

/// A file that is only referred to.
#[derive(Debug)]
struct Unread(u64);

impl Source for Unread {
    fn len(&self) -> u64 {
        self.0
    }

    fn read_now(&self, _: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        unreachable!("the layout of a clip reads nothing")
    }

    fn read(self: Arc<Self>, _: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        unreachable!("the layout of a clip reads nothing")
    }
}

/// An index of 40,000 bytes and 300 ranges of ten bytes.
fn layout() -> (Layout, Arc<dyn Source>) {
    let header: Vec<u8> = (0..40_000_u32).map(|at| at.to_le_bytes()[at as usize % 2]).collect();
    let ranges = Ranges::from_sorted((0..300).map(|number| number * 100..number * 100 + 10));
    (Layout::new(header.into(), ranges), Arc::new(Unread(30_000)))
}

/// The bytes of extents: those in memory, and the offsets in the file of the others.
fn bytes(extents: &Extents) -> Vec<u64> {
    let mut all = Vec::new();
    for extent in extents.iter() {
        match extent {
            Extent::Memory(bytes) => all.extend(bytes.iter().map(|byte| u64::from(*byte))),
            Extent::Source { range, .. } => all.extend(range.clone()),
        }
    }
    all
}

#[test]
fn windows_of_a_range_are_its_bytes_and_each_is_small() {
    let (layout, file) = layout();
    assert_eq!(layout.len(), 43_000);
    let expected: Vec<u64> = (layout.header().iter().map(|byte| u64::from(*byte)))
        .chain((0..300).flat_map(|number| number * 100..number * 100 + 10))
        .collect();
    let within = |at: u64| usize::try_from(at).expect("small");
    for range in [0..43_000, 0..1, 39_990..40_015, 40_003..40_007, 16_384..42_995, 42_999..43_000] {
        let mut at = range.start;
        while at < range.end {
            let window = layout.window(at..range.end, &file).expect("ranges of the file");
            assert!(window.bytes_in_memory() <= WINDOW_BYTES_MAX, "{}", window.bytes_in_memory());
            let end = at + window.len();
            assert!(at < end && end <= range.end, "{at}..{end} of {range:?}");
            assert_eq!(bytes(&window), expected[within(at)..within(end)], "{at} of {range:?}");
            let first = layout.first_extent(at..range.end, &file).expect("a range");
            let first = bytes(&Extents::from(first.expect("an extent")));
            assert_eq!(first, expected[within(at)..within(at) + first.len()]);
            at = end;
        }
    }
}

#[test]
fn an_empty_range_has_no_extent() {
    let (layout, file) = layout();
    for at in [0, 100, 40_000, 40_005, 43_000] {
        assert!(layout.window(at..at, &file).expect("nothing").is_empty(), "{at}");
    }
}

#[test]
fn a_range_outside_the_file_is_refused() {
    let (layout, _) = layout();
    let shorter: Arc<dyn Source> = Arc::new(Unread(20_000));
    assert!(layout.window(42_000..43_000, &shorter).is_err());
}
