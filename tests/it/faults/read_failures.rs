//! Sources that fail in mid-response: every byte before the failure, then the failure, never more
//! than promised, never padding.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix_web::body::{BodySize, MessageBody as _};
use bytes::Bytes;
use headwater::{
    extent::{Extent, Extents},
    wire::{body::ExtentBody, connection::Protocol},
};

use crate::support::{
    memory::{ask, content, content_of, response_to},
    sources::{End, Fault, Gate, ReadMode, TestSource, drain, pattern_at},
};

const LENGTH: u64 = 200_000;

/// Offsets at the ends, and around the largest pieces of either protocol.
const OFFSETS: [u64; 8] = [0, 1, 16_383, 16_384, 65_535, 65_536, 131_073, LENGTH - 1];

const READ_MODES: [ReadMode; 3] = [ReadMode::AtOnce, ReadMode::Waiting, ReadMode::Partial(1000)];

#[test]
fn a_body_is_right_up_to_the_failure_and_then_fails() {
    for (fault, reason) in [
        (Fault::Ends, "truncated"),
        (Fault::Io, "io"),
        (Fault::Changed, "changed"),
        (Fault::Overruns, "truncated"),
    ] {
        for (mode, offset) in all_ways() {
            for protocol in [Protocol::Http1, Protocol::Http2] {
                let source = TestSource::failing(LENGTH, mode, offset, fault.clone());
                let extents = Extents::from(Extent::whole(source));
                let mut body = Box::pin(ExtentBody::new(extents, protocol));
                let (bytes, end) = drain(&mut body);
                let what = format!("{fault:?} at {offset}, {mode:?}, {protocol:?}");
                assert_eq!(bytes.len() as u64, offset, "{what}");
                assert!(bytes == pattern_at(0..offset), "{what}: wrong bytes");
                assert_eq!(end, End::Cut(reason), "{what}");
            }
        }
    }
}

#[test]
fn a_failure_outside_the_requested_range_does_not_matter() {
    for (mode, offset) in all_ways() {
        let source = || TestSource::failing(LENGTH, mode, offset, Fault::Changed);
        if offset > 0 {
            let before = format!("Range: bytes=0-{}", offset - 1);
            let response = response_to("GET", &[before.as_bytes()], content_of(source()));
            assert_eq!(response.body, pattern_at(0..offset));
        }
        let (response, _unread) = ask("HEAD", &[], content_of(source()));
        assert_eq!(response.field("content-length"), Some("200000"));
    }
}

#[test]
fn a_failure_in_the_second_part_of_several_cuts_there() {
    let source = TestSource::failing(LENGTH, ReadMode::Waiting, 1000, Fault::Io);
    let range = &b"Range: bytes=0-9,990-1009"[..];
    let (response, mut body) = ask("GET", &[range], content_of(source));
    let promised: usize = response.field("content-length").unwrap().parse().unwrap();
    let (bytes, end) = drain(&mut body);
    assert_eq!(end, End::Cut("io"));
    assert!(bytes.len() < promised);
    assert!(bytes.ends_with(&pattern_at(990..1000)));
}

#[test]
fn bytes_in_memory_are_sent_before_a_failure_behind_them() {
    for fault in [Fault::Ends, Fault::Io, Fault::Changed, Fault::Overruns] {
        let mut extents = Extents::default();
        extents.push(Extent::Memory(Bytes::from_static(b"moov"))).unwrap();
        let source = TestSource::failing(10, ReadMode::AtOnce, 5, fault.clone());
        extents.push(Extent::whole(source)).unwrap();
        extents.push(Extent::Memory(Bytes::from_static(b"never"))).unwrap();
        let (_, mut body) = ask("GET", &[], content(extents, "tag", None));
        let (bytes, end) = drain(&mut body);
        assert_eq!(bytes, [b"moov", &pattern_at(0..5)[..]].concat(), "{fault:?}");
        assert!(matches!(end, End::Cut(_)), "{fault:?}");
    }
}

#[test]
fn a_stalled_source_is_awaited_and_read_once() {
    for (mode, offset) in all_ways() {
        let gate = Arc::new(Gate::default());
        let source = TestSource::failing(LENGTH, mode, offset, Fault::Stalls(Arc::clone(&gate)));
        let (_, mut body) = ask("GET", &[], content_of(source.clone()));
        let (before, end) = drain(&mut body);
        assert_eq!(end, End::Waiting);
        assert_eq!(before, pattern_at(0..offset));
        let reads = source.reads();
        assert_eq!(drain(&mut body), (Vec::new(), End::Waiting));
        assert_eq!(source.reads(), reads, "a pending read is not repeated");
        gate.open();
        let (after, end) = drain(&mut body);
        assert_eq!(end, End::Finished);
        assert!([before, after].concat() == pattern_at(0..LENGTH));
    }
}

#[test]
fn a_source_that_panics_yields_the_right_bytes_before() {
    for (mode, offset) in all_ways() {
        let source = TestSource::failing(LENGTH, mode, offset, Fault::Panics);
        let extents = Extents::from(Extent::whole(source));
        let mut body = Box::pin(ExtentBody::new(extents, Protocol::Http1));
        let mut bytes = Vec::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            while let std::task::Poll::Ready(Some(piece)) = body.as_mut().poll_next(&mut cx) {
                bytes.extend_from_slice(&piece.expect("no error but a panic"));
            }
        }));
        assert!(panicked.is_err(), "{mode:?} {offset}");
        assert!(bytes == pattern_at(0..offset), "{mode:?} {offset}");
    }
}

#[test]
fn the_length_is_known_before_the_first_read() {
    let source = TestSource::failing(LENGTH, ReadMode::Waiting, 0, Fault::Panics);
    let (response, body) = ask("GET", &[b"Range: bytes=5-"], content_of(source.clone()));
    assert_eq!(response.field("content-length"), Some("199995"));
    assert_eq!(body.size(), BodySize::Sized(199_995));
    drop(body);
    assert!(source.reads().is_empty(), "an unpolled body reads nothing");
}

fn all_ways() -> impl Iterator<Item = (ReadMode, u64)> {
    let with_offsets = |mode| OFFSETS.map(|offset| (mode, offset));
    READ_MODES.into_iter().flat_map(with_offsets)
}
