//! ffmpeg plays every clip, and every real file that is present, as virtual MP4, HLS and DASH: the
//! same packets and frames as those of the source, at the same times.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use headwater::library::media_type;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::support::{
    client::Response,
    clips, comparison,
    ffmpeg::{self, Decoded, Seconds, Track},
    folder::Folder,
    server::{Serving, serve, serve_with},
};

/// The codecs that a segment can hold. A track of another codec may be missing.
const CODECS: &[&str] =
    &["h264", "hevc", "av1", "vp9", "aac", "ac3", "eac3", "opus", "flac", "alac", "mp3"];

/// Titles that may be refused with 422, by the end of the name, and the reason.
const MAY_BE_REFUSED: &[(&str, &str)] = &[
    ("init_truncated.mp4", "its moov is cut off"),
    ("large_stbl_truncated_after_moov.m4b", "none of its samples is in the file"),
    ("mp4atom__src_test_h264.mp4", "likewise"),
    ("mp4atom__src_test_hevc.mp4", "likewise"),
    ("cbcs.mp4", "encrypted and fragmented: no virtual MP4"),
    ("_mpeg4.mp4", "no player of HLS or DASH decodes MPEG-4 Part 2"),
    ("sowt-with-video.mov", "QuickTime PCM, and silence would be worse"),
];

/// Files that ffmpeg reads wrongly from the disk, so that there is no reference.
const MISREAD: &[(&str, &str)] =
    &[("cbcs.mp4", "it gives up at the second fragment, over the fields of the encryption")];

/// Files in which ffmpeg shifts frames: by how many milliseconds at most. An edit may begin between
/// two frames; ffmpeg shows the second one at once instead of at its time.
const MOVED_MS: &[(&str, i64)] = &[("sample_edit_list.mp4", 33)];

/// Files are decoded up to this many pixels (a second of 1080p at 60 frames); of longer ones only
/// packets are compared.
const DECODED_PIXELS_MAX: u64 = 130_000_000;

/// A source, read once for all views of it.
struct Source {
    tracks: Vec<Track>,
    /// Its decoded frames; `None` if it is too long or broken.
    decoded: Option<Vec<Decoded>>,
}

impl Source {
    fn open(path: &Path) -> Result<Self, String> {
        let path = path.to_str().expect("a name in UTF-8");
        let tracks = ffmpeg::tracks(path)?;
        let pixels: u64 =
            tracks.iter().map(|track| track.pixels * track.packets.len() as u64).sum();
        let is_short = pixels <= DECODED_PIXELS_MAX;
        let decoded = if is_short { ffmpeg::decode(path, &playable(&tracks)).ok() } else { None };
        Ok(Self { tracks, decoded })
    }

    /// The same, cached for the other tests.
    fn known(path: &Path) -> Arc<Result<Self, String>> {
        type Known = BTreeMap<PathBuf, Arc<OnceLock<Arc<Result<Source, String>>>>>;
        static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Arc::clone(known.entry(path.into()).or_default());
        drop(known);
        Arc::clone(cell.get_or_init(|| Arc::new(Self::open(path))))
    }
}

fn is_playable(track: &Track) -> bool {
    CODECS.contains(&track.codec.as_str())
}

/// The indices of the tracks that ffmpeg is to decode.
fn playable(tracks: &[Track]) -> Vec<usize> {
    let playable =
        tracks.iter().filter(|track| is_playable(track) && track.shown().next().is_some());
    playable.map(|track| track.index).collect()
}

/// Plays a URL and compares it with its source. See [`comparison::same_packets`] for the slack.
fn plays(source: &Source, url: &str, slack: Seconds) -> Result<(), String> {
    let package = ffmpeg::tracks(url)?;
    let fits = comparison::same_packets(&source.tracks, is_playable, &package, slack)?;
    let Some(decoded) = &source.decoded else { return Ok(()) };
    let order = playable(&source.tracks);
    let fits = fits.iter().filter_map(|fit| {
        let index = source.tracks[fit.source].index;
        Some((fit, &decoded[order.iter().position(|&other| other == index)?]))
    });
    let fits: Vec<_> = fits.collect();
    let indices: Vec<_> = fits.iter().map(|(fit, _)| package[fit.package].index).collect();
    if indices.is_empty() {
        return Ok(());
    }
    for ((fit, ours), theirs) in fits.iter().zip(ffmpeg::decode(url, &indices)?) {
        let track = &source.tracks[fit.source];
        comparison::same_frames(track, fit, ours, &theirs)
            .map_err(|why| format!("{:?} track {}: {why}", track.kind, fit.source))?;
    }
    Ok(())
}

/// Checks that a refusal names a reason in plain words.
fn is_a_problem(response: &Response) -> Result<(), String> {
    if response.field("content-type") != Some("application/problem+json") {
        return Err(format!("422 is not a problem document: {response:?}"));
    }
    let problem: Value = serde_json::from_slice(&response.body).map_err(|why| why.to_string())?;
    let has_detail = problem["detail"].as_str().is_some_and(|detail| !detail.trim().is_empty());
    if has_detail && problem["status"] == 422 {
        return Ok(());
    }
    Err(format!("the problem document has no reason: {problem}"))
}

/// One view of one title.
fn compare(serving: &Serving, folder: &Path, title: &str, view: &str) -> Result<(), String> {
    let encoded = title
        .split('/')
        .map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string())
        .collect::<Vec<_>>()
        .join("/");
    let target = format!("/v/{encoded}/{view}");
    let head = serving.get(&target, &["Range: bytes=0-0"]);
    // These need a job first; `remux` and `formats::remux_losses` test them.
    if head.status == 503 && [".mkv", "_mpeg4.mp4"].iter().any(|end| title.ends_with(end)) {
        return Ok(());
    }
    let may_be_refused = MAY_BE_REFUSED.iter().any(|(end, _)| title.ends_with(end));
    match head.status {
        200 | 206 => {}
        422 => {
            is_a_problem(&head)?;
            let problem = String::from_utf8_lossy(&head.body);
            return if may_be_refused { Ok(()) } else { Err(format!("refused: {problem}")) };
        }
        status => return Err(format!("{status}: {}", String::from_utf8_lossy(&head.body))),
    }
    if MISREAD.iter().any(|(end, _)| title.ends_with(end)) {
        return Ok(());
    }
    let moved_ms = MOVED_MS.iter().find(|(end, _)| title.ends_with(end)).map_or(0, |moved| moved.1);
    let slack = Seconds::from_ticks(moved_ms, (1, 1000));
    let source = Source::known(&folder.join(title));
    let source = source.as_ref().as_ref().map_err(|why| format!("the source itself: {why}"))?;
    plays(source, &format!("http://{}{target}", serving.address), slack)
}

/// Plays all titles in two threads. Reports all failures together.
fn all_play(folder: &Path, titles: &[String], view: &str) {
    let serving = serve_with(&[folder.into()], "");
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some(title) = titles.get(next.fetch_add(1, Ordering::Relaxed)) {
            let compared =
                catch_unwind(AssertUnwindSafe(|| compare(&serving, folder, title, view)));
            let compared = compared.unwrap_or_else(|_| Err("panicked, see above".into()));
            if let Err(why) = compared {
                wrong.lock().unwrap_or_else(PoisonError::into_inner).insert(title, why);
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut failures = String::new();
    wrong.iter().for_each(|(title, why)| writeln!(failures, "  {title}: {why}").expect("memory"));
    assert!(wrong.is_empty(), "{} of {} by {view}:\n{failures}", wrong.len(), titles.len());
}

fn every_clip_plays(view: &str) {
    if ffmpeg::is_installed() {
        let titles: Vec<_> = clips::all().iter().map(clips::Clip::file_name).collect();
        all_play(&clips::folder_of_all(), &titles, view);
    }
}

fn every_real_file_plays(view: &str) {
    let Some(folder) = clips::real_files() else {
        return;
    };
    if ffmpeg::is_installed() {
        let entries = fs::read_dir(&folder).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let titles = names.filter(|name| media_type::is_title(name.as_encoded_bytes()));
        let mut titles: Vec<_> = titles.map(|name| name.into_string().expect("UTF-8")).collect();
        titles.sort();
        all_play(&folder, &titles, view);
    }
}

#[test]
fn every_clip_plays_unchanged_as_virtual_mp4() {
    every_clip_plays("play.mp4");
}

#[test]
fn every_clip_plays_unchanged_by_hls() {
    every_clip_plays("index.m3u8");
}

#[test]
fn every_clip_plays_unchanged_by_dash() {
    every_clip_plays("manifest.mpd");
}

#[test]
fn every_real_file_plays_unchanged_as_virtual_mp4() {
    every_real_file_plays("play.mp4");
}

#[test]
fn every_real_file_plays_unchanged_by_hls() {
    every_real_file_plays("index.m3u8");
}

#[test]
fn every_real_file_plays_unchanged_by_dash() {
    every_real_file_plays("manifest.mpd");
}

/// The tests above prove little if the comparison cannot tell a good package from a bad one:
/// ffmpeg's own packages, served unchanged, are good, and bad without one of their segments.
#[test]
fn the_comparison_accepts_packages_by_ffmpeg_and_rejects_one_without_a_segment() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let serving = serve(&folder);
    // ffmpeg rounds the shift of each track to milliseconds, separately. We must not.
    let rounded = Seconds::from_ticks(1, (1, 1000));
    for name in ["b-frames.mp4", "late-audio.mp4", "two-audio.mp4", "av1-opus.mp4"] {
        let path = clips::named(name).path();
        let input = path.to_str().expect("text");
        let source = Source::open(path).expect("a clip");
        assert!(source.decoded.is_some(), "{name} can be decoded");
        let stem = name.trim_end_matches(".mp4");
        let at = |view: &str| folder.put(format!("{stem}/{view}"), "").to_str().unwrap().to_owned();
        let (hls, dash) = (at("hls/index.m3u8"), at("dash/manifest.mpd"));
        let copy = ["-i", input, "-map", "0", "-c", "copy"];
        let in_segments = "-f hls -hls_time 2 -hls_playlist_type vod -hls_segment_type fmp4";
        let in_template = "-f dash -dash_segment_type mp4 -seg_duration 2";
        for (how, into) in [(in_segments, &hls), (in_template, &dash)] {
            let how: Vec<_> = how.split_whitespace().collect();
            ffmpeg::run(&[&copy[..], &how, &[into]].concat()).expect("a package");
        }
        let url = |view: &str| format!("http://{}/media/{stem}/{view}", serving.address);
        for view in ["hls/index.m3u8", "dash/manifest.mpd"] {
            plays(&source, &url(view), rounded)
                .unwrap_or_else(|why| panic!("{name}, {view}: {why}"));
        }
        fs::remove_file(folder.path(format!("{stem}/hls/index1.m4s"))).expect("a segment");
        plays(&source, &url("hls/index.m3u8"), rounded).expect_err("a segment is missing");
    }
}
