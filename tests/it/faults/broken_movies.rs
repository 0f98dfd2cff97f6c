//! Hundreds of broken movies: each harms only the requests for itself.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    thread,
    time::{Duration, Instant},
};

use headwater::movie::{Movie, SEGMENT_SAMPLES_MAX, SampleFault, Track};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};

use crate::support::{
    broken_movies::{BrokenMovie, corrupt, numbers},
    client::{Client, Response},
    contradictions::contradicting,
    costly_movies::{costly, endless_group, slow, stacked},
    folder::Folder,
    fuzz_corpus::invariants,
    movies::valid_movies,
    program::Program,
    server::serve,
};

/// Bodies up to this length are read whole, in bytes; of longer ones both ends.
const WHOLE_BYTES: u64 = 2 << 20;

/// The outcome of requests for everything of a title.
#[derive(Default)]
struct Outcome {
    /// The number of 200 responses.
    ok_responses: usize,
    /// The slowest request, and its duration.
    slowest: (Duration, String),
}

/// Settings of the program: several segments in a short file, and no deadline: these tests are not
/// about the disk, and the machine that runs them may be slow.
const SETTINGS: [(&str, &str); 2] =
    [("HEADWATER_SEGMENT_MS", "500"), ("HEADWATER_DISK_DEADLINE_MS", "600000")];

/// Requests everything of a title.
fn request_all(address: SocketAddr, name: &str) -> Outcome {
    let title = format!("/v/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
    let mut outcome = Outcome::default();
    let mut get = |target: &str| {
        let begun = Instant::now();
        let response = fetch(address, target);
        let took = begun.elapsed();
        if took > outcome.slowest.0 {
            outcome.slowest =
                (took, target.rsplit_once("mp4/").map_or(target, |(_, file)| file).to_owned());
        }
        outcome.ok_responses += usize::from(response.status == 200);
        response
    };
    get(&format!("{title}/play.mp4"));
    get(&format!("{title}/play.mp4?start=1&end=2"));
    get(&format!("{title}/manifest.mpd"));
    let multivariant = get(&format!("{title}/index.m3u8"));
    for playlist in uris(&multivariant) {
        let playlist = format!("{title}/{playlist}");
        let media = get(&playlist);
        assert_eq!(media.status, 200, "{playlist} is listed");
        let folder = playlist.rsplit_once('/').expect("a folder").0;
        let files = uris(&media);
        // No worker renders the images of a storyboard here.
        if playlist.ends_with("/images.m3u8") {
            continue;
        }
        assert!(files.len() >= 2, "{playlist} lists an init segment and a media segment");
        for place in [0, 1, files.len() / 2, files.len() - 1] {
            let file = format!("{folder}/{}", files[place]);
            assert!(matches!(get(&file).status, 200 | 206), "{file} is listed");
        }
    }
    outcome
}

/// Reads a target: whole if it is short, else both ends.
fn fetch(address: SocketAddr, target: &str) -> Response {
    let ask = |method, fields: &[&str]| Client::connect(address).request(method, target, fields);
    let head = ask("HEAD", &[]);
    let length =
        head.field("content-length").map_or(0, |length| length.parse::<u64>().expect("a number"));
    if head.status == 200 && length > WHOLE_BYTES {
        for range in ["bytes=0-65535", "bytes=-65536"] {
            let part = ask("GET", &[&format!("Range: {range}")]);
            assert_eq!((part.status, part.body.len()), (206, 65_536), "{target}, {range}");
        }
        if !target.ends_with(".m3u8") {
            return head;
        }
    }
    let response = ask("GET", &[]);
    assert_eq!(response.status, head.status, "{target}: {response:?}");
    match response.status {
        200 => assert_eq!(response.body.len() as u64, length, "{target}"),
        404 => {}
        // The file seems to be written still, or a job encodes its video.
        503 => {
            let problem: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
            let kind = problem["type"].as_str().expect("a type");
            assert!(
                ["/errors/file-growing", "/errors/pending"].contains(&kind),
                "{target}: {kind}"
            );
        }
        422 => {
            let problem: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(detail.len() > 10, "{target}: {detail:?} says nothing");
        }
        status => panic!("{target}: {status}: {}", response.body.escape_ascii()),
    }
    response
}

/// The URIs of a playlist, in order.
fn uris(playlist: &Response) -> Vec<String> {
    if playlist.status != 200 {
        return Vec::new();
    }
    let text = std::str::from_utf8(&playlist.body).expect("text");
    let uri = |line: &str| match line.strip_prefix('#') {
        Some(tag) => tag.split_once("URI=\"")?.1.split_once('"').map(|(uri, _)| uri.to_owned()),
        None => (!line.is_empty()).then(|| line.to_owned()),
    };
    text.lines().filter_map(uri).collect()
}

/// A file name that describes how the file is broken.
fn name_of(place: usize, broken: &BrokenMovie) -> String {
    let how = broken.how.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    format!("{place:04} {}.mp4", &how[..how.len().min(150)])
}

/// Puts all into a folder, serves it and requests everything.
fn serve_all(all: &[BrokenMovie]) {
    let folder = Folder::new();
    let names = all.iter().enumerate().map(|(place, broken)| {
        let name = name_of(place, broken);
        broken.write(&folder.path(&name));
        name
    });
    let names: Vec<String> = names.collect();
    serve_folder(&folder, &names);
}

fn serve_folder(folder: &Folder, names: &[String]) {
    let program = Program::serve(&[folder.path("")], &SETTINGS);
    let address = program.address;
    let (taken, failed) = thread::scope(|scope| {
        let request_some = move |names: &[String]| {
            let mut failed = Vec::new();
            let counts = names.iter().map(|name| {
                let ok_responses =
                    std::panic::catch_unwind(|| request_all(address, name).ok_responses);
                ok_responses.unwrap_or_else(|_| {
                    failed.push(name.clone());
                    0
                })
            });
            (counts.sum::<usize>(), failed)
        };
        let (one, other) = names.split_at(names.len() / 2);
        let one = scope.spawn(move || request_some(one));
        let (other, one) = (request_some(other), one.join().expect("failures are caught"));
        (other.0 + one.0, [other.1, one.1].concat())
    });
    assert!(failed.is_empty(), "{failed:#?}\n{}", program.logged());
    assert_eq!(program.metric("headwater_panics_total"), Some(0), "{}", program.logged());
    assert!(taken > 0, "nothing of these plays");
}

#[test]
fn valid_movies_keep_the_invariants_for_broken_ones() {
    for (_, file) in valid_movies() {
        invariants::check_movie(&file);
    }
    let all: Vec<BrokenMovie> =
        valid_movies().into_iter().map(|(name, file)| BrokenMovie::new(name, file)).collect();
    serve_all(&all);
}

#[test]
fn corrupt_files_get_responses_and_harm_no_other_request() {
    // Every seventh; the test below reads all of them, without a server.
    let all: Vec<BrokenMovie> = corrupt().into_iter().step_by(7).collect();
    assert!(all.len() >= 500, "{}", all.len());
    serve_all(&all);
}

#[test]
fn contradictory_files_get_responses_and_harm_no_other_request() {
    let all = contradicting();
    assert!(all.len() >= 300, "{}", all.len());
    serve_all(&all);
}

#[test]
fn costly_files_get_responses_and_harm_no_other_request() {
    let folder = Folder::new();
    let mut names = Vec::new();
    costly(&mut |broken| {
        let name = name_of(names.len(), &broken);
        broken.write(&folder.path(&name));
        names.push(name);
    });
    assert!(names.len() >= 85, "{}", names.len());
    serve_folder(&folder, &names);
}

/// `cargo test --test it -- --ignored --nocapture figures` prints the cost of each request.
#[test]
#[ignore = "it asserts nothing; it prints figures, and those of a debug build"]
fn figures_of_costly_files() {
    let (mut slowest, mut largest) = (Duration::ZERO, 0);
    let mut place = 0;
    let mut measure = |broken: BrokenMovie| {
        let folder = Folder::new();
        let name = name_of(place, &broken);
        place += 1;
        folder.put("a valid one.mp4", &valid_movies()[0].1);
        broken.write(&folder.path(&name));
        let program = Program::serve(&[folder.path("")], &SETTINGS);
        // The first requests of a process cost more, whatever the file.
        request_all(program.address, "a valid one.mp4");
        let ((_, idle), before) = (program.memory_kib(), program.cpu_ticks());
        let Outcome { ok_responses, slowest: (took, target) } = request_all(program.address, &name);
        let cpu_ms = (program.cpu_ticks() - before) * 10;
        let (peak, _) = program.memory_kib();
        let more_mib = peak.saturating_sub(idle) / 1024;
        println!(
            "{took:>10.1?} {cpu_ms:>5} ms CPU {more_mib:>4} MiB {ok_responses:>4} {name} ({target})"
        );
        (slowest, largest) = (slowest.max(took), largest.max(more_mib));
    };
    costly(&mut measure);
    slow(&mut measure);
    println!("at most {slowest:.1?} and {largest} MiB above idle");
}

/// The tracks of a movie file.
fn tracks_of(file: &[u8]) -> Vec<Track> {
    let grid_ms = NonZeroU32::new(6000).expect("not zero");
    Movie::read(file, grid_ms).expect("it is in memory").expect("it is a movie").tracks
}

#[test]
fn a_short_file_has_no_more_samples_than_its_length_allows() {
    for delta in [1, 512] {
        let file = stacked(4, 1 << 22, delta);
        let tracks = tracks_of(&file);
        let samples: u64 = tracks.iter().map(|track| u64::from(track.index.end_sample)).sum();
        assert!(
            samples <= file.len() as u64 + (1 << 18),
            "{samples} samples of {} bytes",
            file.len()
        );
        assert_eq!(tracks[0].index.fault, Some(SampleFault::TooMany));
    }
}

#[test]
fn segments_of_all_tracks_together_stay_below_the_limit() {
    // Each sample is a segment.
    let file = stacked(64, 10_000, 6 * 48_000);
    let segments: usize = tracks_of(&file).iter().map(|track| track.index.segments.len()).sum();
    assert!((60_000..=1 << 17).contains(&segments), "{segments}");
}

#[test]
fn an_endless_group_of_pictures_is_cut_at_the_segment_limit() {
    let tracks = tracks_of(&endless_group());
    let index = &tracks[0].index;
    assert_eq!((index.end_sample, index.fault), (1 << 20, None));
    let ends =
        (0..index.segments.len()).map(|number| tracks[0].segment_end(number).expect("it is one"));
    for (segment, end) in index.measured.iter().zip(ends) {
        assert_eq!(end - segment.first_sample, SEGMENT_SAMPLES_MAX);
    }
}

#[test]
fn a_clip_that_begins_past_the_largest_number_is_refused_and_the_message_names_the_end() {
    let folder = Folder::new();
    folder.put("a.mp4", &valid_movies()[0].1);
    let serving = serve(&folder);
    for start in ["3", "100", "9223372036854775", "18446744073709550"] {
        let response = serving.get(&format!("/v/a.mp4/play.mp4?start={start}"), &[]);
        let text = String::from_utf8(response.body).expect("text");
        assert_eq!(response.status, 422, "{start}: {text}");
        assert!(text.contains(" ms on: the title ends at 1898 ms"), "{start}: {text}");
    }
}

#[test]
fn a_broken_movie_that_can_be_read_can_be_sent() {
    let all: Vec<BrokenMovie> = corrupt()
        .into_iter()
        .chain(contradicting())
        .chain(numbers().into_iter().step_by(3))
        .collect();
    let fails = |broken: &&BrokenMovie| {
        let bytes = broken.bytes().expect("only costly movies are sparse");
        std::panic::catch_unwind(|| invariants::check_movie(bytes)).is_err()
    };
    let failed: Vec<&str> = all.iter().filter(fails).map(|broken| &broken.how[..]).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// A change to a valid movie.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Set(Index, u32),
    Remove(Index, usize),
    Repeat(Index, usize),
    Copy(Index, Index, usize),
}

fn changes() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    let value = prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        Just(1 << 31),
        Just(0x7fff_ffff),
        any::<u32>()
    ];
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (place(), value).prop_map(|(at, value)| Change::Set(at, value)),
        (place(), 1..200_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (place(), 1..200_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        (place(), place(), 1..64_usize)
            .prop_map(|(from, to, length)| Change::Copy(from, to, length)),
    ]
}

fn change(file: &mut Vec<u8>, change: &Change) {
    if file.len() < 8 {
        return;
    }
    match change {
        Change::Flip(at, bits) => {
            let at = at.index(file.len());
            file[at] ^= bits;
        }
        Change::Set(at, value) => {
            let at = at.index(file.len() - 4) & !3;
            file[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        Change::Remove(at, length) => {
            let at = at.index(file.len());
            let end = file.len().min(at + length);
            file.drain(at..end);
        }
        Change::Repeat(at, length) => {
            let at = at.index(file.len());
            let run = file[at..file.len().min(at + length)].to_vec();
            file.splice(at..at, run);
        }
        Change::Copy(from, to, length) => {
            let (from, to) = (from.index(file.len()), to.index(file.len()));
            let run = file[from..file.len().min(from + length)].to_vec();
            let end = file.len().min(to + run.len());
            file[to..end].copy_from_slice(&run[..end - to]);
        }
    }
}

#[test]
fn a_randomly_changed_movie_that_can_be_read_can_be_sent() {
    let valid_movies = valid_movies().map(|(_, file)| file).to_vec();
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    let inputs = (select(valid_movies), vec(changes(), 1..6));
    let result = TestRunner::new(config).run(&inputs, |(mut file, changes)| {
        changes.iter().for_each(|each| change(&mut file, each));
        invariants::check_movie(&file);
        Ok(())
    });
    if let Err(error) = result {
        // The input is long, and its changes say all.
        panic!(
            "{}",
            error
                .to_string()
                .chars()
                .rev()
                .take(4000)
                .collect::<Vec<_>>()
                .iter()
                .rev()
                .collect::<String>()
        );
    }
}
