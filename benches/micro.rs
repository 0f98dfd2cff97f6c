//! Time of the parts of a response: parsing a Range field, building a response, counting it, writing a
//! manifest, packaging a title, sending scattered ranges of a file, and queries of the catalog. `make bench`
//! measures the wire as a whole against peers; see `benches/peers`.
#![allow(missing_docs, reason = "criterion makes a public function of each group")]

mod catalog;
mod packaging;

use std::{
    fs::File,
    hint::black_box,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    num::NonZeroU32,
    ops::Range,
    os::fd::AsFd as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::test::TestRequest;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headwater::{
    config::Settings,
    extent::{Caching, Content, Extent, Extents, Validator},
    http::{range, respond::respond},
    movie::{Captions, SegmentStart},
    package::{
        dash, hls,
        presentation::{
            Audio, IFrame, Kind, Presentation, Ratio, Segment, Sizes, Track, Video, VideoRange,
        },
    },
    sys::net::{Mapping, Slice, send_slices},
    telemetry::{Metrics, Route, SentBy},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    time::{ClockId, clock_gettime},
};

/// Length of the representation that ranges refer to, in bytes: a large video.
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
        // An attack must be cheap to reject (CVE-2011-3192).
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
        extents: Extents::from(Extent::Memory(Bytes::from_static(&[0; 4096]))),
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

/// Two hours in segments of 6 s.
const SEGMENTS: u64 = 1200;

/// Manifests that are in no cache.
fn manifests(criterion: &mut Criterion) {
    let presentation = presentation();
    let mut group = criterion.benchmark_group("manifest");
    group.bench_function("media playlist", |bencher| {
        bencher.iter(|| hls::media(black_box(&presentation.tracks[0])));
    });
    group.bench_function("multivariant playlist", |bencher| {
        bencher.iter(|| hls::multivariant(black_box(&presentation)));
    });
    group
        .bench_function("mpd", |bencher| bencher.iter(|| dash::manifest(black_box(&presentation))));
    group.finish();
}

/// Two tracks. Audio segments are cut near video segments, so that few equal durations are adjacent.
fn presentation() -> Presentation {
    let track = |folder: &str, codecs: &str, timescale, frame, bytes, kind| {
        let cut = |number| number * 6 * u64::from(timescale) / frame * frame;
        let segment = |number| Segment {
            start: cut(number),
            duration: cut(number + 1) - cut(number),
            // Sizes vary, as in real files.
            bytes: bytes + number * 7919 % bytes,
        };
        Track {
            prefix: String::new(),
            version: "0123456789abcdef".to_owned(),
            folder: folder.to_owned(),
            codecs: codecs.to_owned(),
            timescale: NonZeroU32::new(timescale).expect("not zero"),
            language: Some("en".to_owned()),
            label: "English".to_owned(),
            is_default: true,
            roles: Vec::new(),
            segments: (0..SEGMENTS).map(segment).collect(),
            sizes: Sizes::Exact,
            begins: SegmentStart::Independent,
            target_duration_min_s: 0,
            protection: None,
            kind,
        }
    };
    let iframes: Arc<[IFrame]> = (0..SEGMENTS).map(|n| IFrame { bytes: 40_000 + n }).collect();
    let video = Kind::Video(Video {
        width: 1920,
        height: 1080,
        pixel_aspect: Ratio::ONE,
        frame_rate: Ratio::new(25, 1),
        range: VideoRange::Sdr,
        primaries: None,
        matrix: None,
        supplemental_codecs: None,
        captions: Captions::default(),
        iframes,
    });
    let audio = Kind::Audio(Audio { channels: 2, joint_objects: None, sample_rate_hz: 44_100 });
    Presentation {
        title: "A title".to_owned(),
        duration_us: SEGMENTS * 6_000_000,
        start_us: None,
        storyboard: None,
        tracks: vec![
            track("video-1", "avc1.640028", 12_800, 512, 2_000_000, video),
            track("audio-1", "mp4a.40.2", 44_100, 1024, 96_000, audio),
        ],
    }
}

/// Extents of one response: as many as a video segment has.
const EXTENTS: u64 = 128;

/// The cost of sending scattered extents of one file: each by sendfile, or all by one sendmsg of slices
/// of a mapping, which is kept or created per response. The break-even decides which way the wire takes.
/// The time is the sender's CPU time, since it waits for the socket in between.
fn scattered(criterion: &mut Criterion) {
    let file = scattered_file();
    let mut socket = drained_socket();
    for length in [512, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10] {
        let mut group = criterion.benchmark_group(format!("scattered, {length} bytes each"));
        group.throughput(Throughput::Bytes(EXTENTS * length));
        let extents: Vec<_> =
            (0..EXTENTS).map(|at| at * 2 * length..at * 2 * length + length).collect();
        let span = 0..2 * length * EXTENTS;
        let mapping = Mapping::new(file.as_fd(), &span).expect("mapped");
        let mut measure = |name: &str, send: &dyn Fn(&mut TcpStream)| {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|rounds| {
                    let begun = cpu_time();
                    (0..rounds).for_each(|_| send(&mut socket));
                    cpu_time() - begun
                });
            });
        };
        measure("sendfile", &|socket| {
            for extent in &extents {
                let (mut at, end) = (extent.start, extent.end);
                while at < end {
                    let most = usize::try_from(end - at).expect("short");
                    if rustix::fs::sendfile(&*socket, &file, Some(&mut at), most).is_err() {
                        wait_for(socket);
                    }
                }
            }
        });
        measure("mapping cached", &|socket| send_mapped(socket, &mapping, &extents));
        measure("mapping per response", &|socket| {
            let mapping = Mapping::new(file.as_fd(), &span).expect("mapped");
            send_mapped(socket, &mapping, &extents);
        });
        group.finish();
    }
}

fn send_mapped(socket: &TcpStream, mapping: &Mapping, extents: &[Range<u64>]) {
    let mut rest = extents.to_vec();
    while !rest.is_empty() {
        let slices: Vec<_> = rest.iter().map(|e| Slice::Mapped(mapping, e.clone())).collect();
        let Ok(mut sent) = send_slices(socket.as_fd(), &slices, false) else {
            wait_for(socket);
            continue;
        };
        rest.retain_mut(|extent| {
            let taken = (extent.end - extent.start).min(sent as u64);
            sent -= usize::try_from(taken).expect("short");
            extent.start += taken;
            !extent.is_empty()
        });
    }
}

/// A file in the page cache, long enough for the longest extents.
fn scattered_file() -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&vec![7; 16 << 20]).expect("written");
    file
}

/// A socket whose other end a thread reads as fast as it can.
fn drained_socket() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let socket = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    let (mut other, _) = listener.accept().expect("a connection");
    std::thread::spawn(move || {
        let mut sink = vec![0; 1 << 20];
        while other.read(&mut sink).is_ok_and(|read| read > 0) {}
    });
    socket.set_nonblocking(true).expect("a socket");
    socket
}

/// Waits until the socket is writable.
fn wait_for(socket: &TcpStream) {
    let mut waited = [PollFd::new(socket, PollFlags::OUT)];
    poll(&mut waited, None).expect("a socket can be waited for");
}

/// The CPU time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).expect("nanoseconds"))
}

/// What metrics add to one request of a segment.
fn metrics(criterion: &mut Criterion) {
    let metrics = Metrics::default();
    criterion.bench_function("metrics of a request", |bencher| {
        bencher.iter(|| {
            let mut timer = metrics.begin_request(black_box(Route::Segment));
            timer.set_status(200);
            for by in [SentBy::Memory, SentBy::Sendfile] {
                timer.note_bytes();
                timer.metrics().sent(black_box(1000), by);
            }
        });
    });
}

criterion_group!(
    benches,
    range_fields,
    responses,
    metrics,
    catalog::catalog,
    manifests,
    packaging::packaging,
    scattered
);
criterion_main!(benches);
