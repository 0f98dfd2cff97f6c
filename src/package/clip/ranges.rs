//! A long list of ranges in a few bytes each.

use std::ops::Range;

/// A place to begin a walk is kept for each so many ranges.
const MARK_EVERY: u64 = 64;

/// Ranges of a file in order, that neither overlap nor touch; joined, they are the media data of a clip.
///
/// Each is stored as the gap in front of it and its length, in variable-length numbers (LEB128): some five
/// bytes for a sample of video.
#[derive(Debug, Default)]
pub(in crate::package) struct Ranges {
    code: Vec<u8>,
    marks: Vec<Place>,
    count: u64,
    len: u64,
}

/// The place between two ranges.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Index of the next range in the code.
    code: usize,
    /// Length of all ranges in front of it.
    offset: u64,
    /// End of the range in front of it.
    file: u64,
}

/// A range of the file, and where it begins in the media data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::package) struct Placed {
    pub(in crate::package) offset: u64,
    pub(in crate::package) range: Range<u64>,
}

impl Placed {
    /// Where it ends in the media data.
    fn end(&self) -> u64 {
        self.offset + (self.range.end - self.range.start)
    }
}

impl Ranges {
    /// The union of ranges in order of their start, none empty.
    pub(super) fn from_sorted(sorted: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut ranges = Self::default();
        let mut end = 0;
        let mut open: Option<Range<u64>> = None;
        for range in sorted {
            match &mut open {
                Some(open) if range.start <= open.end => open.end = open.end.max(range.end),
                _ => end = ranges.push(open.replace(range), end),
            }
        }
        ranges.push(open, end);
        ranges.code.shrink_to_fit();
        ranges.marks.shrink_to_fit();
        ranges
    }

    /// Appends a range, if there is one, behind one that ends at `end`. Returns the new end.
    fn push(&mut self, range: Option<Range<u64>>, end: u64) -> u64 {
        let Some(range) = range else { return end };
        if self.count.is_multiple_of(MARK_EVERY) {
            self.marks.push(Place { code: self.code.len(), offset: self.len, file: end });
        }
        put_number(&mut self.code, range.start - end);
        put_number(&mut self.code, range.end - range.start);
        self.count += 1;
        self.len += range.end - range.start;
        range.end
    }

    /// Number of ranges.
    pub(in crate::package) fn count(&self) -> u64 {
        self.count
    }

    /// Length of all ranges together.
    pub(in crate::package) fn len(&self) -> u64 {
        self.len
    }

    /// Memory use in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.code.capacity() + self.marks.capacity() * size_of::<Place>()
    }

    /// All ranges.
    pub(in crate::package) fn iter(&self) -> Walk<'_> {
        Walk { code: &self.code, at: Place::default() }
    }

    /// The ranges from the one on that holds byte `offset` of the media data.
    pub(super) fn from(&self, offset: u64) -> impl Iterator<Item = Placed> {
        let walk = self.walk_behind(|mark| mark.offset <= offset);
        walk.skip_while(move |placed| placed.end() <= offset)
    }

    /// A walk from the last mark that `is_in_front`.
    fn walk_behind(&self, is_in_front: impl Fn(&Place) -> bool) -> Walk<'_> {
        let marks = self.marks.partition_point(is_in_front);
        let at = marks.checked_sub(1).map_or(Place::default(), |last| self.marks[last]);
        Walk { code: &self.code, at }
    }
}

/// A walk over ranges.
#[derive(Clone, Debug)]
pub(in crate::package) struct Walk<'a> {
    code: &'a [u8],
    at: Place,
}

impl Iterator for Walk<'_> {
    type Item = Placed;

    fn next(&mut self) -> Option<Placed> {
        if self.at.code >= self.code.len() {
            return None;
        }
        let start = self.at.file + self.number();
        let range = start..start + self.number();
        let placed = Placed { offset: self.at.offset, range };
        (self.at.offset, self.at.file) = (placed.end(), placed.range.end);
        Some(placed)
    }
}

impl Walk<'_> {
    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.code[self.at.code];
            self.at.code += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
            shift += 7;
        }
    }
}

fn put_number(code: &mut Vec<u8>, mut number: u64) {
    while let Some(high) = Some(number >> 7).filter(|high| *high > 0) {
        code.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number = high;
    }
    code.push(u8::try_from(number).expect("seven bits"));
}

/// Maps offsets of the file to offsets in the media data. Fast for offsets in order.
pub(super) struct Mapper<'a> {
    ranges: &'a Ranges,
    walk: Walk<'a>,
    current: Option<Placed>,
}

impl<'a> Mapper<'a> {
    pub(super) fn new(ranges: &'a Ranges) -> Self {
        Self { ranges, walk: ranges.iter(), current: None }
    }

    /// The offset in the media data of a byte that a range holds.
    pub(super) fn map(&mut self, offset: u64) -> u64 {
        if self.current.as_ref().is_none_or(|current| offset < current.range.start) {
            self.walk = self.ranges.walk_behind(|mark| mark.file <= offset);
            self.current = self.walk.next();
        }
        while let Some(Placed { range, .. }) = &self.current
            && range.end <= offset
        {
            self.current = self.walk.next();
        }
        match &self.current {
            Some(current) => current.offset + offset.saturating_sub(current.range.start),
            None => self.ranges.len,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some hundred ranges with gaps and lengths of one to nine bytes of code.
    fn scattered() -> Vec<Range<u64>> {
        let mut end = 0;
        let range = |number: u32| {
            let start = end + 1 + (1_u64 << (number * 7 % 41));
            end = start + 1 + (u64::from(number) << (number * 5 % 23));
            start..end
        };
        (0..500).map(range).collect()
    }

    #[test]
    fn a_list_has_the_ranges_that_it_was_made_of() {
        let expected = scattered();
        let ranges = Ranges::from_sorted(expected.clone());
        assert!(ranges.iter().map(|placed| placed.range).eq(expected.clone()));
        assert_eq!(ranges.count(), 500);
        assert_eq!(ranges.len(), expected.iter().map(|range| range.end - range.start).sum::<u64>());
    }

    #[test]
    fn ranges_that_overlap_or_touch_become_one() {
        let ranges = Ranges::from_sorted([0..2, 2..3, 5..9, 6..7, 8..12, 20..21]);
        let listed: Vec<_> = ranges.iter().map(|placed| (placed.offset, placed.range)).collect();
        assert_eq!(listed, [(0, 0..3), (3, 5..12), (10, 20..21)]);
        assert_eq!((ranges.count(), ranges.len()), (3, 11));
        assert_eq!(Ranges::from_sorted([]).iter().next(), None);
    }

    #[test]
    fn a_walk_begins_at_any_offset() {
        let ranges = Ranges::from_sorted(scattered());
        let all: Vec<Placed> = ranges.iter().collect();
        for (number, placed) in all.iter().enumerate() {
            for offset in [placed.offset, placed.end() - 1] {
                assert!(ranges.from(offset).eq(all[number..].iter().cloned()), "{offset}");
            }
        }
        assert_eq!(ranges.from(ranges.len()).next(), None);
    }

    #[test]
    fn offsets_map_in_any_order() {
        let ranges = Ranges::from_sorted(scattered());
        let mut forward = Mapper::new(&ranges);
        let mut jumping = Mapper::new(&ranges);
        for placed in ranges.iter() {
            for within in [0, placed.range.end - placed.range.start - 1] {
                assert_eq!(forward.map(placed.range.start + within), placed.offset + within);
                assert_eq!(jumping.map(placed.range.start + within), placed.offset + within);
                jumping.map(scattered()[7].start);
            }
        }
        assert_eq!(forward.map(u64::MAX), ranges.len());
    }

    #[test]
    fn a_range_of_usual_length_takes_a_few_bytes() {
        let frames = (0..10_000_u64).map(|frame| frame * 13_000..frame * 13_000 + 12_345);
        let ranges = Ranges::from_sorted(frames);
        assert!(ranges.bytes() < 10_000 * 5, "{}", ranges.bytes());
    }
}
