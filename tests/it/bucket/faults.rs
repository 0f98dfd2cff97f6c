//! Faults of a bucket, of its disk and of its network, as the clients of a server see them.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    bucket::Bucket,
    bucket_serving::{BucketServing, Film, serve_bucket_beside, serve_bucket_with},
    client::{Client, Incomplete, Response, head},
    fault_proxy::{FaultProxy, Faults, Operation},
    folder::{Folder, pattern},
    server::{Serving, occupy_pool, serve},
    streams::{Streams, fetch},
    wait::until,
};

const MIB: usize = 1 << 20;

/// Nothing that a bucket does keeps a client waiting for this long, if its deadline is a second. A guard: it
/// leaves time for a busy machine.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// An object in a bucket behind a proxy, and a server of it.
struct Setup {
    bytes: Vec<u8>,
    bucket: Bucket,
    proxy: FaultProxy,
    serving: BucketServing,
}

impl Setup {
    fn new(bucket: Bucket, bytes: Vec<u8>, configuration: &str) -> Self {
        bucket.put("film.mp4", &bytes);
        let proxy = FaultProxy::start(bucket.address);
        let serving = serve_bucket_with(&bucket, &proxy.endpoint(), configuration);
        Self { bytes, bucket, proxy, serving }
    }

    /// Reads the MiB of this number. It may be cut.
    fn read(&self, number: usize) -> Result<Response, Incomplete> {
        let mut client = self.serving.connect();
        let range = format!("Range: bytes={}-{}", number * MIB, (number + 1) * MIB - 1);
        client.send(head("GET", "/media/film.mp4", &[&range]));
        client.read("GET")
    }

    /// Whether a response is the MiB of this number.
    fn is_right(&self, number: usize, response: &Response) -> bool {
        response.status == 206 && response.body == self.bytes[number * MIB..(number + 1) * MIB]
    }
}

#[test]
fn a_herd_at_a_cold_segment_is_one_request_also_if_its_first_byte_takes_seven_seconds() {
    const CLIENTS: usize = 1000;
    for latency in [Duration::from_millis(30), Duration::from_secs(7)] {
        let patient = "bucket_deadline_ms = 30000\n";
        let cold = Setup::new(Bucket::new(), Film::new(8, 6_000).bytes, patient);
        let folder = Folder::new();
        folder.put("film.mp4", &cold.bytes);
        let segment = |serving: &Serving| {
            let streams = Streams::read(serving, "film.mp4");
            streams.playlists[0].1.segments[4].url.clone()
        };
        let folder = serve(&folder);
        let expected = fetch(&mut folder.connect(), &segment(&folder)).body;
        let target = segment(&cold.serving);
        cold.proxy.set(Faults { latency, ..Faults::default() });
        cold.proxy.forget();
        let mut clients: Vec<Client> = (0..CLIENTS)
            .map(|number| Client::connect_from(2 + (number % 200) as u8, cold.serving.address))
            .collect();
        clients.iter_mut().for_each(|client| client.send(head("GET", &target, &[])));
        for client in &mut clients {
            let response = client.read("GET").expect("whole");
            assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
            assert!(response.body == expected);
        }
        let gets = cold.proxy.requests(Operation::Get);
        println!("{CLIENTS} clients of a cold segment, {latency:?}: {gets} GETs");
        assert!((1..=3).contains(&gets), "{gets}");
    }
}

#[test]
fn while_a_third_of_the_responses_fail_nearly_all_viewers_notice_nothing() {
    const OBJECTS: usize = 600;
    const VIEWERS: usize = 16;
    let bucket = Bucket::new();
    let bytes = pattern(20_000);
    (0..OBJECTS).for_each(|number| drop(bucket.put(&format!("{number}.mp4"), &bytes)));
    let proxy = FaultProxy::start(bucket.address);
    // A hedge is beyond the budget of retries.
    let serving = serve_bucket_with(&bucket, &proxy.endpoint(), "bucket_hedge = false\n");
    proxy.forget();
    proxy.set(Faults { unavailable_percent: 30, ..Faults::default() });
    let view = &|viewer: usize| {
        let mut client = serving.connect();
        let responses = (viewer..OBJECTS).step_by(VIEWERS).map(|number| {
            let response = client.request("GET", &format!("/media/{number}.mp4"), &[]);
            let is_right = response.status == 200 && response.body == bytes;
            assert!(is_right || response.status == 503, "{number}: {}", response.status);
            is_right
        });
        responses.filter(|is_right| *is_right).count()
    };
    let undisturbed: usize = thread::scope(|scope| {
        let viewers: Vec<_> =
            (0..VIEWERS).map(|viewer| scope.spawn(move || view(viewer))).collect();
        viewers.into_iter().map(|viewer| viewer.join().expect("a viewer")).sum()
    });
    let gets = proxy.requests(Operation::Get);
    println!("30 % of 503: {undisturbed} of {OBJECTS} responses undisturbed, {gets} GETs");
    assert!(undisturbed * 100 >= OBJECTS * 95, "{undisturbed}");
    assert!(gets * 10 <= OBJECTS * 14, "{gets}");
}

/// Opens the object, whose first and last MiB are there then.
fn fetch_front(setup: &Setup) {
    assert!(setup.is_right(0, &setup.read(0).expect("whole")));
    until("its end is there, too", || setup.proxy.is_idle());
}

#[test]
fn while_all_responses_fail_what_is_cached_plays_and_the_bucket_is_left_alone() {
    let setup =
        Setup::new(Bucket::new(), pattern(40 * MIB), "bucket_trust_s = 1\nbucket_ahead_mib = 0\n");
    fetch_front(&setup);
    setup.proxy.set(Faults { status: Some(503), ..Faults::default() });
    let is_open = || setup.serving.metric("headwater_bucket_breaker") > 0;
    let mut number = 1;
    until("the breaker is open", || {
        number = number % 38 + 1;
        let response = setup.read(number).expect("not cut");
        assert_eq!(response.status, 503);
        assert!(setup.is_right(0, &setup.read(0).expect("whole")), "what is cached");
        is_open()
    });
    setup.proxy.forget();
    let begun = Instant::now();
    let mut delays = Vec::new();
    until("it has opened for longer and longer", || {
        for number in 1..20 {
            let response = setup.read(number).expect("not cut");
            assert_eq!(response.status, 503);
            let delay = response.field("retry-after").expect("a time").parse::<u64>();
            delays.push(delay.expect("seconds"));
        }
        assert!(setup.is_right(0, &setup.read(0).expect("whole")), "what is cached");
        delays.iter().any(|delay| *delay > 2)
    });
    let (requests, seconds) = (setup.proxy.passed().len(), begun.elapsed().as_secs() + 1);
    println!(
        "all fail: {requests} requests in {seconds} s, Retry-After up to {:?}",
        delays.iter().max()
    );
    assert!(requests as u64 <= 5 * seconds, "{requests} requests in {seconds} s");
    assert!(delays.iter().all(|delay| (1..=30).contains(delay)), "{delays:?}");
    setup.proxy.set(Faults::default());
    until("it is read again", || setup.read(30).is_ok_and(|it| setup.is_right(30, &it)));
}

#[test]
fn a_bucket_that_breaks_its_responses_costs_time_and_never_a_wrong_byte() {
    let bytes = pattern(16 * MIB);
    for (what, faults) in [
        ("cut", Faults { cut_after: Some(300_000), ..Faults::default() }),
        ("ends early and cleanly", Faults { end_after: Some(300_000), ..Faults::default() }),
        ("stops", Faults { stall_after: Some(300_000), ..Faults::default() }),
        ("silence", Faults { silence: true, ..Faults::default() }),
        ("another ETag", Faults { etag: Some("\"other\""), ..Faults::default() }),
        ("no range", Faults { ignores_range: true, ..Faults::default() }),
        ("403", Faults { status: Some(403), ..Faults::default() }),
        ("404", Faults { status: Some(404), ..Faults::default() }),
    ] {
        let cold = Setup::new(
            Bucket::new(),
            bytes.clone(),
            "bucket_deadline_ms = 1000\nbucket_ahead_mib = 0\n",
        );
        fetch_front(&cold);
        cold.proxy.set(faults);
        for number in 2..6 {
            let begun = Instant::now();
            let result = cold.read(number);
            let waited = begun.elapsed();
            let result = match result {
                Ok(response) if response.status == 206 => {
                    assert!(cold.is_right(number, &response), "{what}: a wrong byte");
                    "whole".to_owned()
                }
                Ok(response) => {
                    assert!(matches!(response.status, 404 | 503), "{what}: {response:?}");
                    response.status.to_string()
                }
                Err(Incomplete::Body(bytes)) => format!("cut after {bytes}"),
                Err(Incomplete::Head) => panic!("{what}: no response"),
            };
            println!("{what}: {result} after {} ms", waited.as_millis());
            assert!(waited < LONGEST_WAIT, "{what}: {waited:?}");
        }
    }
}

#[test]
fn a_response_that_runs_while_its_object_is_replaced_ends_with_the_old_bytes() {
    for keeps_versions in [false, true] {
        let bucket = if keeps_versions { Bucket::versioned() } else { Bucket::new() };
        let setup =
            Setup::new(bucket, pattern(24 * MIB), "bucket_trust_s = 1\nbucket_ahead_mib = 0\n");
        let mut client = Client::narrow(setup.serving.address, 4096);
        client.send(head("GET", "/media/film.mp4", &[]));
        client.read_head().expect("a head");
        let mut new = pattern(24 * MIB + 1);
        new.iter_mut().for_each(|byte| *byte = !*byte);
        setup.bucket.put("film.mp4", &new);
        let length = new.len().to_string();
        let found = || setup.serving.request("HEAD", "/media/film.mp4", &[]);
        until("the new one is found", || found().field("content-length") == Some(&length));
        assert!(fetch(&mut setup.serving.connect(), "/media/film.mp4").body == new);
        match client.read_exactly(setup.bytes.len()) {
            Ok(bytes) => assert!(keeps_versions && bytes == setup.bytes),
            Err(_) => assert!(!keeps_versions, "a version is read to its end"),
        }
    }
}

#[test]
fn a_disk_of_the_cache_that_hangs_is_503_and_other_roots_go_on() {
    let near = Folder::new();
    near.put("near.mp4", pattern(8 * MIB));
    let bucket = Bucket::new();
    bucket.put("film.mp4", pattern(8 * MIB));
    let keys = "disk_deadline_ms = 500\nbucket_ahead_mib = 0\n";
    let tables = format!("name = \"far\"\n[[root]]\ndir = {:?}\nname = \"near\"\n", near.path(""));
    let serving = serve_bucket_beside(&bucket, &bucket.endpoint(), keys, &tables);
    let read = |target: &str, first: usize| {
        serving.get(target, &[&format!("Range: bytes={first}-{}", first + 999)])
    };
    let is_right = |response: &Response, first: usize| {
        response.status == 206 && response.body == pattern(8 * MIB)[first..first + 1000]
    };
    assert!(is_right(&read("/media/far/film.mp4", 0), 0));
    let cache = serving.site().titles.library.bucket_cache().expect("a cache");
    let threads = serving.site().settings.load().disk_threads.count();
    let hanging = occupy_pool(cache.pool(), threads);
    for first in [2 * MIB, 3 * MIB] {
        let response = read("/media/far/film.mp4", first);
        assert_eq!(response.status, 503, "{response:?}");
        assert!(response.field("retry-after").is_some());
        assert!(is_right(&read("/media/near/near.mp4", 1000), 1000));
    }
    drop(hanging);
    until("the cache is there again", || is_right(&read("/media/far/film.mp4", 2 * MIB), 2 * MIB));
}
