//! Range (RFC 9110 section 14): its syntax, and the parts of a representation that it selects.
//!
//! HTTP's inclusive ranges occur in this file alone. All others are half-open.

use std::ops::Range;

/// The most ranges of one request. A request with more is an attack (CVE-2011-3192) or a mistake, and section
/// 14.2 lets a server ignore them.
pub const RANGES_MAX: usize = 16;

/// One member of a Range field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Spec {
    /// `first-`
    From(u64),
    /// `first-last`, the last byte included.
    Between(u64, u64),
    /// `-length`: this many bytes at the end.
    Suffix(u64),
}

/// The members of a valid Range field, in the order of the field; at most [`RANGES_MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RangeSet {
    specs: [Spec; RANGES_MAX],
    count: usize,
}

/// The reason to ignore a Range field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ignored {
    /// A unit other than bytes.
    Unit,
    /// Not the syntax of section 14.1.2, or a range that ends before it starts.
    Syntax,
    /// More than [`RANGES_MAX`] members.
    TooMany,
}

/// The parts of a representation that a Range field selects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selection {
    /// The whole: the request has no range, or it is ignored.
    Whole,
    /// One part.
    One(Range<u64>),
    /// Two parts or more, in the order of the field.
    Several(Vec<Range<u64>>),
    /// No part: every member begins past the end.
    Unsatisfiable,
}

impl RangeSet {
    /// Parses a Range field's value, in one pass and without allocation.
    pub fn parse(field: &[u8]) -> Result<Self, Ignored> {
        let equals = field.iter().position(|&byte| byte == b'=').ok_or(Ignored::Syntax)?;
        let (unit, members) = (&field[..equals], &field[equals + 1..]);
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return Err(Ignored::Unit);
        }
        let mut set = Self { specs: [Spec::Suffix(0); RANGES_MAX], count: 0 };
        for (index, member) in members.split(|&byte| byte == b',').enumerate() {
            // White space is allowed around commas only (section 5.6.1): not after the equals sign and
            // not at the end.
            let front = if index == 0 { member } else { trim_start(member) };
            let is_last = front.as_ptr_range().end == members.as_ptr_range().end;
            let trimmed = if is_last { front } else { trim_end(front) };
            if trimmed.is_empty() {
                // A recipient must accept empty members (section 5.6.1.2).
                continue;
            }
            let spec = Spec::parse(trimmed).ok_or(Ignored::Syntax)?;
            *set.specs.get_mut(set.count).ok_or(Ignored::TooMany)? = spec;
            set.count += 1;
        }
        if set.count == 0 { Err(Ignored::Syntax) } else { Ok(set) }
    }

    /// Resolves the members for a representation of this length.
    ///
    /// Several ranges select the whole representation if their parts together would be longer, or if more
    /// than two of them overlap (section 14.2).
    pub fn resolve(&self, length: u64) -> Selection {
        let mut parts: [Range<u64>; RANGES_MAX] = std::array::from_fn(|_| 0..0);
        let mut count = 0;
        for part in self.specs[..self.count].iter().filter_map(|spec| spec.resolve(length)) {
            parts[count] = part;
            count += 1;
        }
        match &parts[..count] {
            [] => Selection::Unsatisfiable,
            [one] => Selection::One(one.clone()),
            several if should_send_parts(several, length) => Selection::Several(several.to_vec()),
            _ => Selection::Whole,
        }
    }
}

impl Spec {
    fn parse(member: &[u8]) -> Option<Self> {
        let dash = member.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (&member[..dash], &member[dash + 1..]);
        match (first, last) {
            ([], last) => Some(Self::Suffix(number(last)?)),
            (first, []) => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// The half-open range, cut to the length; `None` if it is empty.
    fn resolve(self, length: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first) => first..length,
            Self::Between(first, last) => first..last.saturating_add(1).min(length),
            Self::Suffix(suffix) => length.saturating_sub(suffix)..length,
        };
        (!range.is_empty()).then_some(range)
    }
}

/// Whether several parts are sent as parts rather than as the whole.
fn should_send_parts(parts: &[Range<u64>], length: u64) -> bool {
    let sum = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.end - part.start));
    let overlaps = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
    let overlapping = |(index, part): &(usize, &Range<u64>)| {
        parts.iter().enumerate().any(|(other, b)| other != *index && overlaps(part, b))
    };
    sum.is_some_and(|sum| sum <= length)
        && parts.iter().enumerate().filter(overlapping).count() <= 2
}

/// Parses digits; a number beyond `u64` saturates, which has the same effect here.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let kept = bytes.iter().position(|&byte| !is_blank(byte)).unwrap_or(bytes.len());
    &bytes[kept..]
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let kept = bytes.iter().rposition(|&byte| !is_blank(byte)).map_or(0, |last| last + 1);
    &bytes[..kept]
}

/// The parts that a Range field selects of a representation of this length. An ignored field selects the
/// whole.
pub fn select(field: &[u8], length: u64) -> Selection {
    RangeSet::parse(field).map_or(Selection::Whole, |set| set.resolve(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Selection::{One, Several, Unsatisfiable, Whole};

    #[test]
    fn one_range_is_cut_to_the_length() {
        for (field, length, expected) in [
            ("bytes=0-1", 1000, One(0..2)),
            ("bytes=0-", 1000, One(0..1000)),
            ("bytes=999-", 1000, One(999..1000)),
            ("bytes=0-0", 1, One(0..1)),
            ("bytes=-500", 1000, One(500..1000)),
            ("bytes=-5000", 1000, One(0..1000)),
            ("bytes=500-5000", 1000, One(500..1000)),
            ("BYTES=1-2", 1000, One(1..3)),
            ("bytes=0-18446744073709551615", 1000, One(0..1000)),
            ("bytes=5-9999999999999999999999999", 1000, One(5..1000)),
            ("bytes=-9999999999999999999999999", 1000, One(0..1000)),
            ("bytes=007-0000000000000000000000000008", 1000, One(7..9)),
            ("bytes=8589934592-8589934593", 1 << 40, One(1 << 33..(1 << 33) + 2)),
            (
                "bytes=9223372036854775806-",
                i64::MAX as u64,
                One(i64::MAX as u64 - 1..i64::MAX as u64),
            ),
        ] {
            assert_eq!(select(field.as_bytes(), length), expected, "{field}");
        }
    }

    #[test]
    fn a_range_past_the_end_cannot_be_satisfied() {
        for (field, length) in [
            ("bytes=1000-", 1000),
            ("bytes=1000-1001", 1000),
            ("bytes=-0", 1000),
            ("bytes=0-", 0),
            ("bytes=-1", 0),
            ("bytes=9999999999999999999999999-", 1000),
            ("bytes=9999999999999999999999999-99999999999999999999999999", 1000),
            ("bytes=2000-,-0", 1000),
        ] {
            assert_eq!(select(field.as_bytes(), length), Unsatisfiable, "{field}");
        }
    }

    #[test]
    fn an_invalid_range_is_ignored() {
        use Ignored::{Syntax, TooMany, Unit};
        let many = format!("bytes={}", "0-0,".repeat(RANGES_MAX + 1));
        for (field, why) in [
            ("", Syntax),
            ("bytes", Syntax),
            ("bytes=", Syntax),
            ("bytes=,", Syntax),
            ("bytes= ", Syntax),
            ("bytes=-", Syntax),
            ("bytes=--1", Syntax),
            ("bytes=a-b", Syntax),
            ("bytes=1", Syntax),
            ("bytes=5-2", Syntax),
            ("bytes=0-1,5-2", Syntax),
            ("bytes=+1-2", Syntax),
            ("bytes=1 -2", Syntax),
            ("bytes= 1-2", Syntax),
            ("bytes=1-2 ", Syntax),
            ("bytes =1-2", Unit),
            ("items=0-5", Unit),
            ("bytes=0x1-2", Syntax),
            ("bytes=0-1;5-9", Syntax),
            (many.as_str(), TooMany),
        ] {
            assert_eq!(RangeSet::parse(field.as_bytes()), Err(why), "{field}");
            assert_eq!(select(field.as_bytes(), 1000), Whole, "{field}");
        }
    }

    #[test]
    fn several_ranges_keep_their_order_and_are_cut_at_the_end() {
        for (field, expected) in [
            ("bytes=0-0,100-199", Several(vec![0..1, 100..200])),
            ("bytes=100-199,0-0", Several(vec![100..200, 0..1])),
            ("bytes=0-0 ,\t100-199", Several(vec![0..1, 100..200])),
            ("bytes=,0-0,,5-5,", Several(vec![0..1, 5..6])),
            ("bytes=0-0,2000-", One(0..1)),
            ("bytes=0-0,-0", One(0..1)),
            ("bytes=0-9,5-14", Several(vec![0..10, 5..15])),
            ("bytes=0-9,10-19,20-29", Several(vec![0..10, 10..20, 20..30])),
        ] {
            assert_eq!(select(field.as_bytes(), 1000), expected, "{field}");
        }
    }

    #[test]
    fn several_ranges_that_cost_more_than_the_whole_get_the_whole() {
        assert_eq!(select(b"bytes=0-,-1", 1000), Whole, "longer than the whole");
        assert_eq!(select(b"bytes=0-9,5-14,9-20", 1000), Whole, "three overlap");
        assert_eq!(select(b"bytes=0-9,0-9,500-509,500-509", 1000), Whole, "four overlap");
    }
}
