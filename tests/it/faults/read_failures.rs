//! Sources that fail while they are being sent: every byte before the failure, then the failure,
//! never more than was promised, never padding.

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
    memory::{answer, ask, content, content_of},
    sources::{Double, End, Fault, Manner, Told, drain, pattern_at},
};

const LENGTH: u64 = 200_000;

/// Offsets at the ends, and around the largest pieces of either protocol.
const OFFSETS: [u64; 8] = [0, 1, 16_383, 16_384, 65_535, 65_536, 131_073, LENGTH - 1];

const MANNERS: [Manner; 3] = [Manner::AtOnce, Manner::Waiting, Manner::Pieces(1000)];

#[test]
fn a_body_is_right_up_to_the_failure_and_then_fails() {
    for (fault, reason) in [
        (Fault::Ends, "truncated"),
        (Fault::Io, "io"),
        (Fault::Changed, "changed"),
        (Fault::Overruns, "truncated"),
    ] {
        for (manner, offset) in all_ways() {
            for protocol in [Protocol::Http1, Protocol::Http2] {
                let source = Double::failing(LENGTH, manner, offset, fault.clone());
                let extents = Extents::from(Extent::whole(source));
                let mut body = Box::pin(ExtentBody::new(extents, protocol));
                let (bytes, end) = drain(&mut body);
                let what = format!("{fault:?} at {offset}, {manner:?}, {protocol:?}");
                assert_eq!(bytes.len() as u64, offset, "{what}");
                assert!(bytes == pattern_at(0..offset), "{what}: other bytes");
                assert_eq!(end, End::Cut(reason), "{what}");
            }
        }
    }
}

#[test]
fn a_failure_outside_the_part_asked_for_is_not_seen() {
    for (manner, offset) in all_ways() {
        let source = || Double::failing(LENGTH, manner, offset, Fault::Changed);
        if offset > 0 {
            let before = format!("Range: bytes=0-{}", offset - 1);
            let response = answer("GET", &[before.as_bytes()], content_of(source()));
            assert_eq!(response.body, pattern_at(0..offset));
        }
        let (response, _unread) = ask("HEAD", &[], content_of(source()));
        assert_eq!(response.field("content-length"), Some("200000"));
    }
}

#[test]
fn a_failure_in_the_second_part_of_several_cuts_there() {
    let source = Double::failing(LENGTH, Manner::Waiting, 1000, Fault::Io);
    let range = &b"Range: bytes=0-9,990-1009"[..];
    let (response, mut body) = ask("GET", &[range], content_of(source));
    let promised: usize = response.field("content-length").unwrap().parse().unwrap();
    let (bytes, end) = drain(&mut body);
    assert_eq!(end, End::Cut("io"));
    assert!(bytes.len() < promised);
    assert!(bytes.ends_with(&pattern_at(990..1000)));
}

#[test]
fn a_failure_behind_bytes_in_memory_lets_these_out_first() {
    for fault in [Fault::Ends, Fault::Io, Fault::Changed, Fault::Overruns] {
        let mut extents = Extents::default();
        extents.push(Extent::Memory(Bytes::from_static(b"moov"))).unwrap();
        let source = Double::failing(10, Manner::AtOnce, 5, fault.clone());
        extents.push(Extent::whole(source)).unwrap();
        extents.push(Extent::Memory(Bytes::from_static(b"never"))).unwrap();
        let (_, mut body) = ask("GET", &[], content(extents, "tag", None));
        let (bytes, end) = drain(&mut body);
        assert_eq!(bytes, [b"moov", &pattern_at(0..5)[..]].concat(), "{fault:?}");
        assert!(matches!(end, End::Cut(_)), "{fault:?}");
    }
}

#[test]
fn a_source_that_stalls_is_waited_for_and_asked_once() {
    for (manner, offset) in all_ways() {
        let told = Arc::new(Told::default());
        let source = Double::failing(LENGTH, manner, offset, Fault::Stalls(Arc::clone(&told)));
        let (_, mut body) = ask("GET", &[], content_of(source.clone()));
        let (before, end) = drain(&mut body);
        assert_eq!(end, End::Waiting);
        assert_eq!(before, pattern_at(0..offset));
        let asked = source.asked();
        assert_eq!(drain(&mut body), (Vec::new(), End::Waiting));
        assert_eq!(source.asked(), asked, "asked again while it is being waited for");
        told.tell();
        let (after, end) = drain(&mut body);
        assert_eq!(end, End::Finished);
        assert!([before, after].concat() == pattern_at(0..LENGTH));
    }
}

#[test]
fn a_source_that_panics_has_let_out_the_right_bytes_before() {
    for (manner, offset) in all_ways() {
        let source = Double::failing(LENGTH, manner, offset, Fault::Panics);
        let extents = Extents::from(Extent::whole(source));
        let mut body = Box::pin(ExtentBody::new(extents, Protocol::Http1));
        let mut bytes = Vec::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            while let std::task::Poll::Ready(Some(piece)) = body.as_mut().poll_next(&mut cx) {
                bytes.extend_from_slice(&piece.expect("no error but a panic"));
            }
        }));
        assert!(panicked.is_err(), "{manner:?} {offset}");
        assert!(bytes == pattern_at(0..offset), "{manner:?} {offset}");
    }
}

#[test]
fn the_length_is_promised_before_anything_is_read() {
    let source = Double::failing(LENGTH, Manner::Waiting, 0, Fault::Panics);
    let (response, body) = ask("GET", &[b"Range: bytes=5-"], content_of(source.clone()));
    assert_eq!(response.field("content-length"), Some("199995"));
    assert_eq!(body.size(), BodySize::Sized(199_995));
    drop(body);
    assert!(source.asked().is_empty(), "a body that nobody polls reads nothing");
}

fn all_ways() -> impl Iterator<Item = (Manner, u64)> {
    let with_offsets = |manner| OFFSETS.map(|offset| (manner, offset));
    MANNERS.into_iter().flat_map(with_offsets)
}
