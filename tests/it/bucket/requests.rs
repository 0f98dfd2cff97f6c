//! How many requests a server sends to its bucket, and how many of them one after the other.

use std::time::Duration;

use crate::support::{
    bucket::Bucket,
    bucket_serving::{BucketServing, Film, serve_bucket_with},
    client::{Client, head},
    fault_proxy::{FaultProxy, Faults, Operation, Passed},
    http2,
    streams::{Streams, fetch},
    wait::until,
};

/// Longer than two requests that begin at the same time can be apart, also on a busy machine.
const LATENCY: Duration = Duration::from_millis(500);

/// A film in a bucket behind a proxy, and a server of it.
struct Setup {
    film: Film,
    proxy: FaultProxy,
    serving: BucketServing,
}

impl Setup {
    fn new(film: Film, configuration: &str) -> Self {
        let bucket = Bucket::new();
        bucket.put("film.mp4", &film.bytes);
        let proxy = FaultProxy::start(bucket.address);
        let serving = serve_bucket_with(&bucket, &proxy.endpoint(), configuration);
        proxy.forget();
        Self { film, proxy, serving }
    }

    /// The URLs of the segments of both tracks, each pair in the order in which a player needs them.
    fn segments(&self) -> Vec<[String; 2]> {
        let streams = Streams::read(&self.serving, "film.mp4");
        let [(_, video), (_, audio)] = &streams.playlists[..] else { panic!("two tracks") };
        let pairs = video.segments.iter().zip(&audio.segments);
        pairs.map(|(video, audio)| [video.url.clone(), audio.url.clone()]).collect()
    }

    /// The most round trips of any request that fits.
    fn round_trips(&self, is_counted: impl Fn(&Passed) -> bool) -> usize {
        let passed = self.proxy.passed();
        passed.iter().filter(|passed| is_counted(passed)).map(|it| it.round_trip).max().unwrap_or(0)
    }

    /// Requires what a film that is read once may cost.
    fn assert_cost(&self, what: &str) {
        let (gets, bytes) = (self.proxy.requests(Operation::Get), self.proxy.bytes());
        let (per_mib, share) =
            (gets as f64 / self.film.mib(), bytes as f64 / self.film.bytes.len() as f64);
        println!("{what}: {per_mib:.3} GETs per MiB, {share:.3} of the bytes");
        assert!(
            per_mib <= 1.2 && share <= 1.15,
            "{per_mib:.3} GETs per MiB, {share:.3} of the bytes"
        );
    }
}

#[test]
fn a_cold_manifest_with_its_index_at_the_end_takes_few_round_trips() {
    for (what, audio_frames) in [("short", 3000), ("long", 400_000)] {
        let film = Film::with_audio_frames(10, 16_000, audio_frames);
        let setup = Setup::new(film, "");
        setup.proxy.set(Faults { latency: LATENCY, ..Faults::default() });
        fetch(&mut setup.serving.connect(), "/v/film.mp4/index.m3u8");
        let (requests, bytes) = (setup.proxy.passed(), setup.proxy.bytes());
        let round_trips = setup.round_trips(|_| true);
        println!(
            "a {what} index: {} requests, {round_trips} round trips, {bytes} bytes",
            requests.len()
        );
        assert!(requests.len() <= 4 && round_trips <= 3 && bytes <= 4 << 20, "{requests:?}");

        // The playlists and init segments are made of what is there.
        setup.proxy.set(Faults::default());
        let [video, _] = setup.segments().swap_remove(4);
        setup.proxy.forget();
        setup.proxy.set(Faults { latency: LATENCY, ..Faults::default() });
        fetch(&mut setup.serving.connect(), &video);
        let first = setup.film.segment_offset(4);
        let round_trips = setup.round_trips(|passed| passed.reads(first));
        println!("a segment: its first byte after {round_trips} round trips");
        assert!((1..=2).contains(&round_trips), "{:?}", setup.proxy.passed());
    }
}

#[test]
fn a_film_in_order_without_read_ahead_reads_each_mib_once() {
    let setup = Setup::new(Film::new(8, 20_000), "bucket_ahead_mib = 0\n");
    let client = &mut setup.serving.connect();
    for segment in setup.segments().iter().flatten() {
        fetch(client, segment);
    }
    setup.assert_cost("without read-ahead");
}

#[test]
fn a_film_in_order_is_there_before_its_segments_are_requested_from_the_third_on() {
    let setup = Setup::new(Film::new(8, 20_000), "");
    let client = &mut setup.serving.connect();
    for (number, segments) in setup.segments().iter().enumerate() {
        let first = setup.film.segment_offset(number);
        let is_read = || setup.proxy.passed().iter().any(|passed| passed.reads(first));
        if number >= 2 {
            until("the segment is read ahead", || is_read() && setup.proxy.is_idle());
        }
        let before = setup.proxy.passed().len();
        segments.iter().for_each(|segment| drop(fetch(client, segment)));
        let late = setup.proxy.passed().split_off(before);
        let is_waited_for = late.iter().any(|passed| passed.reads(first));
        assert!(number < 2 || !is_waited_for, "segment {number}: {late:?}");
    }
    setup.assert_cost("with read-ahead");
}

#[test]
fn a_file_in_order_is_read_ahead_as_far_as_the_configuration_says() {
    let setup = Setup::new(Film::new(8, 20_000), "");
    let whole = fetch(&mut setup.serving.connect(), "/media/film.mp4").body;
    assert!(whole == setup.film.bytes);
    setup.assert_cost("a file");

    for (ahead_mib, mib) in [(0, 2..=6), (4, 6..=12)] {
        let setup = Setup::new(Film::new(8, 20_000), &format!("bucket_ahead_mib = {ahead_mib}\n"));
        let mut client = Client::narrow(setup.serving.address, 4096);
        client.send(head("GET", "/media/film.mp4", &[]));
        client.read_head().expect("a head");
        // Of which the client reads nothing.
        let bytes = || setup.proxy.bytes();
        until("enough is read", || setup.proxy.is_idle() && bytes() >= mib.start() << 20);
        let bytes = bytes();
        println!("{ahead_mib} MiB ahead of a client who does not read: {bytes} bytes");
        assert!(bytes <= mib.end() << 20, "{bytes}");
    }
}

#[test]
fn a_file_over_http2_is_read_ahead_as_far_as_the_configuration_says() {
    for (ahead_mib, mib) in [(0, 2..=3), (4, 5..=8)] {
        let setup = Setup::new(Film::new(8, 20_000), &format!("bucket_ahead_mib = {ahead_mib}\n"));
        // Its window takes less than a MiB, and stays closed.
        let client = http2::Client::connect(setup.serving.address);
        let response = client.begin("GET", "http://localhost/media/film.mp4", &[]);
        assert_eq!(response.as_ref().expect("a head").head.status, 200);
        let bytes = || setup.proxy.bytes();
        until("enough is read", || setup.proxy.is_idle() && bytes() >= mib.start() << 20);
        let bytes = bytes();
        println!("{ahead_mib} MiB ahead of a client of HTTP/2: {bytes} bytes");
        assert!(bytes <= mib.end() << 20, "{bytes}");
    }
}

#[test]
fn an_object_in_use_is_confirmed_by_requests_with_its_etag() {
    let setup = Setup::new(Film::new(1, 2000), "bucket_trust_s = 1\n");
    let client = &mut setup.serving.connect();
    let heads = || {
        let passed = setup.proxy.passed();
        // One that is late is asked again, and has no status.
        let ended = |it: &Passed| it.operation == Operation::Head && it.status > 0;
        passed.into_iter().filter(ended).collect::<Vec<_>>()
    };
    until("it was confirmed four times", || {
        fetch(client, "/media/film.mp4");
        heads().len() >= 4
    });
    let heads = heads();
    assert!(heads.iter().all(|head| head.condition.is_some()), "{heads:?}");
    assert_eq!(setup.proxy.requests(Operation::Get), 1);
    let statuses: Vec<_> = heads.iter().map(|head| head.status).collect();
    println!("statuses of the requests: {statuses:?}");
    assert_eq!(statuses[..3], [304; 3]);
}
