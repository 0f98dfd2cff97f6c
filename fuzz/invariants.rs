//! What must hold for any input. The fuzz targets look for an input that breaks it, and
//! `tests/it/faults/fuzz_corpus.rs` holds the seeds and every input that ever did to the same.

mod movie;

use std::path::Component;

use headwater::{
    http::range::{RANGES_MAX, RangeSet, Selection, select},
    library::{MediaPath, media_type},
};

pub use movie::movie;

/// The input is a length in decimal digits, a line feed, and a Range field. Without a line feed all
/// of it is the field.
pub fn range(input: &[u8]) {
    let (length, field) = match input.iter().position(|&byte| byte == b'\n') {
        Some(end) => (number(&input[..end]), &input[end + 1..]),
        None => (1000, input),
    };
    let selection = select(field, length);
    let set = RangeSet::parse(field);
    match &selection {
        Selection::Whole => {}
        Selection::Unsatisfiable => assert!(set.is_ok(), "416 for what is no range"),
        Selection::One(part) => assert!(part.start < part.end && part.end <= length),
        Selection::Several(parts) => {
            assert!((2..=RANGES_MAX).contains(&parts.len()), "{parts:?}");
            let inside = |part: &std::ops::Range<u64>| part.start < part.end && part.end <= length;
            assert!(parts.iter().all(inside), "{parts:?} of {length}");
            let sum: u128 = parts.iter().map(|part| u128::from(part.end - part.start)).sum();
            assert!(sum <= u128::from(length), "more than the whole: {parts:?}");
        }
    }
    assert!(set.is_ok() || selection == Selection::Whole, "an answer to what is no range");
    if field.len() < 6 || !field[..6].eq_ignore_ascii_case(b"bytes=") {
        assert_eq!(selection, Selection::Whole, "only bytes are a unit");
    }
    if length == 0 {
        assert!(matches!(selection, Selection::Whole | Selection::Unsatisfiable));
    }
    // A field that was understood means the same with more empty members and the unit in capitals.
    if set.is_ok() {
        let mut same = b"BYTES=,".to_vec();
        same.extend_from_slice(&field[6..]);
        same.extend_from_slice(b",,");
        assert_eq!(select(&same, length), selection, "written in another way");
    }
}

/// The input is what follows `/media/` in a request's target.
pub fn path(input: &[u8]) {
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
            panic!("{path:?} has a component that is no name: {component:?}");
        };
        let name = name.as_encoded_bytes();
        assert!(!name.starts_with(b".") && name.len() <= 255, "{path:?}");
    }
    // One file has one name: what the path says, its components say, nothing more or less.
    let names = relative.components().map(|name| name.as_os_str().as_encoded_bytes());
    assert_eq!(names.collect::<Vec<_>>().join(&b'/'), bytes, "{path:?}");
    assert!(bytes.ends_with(path.file_name()));
    media_type::lookup(path.file_name());
    let again = path.encoded().to_string();
    assert!(again.bytes().all(|byte| byte.is_ascii_graphic()), "{again}");
    assert_eq!(MediaPath::decode(&again).as_ref(), Ok(&path), "there and back");
    // Decoding a second time would find no second meaning in what has been written out.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if encoded.bytes().all(plain) {
        assert_eq!(again, encoded);
    }
}

/// Digits as a length; whatever is no digit counts as one, so that every input has a meaning.
fn number(digits: &[u8]) -> u64 {
    let values = digits.iter().map(|byte| u64::from(byte.wrapping_sub(b'0') % 10));
    let number =
        values.fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(digit));
    number.min(i64::MAX.unsigned_abs())
}
