//! How long the pure parts of an answer take: reading a Range field, and making a response of any
//! content. The wire is measured against peers by `make bench`; see `benches/peers`.
#![allow(missing_docs, reason = "criterion makes a public function of each group")]

use std::{hint::black_box, time::SystemTime};

use actix_web::test::TestRequest;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use headwater::{
    config::Settings,
    extent::{Caching, Content, Extent, Extents, Validator},
    http::{range, respond::respond},
};

/// The length of the representation that ranges are resolved for, in bytes: a film.
const LENGTH: u64 = 8 << 30;

fn range_fields(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("range");
    let many = |count: u64| {
        let members = (0..count).map(|n| format!("{}-{}", n * 10, n * 10 + 4));
        format!("bytes={}", members.collect::<Vec<_>>().join(","))
    };
    for (name, field) in [
        ("one", "bytes=1048576-2097151".to_owned()),
        ("last byte", "bytes=-1".to_owned()),
        ("ignored", "items=0-5".to_owned()),
        ("sixteen", many(16)),
        // An attack must cost no more than a glance (CVE-2011-3192).
        ("ten thousand", many(10_000)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| range::select(black_box(field.as_bytes()), LENGTH));
        });
    }
    group.finish();
}

fn responses(criterion: &mut Criterion) {
    let settings = Settings::from_layers(&[]);
    let content = Content {
        extents: Extents::of(Extent::Memory(Bytes::from_static(&[0; 4096]))),
        validator: Some(Validator::new("0123456789abcdef")),
        last_modified: Some(SystemTime::UNIX_EPOCH),
        media_type: "video/mp4",
        caching: Caching::File,
    };
    let mut group = criterion.benchmark_group("respond");
    for (name, field) in [
        ("200", ("accept", "*/*")),
        ("206", ("range", "bytes=0-1023")),
        ("206 in two parts", ("range", "bytes=0-1,1000-1023")),
        ("304", ("if-none-match", "\"0123456789abcdef\"")),
        ("416", ("range", "bytes=5000-")),
    ] {
        let request = TestRequest::get().insert_header(field).to_http_request();
        group.bench_function(name, |bencher| {
            bencher.iter(|| respond(&request, &settings, black_box(content.clone())));
        });
    }
    group.finish();
}

criterion_group!(benches, range_fields, responses);
criterion_main!(benches);
