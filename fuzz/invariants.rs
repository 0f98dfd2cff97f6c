//! Invariants for any input. The fuzz targets search for inputs that break them, and
//! `tests/it/faults/fuzz_corpus.rs` checks the seeds and all inputs that ever did.

mod movie;

use std::path::Component;

use headwater::{
    http::range::{RANGES_MAX, RangeSet, Selection, select},
    library::{MediaPath, media_type},
};

pub use movie::check_movie;

/// Checks a Range field. The input is a length in decimal digits, a line feed, and the field; without a
/// line feed it is the field.
pub fn check_range(input: &[u8]) {
    let (length, field) = match input.iter().position(|&byte| byte == b'\n') {
        Some(end) => (parse_length(&input[..end]), &input[end + 1..]),
        None => (1000, input),
    };
    let selection = select(field, length);
    let set = RangeSet::parse(field);
    match &selection {
        Selection::Whole => {}
        Selection::Unsatisfiable => assert!(set.is_ok(), "416 for an invalid field"),
        Selection::One(part) => assert!(part.start < part.end && part.end <= length),
        Selection::Several(parts) => {
            assert!((2..=RANGES_MAX).contains(&parts.len()), "{parts:?}");
            let inside = |part: &std::ops::Range<u64>| part.start < part.end && part.end <= length;
            assert!(parts.iter().all(inside), "{parts:?} of {length}");
            let sum: u128 = parts.iter().map(|part| u128::from(part.end - part.start)).sum();
            assert!(sum <= u128::from(length), "the parts exceed the whole: {parts:?}");
        }
    }
    assert!(set.is_ok() || selection == Selection::Whole, "an invalid field is ignored");
    if field.len() < 6 || !field[..6].eq_ignore_ascii_case(b"bytes=") {
        assert_eq!(selection, Selection::Whole, "bytes is the only unit");
    }
    if length == 0 {
        assert!(matches!(selection, Selection::Whole | Selection::Unsatisfiable));
    }
    // Empty members and an upper-case unit do not change the meaning of a valid field.
    if set.is_ok() {
        let mut equivalent = b"BYTES=,".to_vec();
        equivalent.extend_from_slice(&field[6..]);
        equivalent.extend_from_slice(b",,");
        assert_eq!(select(&equivalent, length), selection, "equivalent field");
    }
}

/// Checks a media path. The input is the part of a request target after `/media/`.
pub fn check_path(input: &[u8]) {
    let Ok(encoded) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(path) = MediaPath::decode(encoded) else {
        return;
    };
    let relative = path.as_path();
    let bytes = relative.as_os_str().as_encoded_bytes();
    assert!(!bytes.is_empty() && bytes.len() < 4096);
    assert!(!bytes.iter().any(|byte| matches!(byte, 0 | b'\\')), "{path:?}");
    for component in relative.components() {
        let Component::Normal(name) = component else {
            panic!("{path:?} has a special component: {component:?}");
        };
        let name = name.as_encoded_bytes();
        assert!(!name.starts_with(b".") && name.len() <= 255, "{path:?}");
    }
    // Each file has one path: the components joined give the path.
    let names = relative.components().map(|name| name.as_os_str().as_encoded_bytes());
    assert_eq!(names.collect::<Vec<_>>().join(&b'/'), bytes, "{path:?}");
    assert!(bytes.ends_with(path.file_name()));
    media_type::lookup(path.file_name());
    let encoded_again = path.encoded().to_string();
    assert!(encoded_again.bytes().all(|byte| byte.is_ascii_graphic()), "{encoded_again}");
    assert_eq!(
        MediaPath::decode(&encoded_again).as_ref(),
        Ok(&path),
        "encoding and decoding is the identity"
    );
    // A plain path encodes to itself, so that a second decoding cannot change its meaning.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if encoded.bytes().all(plain) {
        assert_eq!(encoded_again, encoded);
    }
}

/// Parses a length. Other bytes count as digits, so that each input has a length.
fn parse_length(digits: &[u8]) -> u64 {
    let values = digits.iter().map(|byte| u64::from(byte.wrapping_sub(b'0') % 10));
    let number =
        values.fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(digit));
    number.min(i64::MAX.unsigned_abs())
}
