//! Random requests for a content, and whether a response conforms to RFC 9110.

use std::ops::Range;

use headwater::http::range::RANGES_MAX;
use proptest::{collection::vec, prelude::*, sample::select};

use crate::support::{client::Response, sources::pattern_at};

/// Values of Range, If-Range and the others: valid, nearly valid, and noise.
pub fn values() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        (0_u64..1100).prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        select(vec!["", "0", "00", "18446744073709551616", "9999999999999999999999999", "x", "+1"])
            .prop_map(str::to_owned),
    ];
    let member = (number.clone(), select(vec!["-", "-", "-", "--", " - ", ""]), number)
        .prop_map(|(first, dash, last)| first + dash + &last);
    let comma = select(vec![",", ", ", " ,\t", ",,"]);
    let unit = select(vec!["bytes=", "bytes=", "bytes=", "BYTES=", "items=", "bytes", "bytes ="]);
    let ranges = (unit, vec(member, 0..20), comma)
        .prop_map(|(unit, members, comma)| (unit.to_owned() + &members.join(comma)).into_bytes());
    let tag = select(vec!["\"tag\"", "W/\"tag\"", "\"other\"", "\"a,b\"", "*", "tag", "\"tag", ""]);
    let tags =
        (vec(tag, 0..5), comma_in_tags()).prop_map(|(tags, comma)| tags.join(comma).into_bytes());
    let date = select(vec![
        "Sun, 09 Sep 2001 01:46:40 GMT",
        "Sun, 09 Sep 2001 01:46:39 GMT",
        "Sunday, 09-Sep-01 01:46:41 GMT",
        "Sun Sep  9 01:46:40 2001",
        "Sun, 99 Sep 2001 01:46:40 GMT",
    ])
    .prop_map(|date| date.as_bytes().to_vec());
    let is_allowed = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    let anything = vec(any::<u8>().prop_filter("no field may hold it", is_allowed), 0..40);
    prop_oneof![4 => ranges, 2 => tags, 1 => date, 1 => anything]
}

fn comma_in_tags() -> impl Strategy<Value = &'static str> {
    select(vec![",", ", ", " , ,", " "])
}

/// Field lines of a request: any of the fields, each with any value.
pub fn requests() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let names = vec![
        "Range",
        "Range",
        "Range",
        "If-Range",
        "If-None-Match",
        "If-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
    ];
    let line = (select(names), values())
        .prop_map(|(name, value)| [name.as_bytes(), b": ", &value].concat());
    vec(line, 1..4)
}

/// Checks that a response to any such request for the pattern of this length conforms, and holds
/// the bytes it promises.
pub fn assert_conforms(response: &Response, length: u64) {
    let range = response.field("content-range");
    let body = &response.body;
    match response.status {
        200 => {
            assert_eq!(range, None);
            assert!(*body == pattern_at(0..length), "not the whole");
        }
        206 => match range {
            Some(range) => assert!(*body == pattern_at(named(range, length)), "{range}"),
            None => are_legal_parts(response, length),
        },
        304 | 412 => assert!(body.is_empty() && range.is_none()),
        416 => {
            assert_eq!(range, Some(format!("bytes */{length}").as_str()));
            assert!(body.is_empty());
        }
        status => panic!("{status}"),
    }
}

/// The half-open range of a Content-Range field, which must be within the content.
fn named(range: &str, length: u64) -> Range<u64> {
    let (ends, total) = range.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
    let (first, last) = ends.split_once('-').unwrap();
    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
    assert_eq!(total, length.to_string());
    assert!(first <= last && last < length, "{range}");
    first..last + 1
}

fn are_legal_parts(response: &Response, length: u64) {
    let media_type = response.field("content-type").unwrap();
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut rest = response.body.as_slice();
    let mut take = |expected: &[u8]| {
        rest = rest.strip_prefix(expected).expect("the frame of a part");
        rest
    };
    let mut lengths = Vec::new();
    let mut lead = "";
    loop {
        let after = take(format!("{lead}--{boundary}").as_bytes());
        if after == b"--\r\n" {
            break;
        }
        let after = take(b"\r\ncontent-type: video/mp4\r\ncontent-range: ");
        let end = after.iter().position(|&byte| byte == b'\r').unwrap();
        let range = std::str::from_utf8(&after[..end]).unwrap();
        let part = named(range, length);
        take(&[range.as_bytes(), b"\r\n\r\n"].concat());
        take(&pattern_at(part.clone()));
        lengths.push(part.end - part.start);
        lead = "\r\n";
    }
    assert!((2..=RANGES_MAX).contains(&lengths.len()), "{lengths:?}");
    assert!(lengths.iter().sum::<u64>() <= length, "{lengths:?} of {length}");
}
