//! Long clips: a response holds one window, and the layout may be evicted and computed again meanwhile.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};

use crate::support::{
    client::{Client, Incomplete, head},
    folder::Folder,
    http2,
    movies::{self, Plan},
    sent_files::{
        COPIED, Dice, FROM_THE_PAGE_CACHE, NARROW, SMALL_SEND_BUFFER, assert_same,
        served_in_each_way,
    },
    server::{Serving, occupy, serve_with},
    streams::Streams,
    wait::until_slowly,
};

/// Video of five minutes and audio, in many small chunks.
static LONG: LazyLock<Vec<u8>> = LazyLock::new(|| movies::plain(&plans()));

/// The same in fragments.
static FRAGMENTED: LazyLock<Vec<u8>> = LazyLock::new(|| movies::fragmented(&plans()));

fn plans() -> [Plan; 2] {
    let (mut video, mut audio) = (Plan::video(1, 7500), Plan::audio(2, 14_062));
    video.sizes.iter_mut().enumerate().for_each(|(frame, size)| *size += 1500 + frame as u32 % 9);
    audio.sizes.iter_mut().for_each(|size| *size += 200);
    [video, audio]
}

/// Clips whose video is in a thousand pieces of the file, and those of few.
const CLIPS: [&str; 5] = [
    "/v/long.mp4/play.mp4?tracks=video-1",
    "/v/long.mp4/play.mp4?tracks=audio-1",
    "/v/long.mp4/play.mp4?start=12.34&end=200",
    "/v/fragmented.mp4/play.mp4",
    "/v/fragmented.mp4/play.mp4?tracks=video-1&start=100",
];

fn folder() -> Folder {
    let folder = Folder::new();
    folder.put("long.mp4", &*LONG);
    folder.put("fragmented.mp4", &*FRAGMENTED);
    folder
}

/// A server whose cache has space for one or two layouts of these clips.
fn with_small_cache(folder: &Folder, also: &str) -> Serving {
    serve_with(&[folder.path("")], &format!("index_cache_mib = 1\n{also}"))
}

/// A clip that differs from others by milliseconds.
fn video_from(start_ms: usize) -> String {
    let (seconds, ms) = (start_ms / 1000, start_ms % 1000);
    format!("/v/long.mp4/play.mp4?tracks=video-1&start={seconds}.{ms:03}")
}

/// Requests a clip, and reads this much of it.
fn begin(serving: &Serving, target: &str, length: usize) -> (Client, Vec<u8>) {
    let mut client = Client::narrow(serving.address, NARROW);
    client.send(head("GET", target, &[]));
    assert_eq!(client.read_head().expect("a head").status, 200);
    let front = client.read_exactly(length).expect("a part");
    (client, front)
}

/// Asks for clips until the layout of every earlier one is evicted.
fn evict(serving: &Serving) {
    for start_ms in 1..=6 {
        for _twice in 0..2 {
            assert_eq!(serving.request("HEAD", &video_from(60_000 + start_ms), &[]).status, 200);
        }
    }
}

#[test]
fn the_bytes_of_clips_are_pinned() {
    let folder = folder();
    let serving = serve_with(&[folder.path("")], "");
    let digests = CLIPS.map(|target| {
        let response = serving.get(target, &[]);
        assert_eq!(response.status, 200, "{target}");
        let digest = Sha256::digest(&response.body);
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{} {digest}", response.body.len())
    });
    let pinned = [
        "11508521 2462d1648eeb1c45",
        "2986460 5545bfadad9db58b",
        "9082636 cd1c5894dc765633",
        "14495125 3d701f6ba9decf1e",
        "7678928 5fbf80b70c17a3d1",
    ];
    assert_eq!(digests, pinned, "their ETags must change with them");
}

#[test]
fn ranges_across_windows_are_slices_on_every_way() {
    let folder = folder();
    served_in_each_way(&folder, "", |serving| {
        let mut dice = Dice(7);
        for target in CLIPS {
            let whole = serving.get(target, &[]).body;
            let mut by_http1 = serving.connect();
            let mut by_http2 = http2::Client::connect(serving.address);
            for length in [1, 300, 20_000, 700_000, 5_000_000] {
                let length = length.min(whole.len() / 2);
                let first = dice.roll(whole.len() - length);
                let range = first..first + length;
                let field = format!("Range: bytes={}-{}", range.start, range.end - 1);
                for response in [
                    by_http1.request("GET", target, &[&field]),
                    by_http2.request("GET", target, &[&field]),
                ] {
                    assert_eq!(response.status, 206);
                    assert_same(&response.body, &whole[range.clone()], target);
                }
                let other = dice.roll(range.start.max(1));
                let field = format!("{field},{other}-{other}");
                let response = by_http1.request("GET", target, &[&field]);
                assert_eq!(response.status, 206);
                let separator = format!("/{}\r\n\r\n", whole.len());
                let found = response.body.windows(separator.len());
                let begins = found.clone().position(|bytes| bytes == separator.as_bytes());
                let begins = begins.expect("a part") + separator.len();
                assert_same(&response.body[begins..begins + length], &whole[range], target);
            }
        }
    });
}

#[test]
fn an_evicted_layout_is_computed_again_with_the_same_bytes() {
    let folder = folder();
    for (way, how) in [FROM_THE_PAGE_CACHE, COPIED] {
        let serving = with_small_cache(&folder, how);
        let whole = serving.get(CLIPS[0], &[]).body;
        // In the index, and among the samples.
        for length in [1000, 3_000_000] {
            let (mut client, mut received) = begin(&serving, CLIPS[0], length);
            evict(&serving);
            let before = serving.metric("headwater_clip_layouts_total");
            received.extend(client.read_exactly(whole.len() - length).expect("the rest"));
            assert_same(&received, &whole, way);
            let after = serving.metric("headwater_clip_layouts_total");
            assert!(after > before, "{way}: {after} layouts, and it was evicted");
        }
        assert!(serving.site().titles.clips.cached_bytes() <= 256 * 1024);
    }
}

#[test]
fn a_layout_that_no_response_uses_is_dropped() {
    let folder = folder();
    let serving = serve_with(&[folder.path("")], "");
    let clips = &serving.site().titles.clips;
    let length = serving.get(CLIPS[0], &[]).body.len();
    let (mut client, _) = begin(&serving, CLIPS[0], 1000);
    clips.sweep();
    assert_eq!(serving.request("HEAD", CLIPS[0], &[]).status, 200);
    clips.sweep();
    assert!(clips.cached_bytes() > 0, "used since the first sweep");
    clips.sweep();
    assert_eq!((clips.cached_bytes(), clips.computed()), (0, 1));
    client.read_exactly(length - 1000).expect("the rest, computed again");
    assert_eq!(clips.computed(), 2);
}

#[test]
fn a_file_that_is_overwritten_while_its_clip_waits_cuts_the_response() {
    let folder = folder();
    for (way, how) in [FROM_THE_PAGE_CACHE, COPIED] {
        for evicted in [false, true] {
            folder.put("long.mp4", &*LONG);
            let serving = with_small_cache(&folder, how);
            let length =
                serving.request("HEAD", CLIPS[0], &[]).field("content-length").map(str::to_owned);
            let length: usize = length.expect("a length").parse().expect("a number");
            let (mut client, _) = begin(&serving, CLIPS[0], 100_000);
            if evicted {
                evict(&serving);
            }
            let file = File::options().write(true).open(folder.path("long.mp4")).expect("a file");
            file.write_all_at(b"other", 1000).expect("space");
            file.set_modified(SystemTime::now() + Duration::from_secs(9)).expect("a time");
            let cut = client.read_exactly(length - 100_000);
            assert!(matches!(cut, Err(Incomplete::Body(_))), "{way}, evicted: {evicted}");
        }
    }
}

/// Clients that read only the head of a clip, each of another one.
fn pause(serving: &Serving, count: usize) -> Vec<Client> {
    (0..count).map(|number| begin(serving, &video_from(number), 0).0).collect()
}

#[test]
fn two_hundred_paused_clients_of_different_clips_hold_a_few_mebibytes() {
    const PAUSED: usize = 200;
    let folder = folder();
    let serving = with_small_cache(&folder, "");
    let paused = pause(&serving, PAUSED);
    let held = serving.metric("headwater_response_memory_bytes");
    // With what each of them keeps of the bytes that its client has not taken.
    assert!((PAUSED as u64 * 1024..8 << 20).contains(&held), "{held}");
    assert!(serving.site().titles.clips.cached_bytes() <= 256 * 1024);
    drop(paused);
    until_slowly("nothing is held", || serving.metric("headwater_response_memory_bytes") == 0);
}

#[test]
fn a_paused_segment_is_charged_until_its_client_is_gone() {
    let folder = folder();
    let serving = serve_with(&[folder.path("")], SMALL_SEND_BUFFER);
    let streams = Streams::read(&serving, "long.mp4");
    let segments = streams.segments();
    let segment = segments.iter().find(|url| url.ends_with("/video-1/2.m4s")).expect("a segment");
    let held = || serving.metric("headwater_response_memory_bytes");
    until_slowly("the responses before hold nothing", || held() == 0);
    let paused = begin(&serving, segment, 0);
    assert!((1024..64 * 1024).contains(&held()), "{}", held());
    drop(paused);
    until_slowly("nothing is held", || held() == 0);
}

#[test]
fn without_memory_a_clip_is_refused_and_a_range_is_not() {
    let folder = folder();
    let serving = with_small_cache(&folder, "response_memory_mib = 1");
    let mut paused = Vec::new();
    let refused = loop {
        let mut client = Client::narrow(serving.address, NARROW);
        client.send(head("GET", &video_from(paused.len()), &[]));
        let response = client.read_head().expect("a head");
        if response.status != 200 {
            break response;
        }
        paused.push(client);
        assert!(paused.len() < 200, "no budget");
    };
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("5")));
    let before = serving.metric("headwater_clip_layouts_total");
    let response = serving.get(&video_from(5000), &[]);
    let problem = String::from_utf8(response.body).expect("text");
    assert!(problem.contains("\"/errors/too-many-responses\""), "{problem}");
    assert_eq!(serving.metric("headwater_clip_layouts_total"), before, "computed in vain");
    let range = serving.get("/media/long.mp4", &["Range: bytes=0-99"]);
    assert_eq!(range.status, 206);
    drop(paused);
    until_slowly("there is memory", || {
        serving.request("HEAD", &video_from(5000), &[]).status == 200
    });
}

#[test]
fn a_clip_that_is_refused_needs_no_disk_and_no_computation() {
    let folder = folder();
    let serving = serve_with(&[folder.path("")], "");
    assert_eq!(serving.get("/v/long.mp4/play.mp4?end=1", &[]).status, 200);
    let before = serving.metric("headwater_clip_layouts_total");
    let _held = occupy(&serving, 0);
    for (query, status) in [
        ("start=3600", 422),
        ("start=301&end=302", 422),
        ("start=2&end=1", 400),
        ("start=x", 400),
        ("tracks=video-2", 400),
    ] {
        let target = format!("/v/long.mp4/play.mp4?{query}");
        assert_eq!(serving.get(&target, &[]).status, status, "{query}");
    }
    // Tables that are in the page cache need no disk either.
    assert_eq!(serving.get("/v/long.mp4/play.mp4?start=9&end=10", &[]).status, 200);
    assert_eq!(serving.metric("headwater_clip_layouts_total"), before + 1);
}
