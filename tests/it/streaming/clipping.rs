//! Clips, `play.mp4?start=&end=&tracks=`: the decoded frames are those of the source in the same time
//! range, shifted to zero.

use std::{collections::BTreeMap, fs};

use crate::support::{
    boxes, clips,
    ffmpeg::{self, Decoded, Kind, Packet, Track},
    folder::Folder,
    server::{Serving, serve, serve_with},
    streams::{CLOCK, put_sample},
};

/// The error of rounding a time in milliseconds to a track's ticks, twice, in nanoseconds.
const ROUNDING_NS: i128 = 80_000;

const MS: i128 = 1_000_000;

/// A source, decoded once for all its clips.
struct Source {
    tracks: Vec<Track>,
    video: Option<Decoded>,
}

fn video(input: &str, tracks: &[Track]) -> Option<Decoded> {
    let video = tracks.iter().find(|track| track.kind == Kind::Video)?;
    Some(ffmpeg::decode(input, &[video.index]).expect("video decodes").remove(0))
}

impl Source {
    fn decode(path: &str) -> Self {
        let tracks = ffmpeg::tracks(path).expect("a clip");
        Self { video: video(path, &tracks), tracks }
    }

    /// Compares a clip with the source between two times in milliseconds. Where no frame begins at
    /// the start, `early_ns` bounds how much earlier frames may be: ffmpeg shows the first at once.
    fn is_cut(
        &self,
        url: &str,
        (start_ms, end_ms): (i128, i128),
        early_ns: i128,
    ) -> Result<(), String> {
        let (start, end) = (start_ms * MS, end_ms * MS);
        let part = ffmpeg::tracks(url)?;
        if let Some(of_source) = &self.video {
            let of_part = video(url, &part).unwrap_or_default();
            same_frames(of_source, &of_part, start..end, early_ns)?;
        }
        let audio_tracks = |tracks: &[Track]| -> Vec<Track> {
            tracks.iter().filter(|track| track.kind == Kind::Audio).cloned().collect()
        };
        let of_part = audio_tracks(&part);
        let mut of_part = of_part.iter();
        for (number, audio) in audio_tracks(&self.tracks).iter().enumerate() {
            let cut = same_audio(audio, start..end, || of_part.next());
            cut.map_err(|why| format!("audio track {number}: {why}"))?;
        }
        of_part.next().map_or(Ok(()), |_| Err("an audio track too many".into()))
    }
}

fn same_frames(
    source: &Decoded,
    part: &Decoded,
    range: std::ops::Range<i128>,
    early_ns: i128,
) -> Result<(), String> {
    let ours = source.frames.iter().map(|(at, digest)| (at.nanoseconds(), digest));
    // A time at which a frame begins is within rounding of it.
    let is_in = |at: i128| at >= range.start - ROUNDING_NS && at < range.end - ROUNDING_NS;
    let ours: Vec<_> = ours.filter(|(at, _)| is_in(*at)).collect();
    if ours.len() != part.frames.len() {
        return Err(format!("{} frames instead of {}", part.frames.len(), ours.len()));
    }
    let mut early = None;
    for (place, ((at, digest), theirs)) in ours.into_iter().zip(&part.frames).enumerate() {
        if *digest != theirs.1 {
            return Err(format!("frame {place} differs"));
        }
        let is_early = at - range.start - theirs.0.nanoseconds();
        let first = *early.get_or_insert(is_early);
        let is_due = (-ROUNDING_NS..=early_ns + ROUNDING_NS).contains(&is_early);
        if !is_due || (is_early - first).abs() > ROUNDING_NS {
            return Err(format!("frame {place} is {is_early} ns early"));
        }
    }
    Ok(())
}

/// Audio is cut at whole frames, and an edit list mutes the rest. It must play at the times of
/// the source, which keeps it in sync with the video.
fn same_audio<'a>(
    source: &Track,
    range: std::ops::Range<i128>,
    of_part: impl FnOnce() -> Option<&'a Track>,
) -> Result<(), String> {
    let at = |track: &Track, packet: &Packet| track.shown_at(packet).nanoseconds();
    // ffprobe may not know the duration of a fragment's first packet.
    let until = |track: &Track, packet: &Packet| {
        track.shown_until(packet).nanoseconds().max(at(track, packet) + 21 * MS)
    };
    let is_heard = |packet: &&Packet| {
        until(source, packet) > range.start + ROUNDING_NS
            && at(source, packet) < range.end - ROUNDING_NS
    };
    let ours: Vec<_> = source.shown().filter(is_heard).collect();
    let (Some(first), Some(last)) = (ours.first(), ours.last()) else { return Ok(()) };
    let part = of_part().ok_or("the track is missing")?;
    let theirs: Vec<_> = part.shown().collect();
    let (Some(their_first), Some(their_last)) = (theirs.first(), theirs.last()) else {
        return Err("no audio decodes".into());
    };
    for packet in &theirs {
        let moved = at(part, packet) + range.start;
        let is_same = |ours: &Packet| {
            (at(source, ours) - moved).abs() <= ROUNDING_NS && ours.digest == packet.digest
        };
        if !source.packets.iter().any(is_same) {
            return Err(format!("the audio at {moved} ns of the source differs"));
        }
    }
    // ffmpeg may drop a partial frame at the start, and add one at the end.
    let frame = until(source, first) - at(source, first) + ROUNDING_NS;
    let begins = at(part, their_first) + range.start - at(source, first);
    let ends = until(part, their_last) + range.start - until(source, last);
    if begins.abs() > frame || ends.abs() > frame {
        return Err(format!("it begins {begins} ns late and ends {ends} ns late"));
    }
    let gaps = |track: &Track, packets: &[&Packet]| {
        packets.windows(2).filter(|pair| until(track, pair[0]) < at(track, pair[1]) - MS).count()
    };
    if gaps(part, &theirs) > gaps(source, &ours) {
        return Err("there is a gap in it".into());
    }
    Ok(())
}

fn query(start_ms: i128, end_ms: i128) -> String {
    let seconds = |ms: i128| format!("{}.{:03}", ms / 1000, ms % 1000);
    format!("start={}&end={}", seconds(start_ms), seconds(end_ms))
}

/// A server of all test clips.
fn serve_clips() -> Serving {
    serve_with(&[clips::folder()], "")
}

/// Cuts clips at frame times, most of them not key frames, and once from the start.
fn cuts(cases: &[(&'static str, &[(i128, i128)])]) {
    if !ffmpeg::is_installed() {
        return;
    }
    let serving = serve_clips();
    let mut wrong = Vec::new();
    for (name, ranges) in cases {
        let clip = clips::named(name);
        let source = Source::decode(clip.path().to_str().expect("text"));
        for &(start_ms, end_ms) in *ranges {
            let url = format!(
                "http://{}/v/{}/play.mp4?{}",
                serving.address,
                clip.file_name(),
                query(start_ms, end_ms)
            );
            if let Err(why) = source.is_cut(&url, (start_ms, end_ms), 0) {
                wrong.push(format!("{name} from {start_ms} to {end_ms} ms: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_clip_has_the_frames_of_the_source_from_its_start_to_its_end() {
    cuts(&[
        // The second begins and ends in one group of pictures, the third at a key frame.
        ("b-frames.mp4", &[(2520, 3480), (4000, 6000), (6960, 20_000)]),
        ("negative-ctts.mp4", &[(2520, 5080), (0, 1960)]),
        ("irregular-gops.mp4", &[(3360, 3400), (1000, 5240)]),
        ("vfr.mp4", &[(2680, 5120), (7080, 8000)]),
        ("hevc-hev1.mp4", &[(2520, 5080)]),
    ]);
}

#[test]
fn leading_frames_of_a_key_frame_are_in_the_clip() {
    // A key frame every 1.6 s, with leading frames: shown before it, decoded behind it.
    let ends = [1480, 1520, 1560, 1600, 1640].map(|end_ms| (120, end_ms));
    let starts = [3080, 3160, 3200, 3240].map(|start_ms| (start_ms, 4400));
    cuts(&[("open-gop.mp4", &ends), ("open-gop.mp4", &starts)]);
}

#[test]
fn a_track_that_begins_late_begins_as_late_in_a_clip() {
    cuts(&[
        // Before the start of the late track, across it, and after.
        ("late-audio.mp4", &[(0, 1000), (1000, 4000), (2520, 4000)]),
        ("late-video.mp4", &[(0, 1000), (480, 4000), (2800, 5000)]),
        ("cut-mid-gop.mp4", &[(0, 2000), (400, 1000), (1400, 4000)]),
    ]);
}

#[test]
fn fragmented_and_audio_only_files_are_cut_alike() {
    cuts(&[
        ("fragmented.mp4", &[(0, 3000), (2520, 5080), (6960, 20_000)]),
        ("partly-fragmented.mp4", &[(1480, 3480)]),
        ("audio-only.m4a", &[(0, 3000), (2345, 9876), (13_000, 20_000)]),
    ]);
}

#[test]
fn a_start_between_frames_shifts_no_audio_track() {
    if !ffmpeg::is_installed() {
        return;
    }
    let serving = serve_clips();
    let clip = clips::named("two-audio.mp4");
    let source = Source::decode(clip.path().to_str().expect("text"));
    assert_eq!(source.tracks.len(), 3);
    for range in [(2345, 5678), (6000, 20_000)] {
        let query = query(range.0, range.1);
        let url = format!("http://{}/v/{}/play.mp4?{query}", serving.address, clip.file_name());
        source
            .is_cut(&url, range, 1_001 * MS / 30)
            .unwrap_or_else(|why| panic!("{range:?}: {why}"));
    }
}

/// A folder with a clip of the sample library, and a server of it.
fn serve_clock() -> (Folder, Serving) {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "clock.mp4");
    let serving = serve(&folder);
    (folder, serving)
}

#[test]
fn a_clip_from_zero_is_the_whole() {
    let (_folder, serving) = serve_clock();
    let whole = serving.get("/v/clock.mp4/play.mp4", &[]);
    assert_eq!(whole.status, 200);
    for query in ["start=0", "start=0.000", "", "utm_source=x", "tracks="] {
        let same = serving.get(&format!("/v/clock.mp4/play.mp4?{query}"), &[]);
        assert_eq!(same.status, 200, "{query}");
        assert_eq!(same.field("etag"), whole.field("etag"), "{query}");
        assert!(same.body == whole.body, "{query}");
    }
    if ffmpeg::is_installed() {
        let serving = serve_clips();
        let clip = clips::named("fragmented.mp4");
        clip.path();
        let target = format!("/v/{}/play.mp4", clip.file_name());
        let (whole, same) =
            (serving.get(&target, &[]), serving.get(&format!("{target}?start=0"), &[]));
        assert_eq!(same.field("etag"), whole.field("etag"));
        assert!(same.body == whole.body && !same.body.is_empty());
    }
}

#[test]
fn invalid_parameters_are_400_with_a_reason() {
    let (_folder, serving) = serve_clock();
    for (query, status, reason) in [
        ("start=5&end=5", 400, "end must be later than start"),
        ("start=5&end=4", 400, "end must be later than start"),
        ("end=0", 400, "end must be later than start"),
        ("start=", 400, "start must be a time in seconds"),
        ("start=-1", 400, "start must be a time in seconds"),
        ("start=abc", 400, "start must be a time in seconds"),
        ("start=NaN", 400, "start must be a time in seconds"),
        ("end=1:30", 400, "end must be a time in seconds"),
        ("start=99999999999999999999999", 400, "start must be a time in seconds"),
        ("start=3600", 422, "from 3600000 ms on"),
        ("start=3600&end=3700", 422, "from 3600000 ms to 3700000 ms"),
        ("start=18446744073709551", 422, "the title ends at"),
        ("tracks=video-2", 400, "video-1, audio-1"),
        ("tracks=text-1", 400, "video-1, audio-1"),
        ("tracks=video-1,nonsense", 400, "video-1, audio-1"),
    ] {
        let response = serving.get(&format!("/v/clock.mp4/play.mp4?{query}"), &[]);
        let text = String::from_utf8_lossy(&response.body[..response.body.len().min(1000)]);
        assert_eq!(response.status, status, "{query}: {text}");
        assert_eq!(response.field("content-type"), Some("application/problem+json"), "{query}");
        assert!(text.contains(reason), "{query}: {text}");
        assert!(!text.contains(&u64::MAX.to_string()), "{query}: {text}");
    }
}

#[test]
fn unrequested_tracks_and_their_bytes_are_left_out() {
    let (folder, serving) = serve_clock();
    let get = |tracks: &str| {
        let response = serving.get(&format!("/v/clock.mp4/play.mp4?tracks={tracks}"), &[]);
        assert_eq!(response.status, 200, "{tracks}");
        response
    };
    let (both, video, audio) = (get("video-1,audio-1"), get("video-1"), get("audio-1"));
    let lengths = [both.body.len(), video.body.len(), audio.body.len()];
    assert!(lengths[1] < lengths[0] && lengths[2] < lengths[0], "{lengths:?}");
    // Two indices are longer than one, by a few boxes.
    assert!((lengths[1] + lengths[2]).abs_diff(lengths[0]) < 2048, "{lengths:?}");
    for again in ["audio-1,video-1", "video-1,audio-1,video-1", "video-1%2Caudio-1"] {
        let again = get(again);
        assert_eq!(again.field("etag"), both.field("etag"));
        assert!(again.body == both.body);
    }
    if ffmpeg::is_installed() {
        for (name, part, kind) in
            [("video.mp4", &video, Kind::Video), ("audio.mp4", &audio, Kind::Audio)]
        {
            let path = folder.put(name, &part.body);
            let tracks = ffmpeg::tracks(path.to_str().expect("text")).expect("a movie");
            assert_eq!(tracks.iter().map(|track| track.kind).collect::<Vec<_>>(), [kind]);
            let whole = ffmpeg::tracks(folder.path("clock.mp4").to_str().expect("text"))
                .expect("a movie")
                .into_iter()
                .find(|track| track.kind == kind);
            let digests = |track: &Track| -> Vec<String> {
                track.packets.iter().map(|packet| packet.digest.clone()).collect()
            };
            assert_eq!(digests(&tracks[0]), digests(&whole.expect("the track")));
        }
    }
}

#[test]
fn ranges_of_a_clip_are_slices_and_every_server_makes_the_same_clip() {
    let (folder, serving) = serve_clock();
    let copies = Folder::new();
    let copy = copies.put("clock.mp4", fs::read(folder.path("clock.mp4")).expect("a file"));
    let modified = fs::metadata(folder.path("clock.mp4")).expect("a file").modified();
    let copy = fs::File::options().write(true).open(copy).expect("a file");
    copy.set_modified(modified.expect("a time")).expect("a time");
    let other = serve(&copies);
    let target = "/v/clock.mp4/play.mp4?start=1.5&end=4.25";
    let whole = serving.get(target, &[]);
    assert_eq!(whole.status, 200);
    let tag = whole.field("etag").expect("a tag").to_owned();
    let length = whole.body.len();
    for server in [&serving, &other] {
        let client = &mut server.connect();
        let again = client.request("GET", target, &[]);
        assert_eq!(again.field("etag"), Some(tag.as_str()));
        assert!(again.body == whole.body);
        let head = client.request("HEAD", target, &[]);
        assert_eq!(head.status, 200);
        let without_date = |fields: &[(String, String)]| -> BTreeMap<String, String> {
            let varying = ["date", "x-request-id", "server-timing"];
            let kept = fields.iter().filter(|(name, _)| !varying.contains(&name.as_str()));
            kept.cloned().collect()
        };
        assert_eq!(without_date(&head.fields), without_date(&again.fields));
        // Ranges that end in the index, at its end, and among the samples.
        let mut joined = Vec::new();
        for size in [1, 700, 5000, 12_345, usize::MAX] {
            let begin = joined.len();
            if begin == length {
                break;
            }
            let end = begin.saturating_add(size).min(length);
            let range = format!("Range: bytes={begin}-{}", end - 1);
            let condition = format!("If-Range: {tag}");
            let response = client.request("GET", target, &[&range, &condition]);
            assert_eq!(response.status, 206);
            let expected = format!("bytes {begin}-{}/{length}", end - 1);
            assert_eq!(response.field("content-range"), Some(expected.as_str()));
            assert_eq!(response.field("etag"), Some(tag.as_str()));
            joined.extend(response.body);
        }
        assert!(joined == whole.body);
        let none = client.request("GET", target, &[&format!("If-None-Match: {tag}")]);
        assert_eq!(none.status, 304);
    }
    for other in
        ["start=1.5&end=4.251", "start=1.501&end=4.25", "start=1.5&end=4.25&tracks=video-1"]
    {
        let other = serving.get(&format!("/v/clock.mp4/play.mp4?{other}"), &[]);
        assert_ne!(other.field("etag"), Some(tag.as_str()));
    }
}

#[test]
fn a_clip_of_opus_begins_with_the_pre_roll_of_its_decoder() {
    cuts(&[("opus.mp4", &[(0, 1000), (40, 1000), (2520, 5080)])]);
    if !ffmpeg::is_installed() {
        return;
    }
    let serving = serve_clips();
    let name = clips::named("opus.mp4").file_name();
    let url = format!("http://{}/v/{name}/play.mp4?start=2.52&tracks=audio-1", serving.address);
    let audio = ffmpeg::tracks(&url).expect("a movie").remove(0);
    let earliest = audio.packets.iter().map(|packet| audio.shown_at(packet).nanoseconds()).min();
    let before = -earliest.expect("packets");
    assert!((80 * MS..=120 * MS).contains(&before), "{before}");
}

#[test]
fn a_gap_between_two_fragments_is_as_long_in_a_clip() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let path = folder.path("gap.mp4");
    let path = path.to_str().expect("text");
    // Missing audio, across the beginning of the third fragment.
    ffmpeg::run(&[
        "-i",
        clips::named("b-frames.mp4").path().to_str().expect("text"),
        "-filter:a",
        "aselect=not(between(t\\,3.8\\,4.3))",
        "-c:v",
        "copy",
        "-c:a",
        "aac",
        "-movflags",
        "frag_keyframe+empty_moov+default_base_moof",
        path,
    ])
    .expect("a movie");
    // ffmpeg writes it as a long last packet; other muxers only let the next fragment begin later.
    let mut bytes = fs::read(path).expect("a file");
    let long = 24 * 1024_u32;
    let is_long = |entry: &&[u8]| **entry == long.to_be_bytes();
    let moofs = boxes::all(&bytes, "moof").into_iter().map(|moof| moof.whole);
    let found = moofs.flat_map(|moof| {
        let places = bytes[moof.clone()].windows(4).enumerate().filter(|(_, entry)| is_long(entry));
        places.map(move |(place, _)| moof.start + place).collect::<Vec<_>>()
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found.len(), 1, "{found:?}");
    bytes[found[0]..found[0] + 4].copy_from_slice(&1024_u32.to_be_bytes());
    fs::write(path, bytes).expect("disk space");
    let source = Source::decode(path);
    let audio = source.tracks.iter().find(|track| track.kind == Kind::Audio).expect("audio");
    let times: Vec<_> =
        audio.packets.iter().map(|packet| audio.shown_at(packet).nanoseconds()).collect();
    assert!(times.windows(2).any(|pair| pair[1] - pair[0] > 400 * MS), "there is no gap");
    let serving = serve(&folder);
    for range in [(0, 9000), (3000, 6000), (2520, 5080)] {
        let query = query(range.0, range.1);
        let url = format!("http://{}/v/gap.mp4/play.mp4?{query}", serving.address);
        // The video of this file begins 80 ms late, so its frames keep these times.
        source.is_cut(&url, range, 0).unwrap_or_else(|why| panic!("{range:?}: {why}"));
    }
}
