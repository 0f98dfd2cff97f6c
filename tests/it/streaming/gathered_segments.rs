//! Audio segments whose samples are in many places of their file: in memory from the second request on, and sent
//! only while the file has them.

use std::{fs, fs::File, path::Path};

use crate::support::{
    client::{Client, Response, head},
    folder::Folder,
    http2,
    movies::{self, Plan},
    sent_files::{COPIED, FROM_THE_PAGE_CACHE, NARROW, SMALL_SEND_BUFFER, assert_same},
    server::{Serving, serve_with},
    streams::{Streams, fetch},
    wait::until,
};

/// A movie whose audio has segments of some 400 KB, in 280 places. `frame_bytes` is the size of most audio frames.
fn movie(frame_bytes: u32) -> Vec<u8> {
    let (mut video, mut audio) = (Plan::video(1, 500), Plan::audio(2, 940));
    (video.per_chunk, audio.per_chunk) = (1, 1);
    video.sizes.iter_mut().for_each(|size| *size += 5000);
    audio.sizes.iter_mut().for_each(|size| *size += frame_bytes);
    movies::plain(&[video, audio])
}

fn served(folder: &Folder, also: &str) -> Serving {
    serve_with(&[folder.path("")], &format!("{}\n{also}", FROM_THE_PAGE_CACHE.1))
}

fn one_movie(also: &str) -> (Folder, Serving) {
    let folder = Folder::new();
    folder.put("a.mp4", movie(1500));
    let serving = served(&folder, also);
    (folder, serving)
}

/// The URLs of the segments of a title's audio.
fn audio_segments(serving: &Serving, title: &str) -> Vec<String> {
    let streams = Streams::read(serving, title);
    let (_, playlist) =
        streams.playlists.iter().find(|(url, _)| url.contains("/audio-")).expect("audio");
    playlist.segments.iter().map(|segment| segment.url.clone()).collect()
}

fn hits(serving: &Serving) -> u64 {
    serving.metric("headwater_cache_lookups_total{cache=\"gathered\",result=\"hit\"}")
}

fn bytes_in_memory(serving: &Serving) -> u64 {
    serving.metric("headwater_gathered_cache_bytes")
}

/// Requests a segment until it is in memory, and returns it.
fn warm(serving: &Serving, url: &str) -> Vec<u8> {
    let first = serving.get(url, &[]).body;
    assert_same(&serving.get(url, &[]).body, &first, "the second response");
    let before = hits(serving);
    assert_same(&serving.get(url, &[]).body, &first, "the third response");
    assert_eq!(hits(serving), before + 1, "{url} is not in memory");
    first
}

/// Requests a segment on a connection that holds little of it, and reads the head of the response.
fn begin_slowly(serving: &Serving, url: &str) -> (Client, Response) {
    let mut client = Client::narrow(serving.address, NARROW);
    client.send(head("GET", url, &[]));
    let head = client.read_head().expect("a head");
    assert_eq!(head.status, 200);
    (client, head)
}

#[test]
fn a_segment_is_in_memory_from_its_second_request_on_with_equal_bytes() {
    let (_folder, serving) = one_movie("");
    let url = &audio_segments(&serving, "a.mp4")[0];
    let first = serving.get(url, &[]);
    assert!(first.body.len() > 300_000, "{} bytes", first.body.len());
    assert_eq!(bytes_in_memory(&serving), 0, "once is not enough");
    let whole = warm(&serving, url);
    assert_same(&first.body, &whole, "the first response");
    let held = bytes_in_memory(&serving);
    assert!((whole.len() as u64..whole.len() as u64 + 1000).contains(&held), "{held} bytes");
    let third = serving.get(url, &[]);
    let fields = |response: &Response| {
        let mut fields = response.fields.clone();
        fields.retain(|(name, _)| !["x-request-id", "server-timing", "date"].contains(&&**name));
        fields
    };
    assert_eq!(fields(&third), fields(&first), "the same head");
    let part = serving.get(url, &["Range: bytes=1000-200000"]);
    assert_eq!(part.status, 206);
    assert_same(&part.body, &whole[1000..=200_000], "a range");
    let parts = serving.get(url, &["Range: bytes=0-9,100000-100009"]);
    for expected in [&whole[..10], &whole[100_000..100_010]] {
        assert!(memchr::memmem::find(&parts.body, expected).is_some(), "a part of several");
    }
    let mut http2 = http2::Client::connect(serving.address);
    let sent = "headwater_body_bytes_total{sent_by=\"memory\"}";
    let before = serving.metric(sent);
    assert_same(&http2.request("GET", url, &[]).body, &whole, "over HTTP/2");
    until("its bytes are counted", || serving.metric(sent) >= before + whole.len() as u64);
}

#[test]
fn video_and_whatever_is_requested_once_take_no_memory() {
    let (_folder, serving) = one_movie("");
    let streams = Streams::read(&serving, "a.mp4");
    let mut client = serving.connect();
    for url in streams.segments() {
        let count = if url.contains("/video-") { 4 } else { 1 };
        (0..count).for_each(|_| drop(fetch(&mut client, url)));
    }
    assert_eq!(bytes_in_memory(&serving), 0);
    assert_eq!(hits(&serving), 0);
}

#[test]
fn the_layout_of_a_segment_in_memory_shows_its_places_in_the_file() {
    let (_folder, serving) = one_movie("");
    let url = &audio_segments(&serving, "a.mp4")[0];
    let layout =
        || String::from_utf8(serving.get(&format!("{url}?layout"), &[]).body).expect("text");
    let before = layout();
    warm(&serving, url);
    assert_eq!(layout(), before);
    assert!(before.lines().count() > 200, "{before}");
}

#[test]
fn the_cache_keeps_its_budget_also_while_evicted_segments_are_sent() {
    const BUDGET: u64 = 1 << 20;
    let folder = Folder::new();
    let movie = movie(300);
    let titles: Vec<String> = (0..8).map(|number| format!("{number}.mp4")).collect();
    titles.iter().for_each(|title| _ = folder.put(title, &movie));
    let serving = served(&folder, &format!("gathered_cache_mib = 1\n{SMALL_SEND_BUFFER}"));
    let urls: Vec<String> =
        titles.iter().flat_map(|title| audio_segments(&serving, title)).collect();
    let mut firsts: Vec<Vec<u8>> = Vec::new();
    let mut paused = Vec::new();
    for url in &urls {
        firsts.push(serving.get(url, &[]).body);
        for _ in 0..2 {
            assert_same(&serving.get(url, &[]).body, firsts.last().expect("one"), url);
            assert!(bytes_in_memory(&serving) <= BUDGET);
        }
        paused.push(begin_slowly(&serving, url));
        assert!(bytes_in_memory(&serving) <= BUDGET);
    }
    let total: usize = firsts.iter().map(Vec::len).sum();
    assert!(total as u64 > 2 * BUDGET, "{total} bytes");
    assert!(bytes_in_memory(&serving) > BUDGET / 2);
    for ((mut client, head), first) in paused.into_iter().zip(&firsts) {
        let length = head.field("content-length").expect("a length").parse().expect("a number");
        assert_same(&client.read_exactly(length).expect("the rest"), first, "a paused response");
    }
}

#[test]
fn without_a_budget_nothing_is_kept() {
    let (_folder, serving) = one_movie("gathered_cache_mib = 0");
    let url = &audio_segments(&serving, "a.mp4")[0];
    let first = serving.get(url, &[]).body;
    for _ in 0..3 {
        assert_same(&serving.get(url, &[]).body, &first, url);
    }
    assert_eq!((hits(&serving), bytes_in_memory(&serving)), (0, 0));
}

#[test]
fn a_file_that_is_copied_leaves_nothing_in_memory() {
    let folder = Folder::new();
    folder.put("a.mp4", movie(1500));
    let serving = serve_with(&[folder.path("")], COPIED.1);
    let url = &audio_segments(&serving, "a.mp4")[0];
    (0..4).for_each(|_| drop(serving.get(url, &[])));
    assert_eq!((hits(&serving), bytes_in_memory(&serving)), (0, 0));
}

#[test]
fn a_segment_in_memory_is_cut_when_its_file_becomes_shorter() {
    let (folder, serving) = one_movie(SMALL_SEND_BUFFER);
    let url = &audio_segments(&serving, "a.mp4")[0];
    let length = warm(&serving, url).len();
    let (mut client, _) = begin_slowly(&serving, url);
    let file = File::options().write(true).open(folder.path("a.mp4")).expect("the file");
    file.set_len(1000).expect("shorter");
    drop(file);
    assert!(client.read_exactly(length).is_err(), "a complete response of a truncated file");
    until("the cut is counted", || {
        serving.metric("headwater_body_cuts_total{reason=\"truncated\"}") == 1
    });
    assert_ne!(serving.get(url, &[]).status, 200, "what the file no longer has");
}

#[test]
fn an_overwritten_file_sends_no_segment_of_its_former_version() {
    let (folder, serving) = one_movie(SMALL_SEND_BUFFER);
    let url = &audio_segments(&serving, "a.mp4")[0];
    let length = warm(&serving, url).len();
    let (mut client, _) = begin_slowly(&serving, url);
    fs::write(folder.path("a.mp4"), movie(1400)).expect("written");
    assert!(client.read_exactly(length).is_err(), "a complete response of two versions");
    until("the former version is gone", || serving.get(url, &[]).status == 404);
    let new = &audio_segments(&serving, "a.mp4")[0];
    assert_ne!(new, url);
    assert!(warm(&serving, new).len() < length);
}

#[test]
fn a_replaced_file_ends_a_response_with_the_bytes_of_its_start() {
    let (folder, serving) = one_movie(SMALL_SEND_BUFFER);
    let url = &audio_segments(&serving, "a.mp4")[0];
    let whole = warm(&serving, url);
    let (mut client, _) = begin_slowly(&serving, url);
    replace(&folder.path("a.mp4"), &movie(1400));
    assert_same(&client.read_exactly(whole.len()).expect("the rest"), &whole, "one version");
    until("the former version is gone", || serving.get(url, &[]).status == 404);
    let new = &audio_segments(&serving, "a.mp4")[0];
    assert!(warm(&serving, new).len() < whole.len());
}

/// Replaces a file by a rename, as careful programs do.
fn replace(path: &Path, content: &[u8]) {
    let beside = path.with_extension("part");
    fs::write(&beside, content).expect("a file beside");
    fs::rename(&beside, path).expect("renamed");
}
