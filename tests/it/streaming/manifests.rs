//! Manifests against the segments they list: sizes, durations, bit rates, boundaries.

use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::{
    boxes,
    client::Client,
    clips::{self, Clip},
    ffmpeg::{self, Kind, Track},
    folder::Folder,
    manifests::{Playlist, Representation, Segment},
    server::{Serving, serve, serve_with},
    streams::{CLOCK, Streams, fetch, put_sample},
};

/// Runs a check on a clip of the sample library and, with ffmpeg, on all test clips: each with its
/// name, its part of the URL, and its file. Continues after a failure, and fails at the end.
fn for_each_title(test: impl Fn(&Serving, &str, &str, &Path)) {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, CLOCK);
    let serving = serve(&folder);
    let mut wrong = Vec::new();
    let mut hold = |serving: &Serving, name: &'static str, title: &str, path: &Path| {
        let held = catch_unwind(AssertUnwindSafe(|| test(serving, name, title, path)));
        wrong.extend(held.err().map(|_| name));
    };
    hold(&serving, CLOCK, CLOCK, &folder.path(CLOCK));
    if ffmpeg::is_installed() {
        let serving = serve_with(&[clips::folder_of_all()], "");
        for clip in clips::all() {
            hold(&serving, clip.name(), &title_of(clip), clip.path());
        }
    }
    assert!(wrong.is_empty(), "see above: {wrong:?}");
}

/// The part of a URL that names a clip.
fn title_of(clip: &Clip) -> String {
    utf8_percent_encode(&clip.file_name(), NON_ALPHANUMERIC).to_string()
}

const SECOND_NS: i128 = 1_000_000_000;

fn sum_ns(segments: &[Segment]) -> i128 {
    segments.iter().map(|segment| segment.duration_ns).sum()
}

/// The sizes of all segments, in bytes, fetched.
fn sizes(client: &mut Client, playlist: &Playlist) -> Vec<u64> {
    let fetched = playlist.segments.iter().map(|segment| fetch(client, &segment.url));
    fetched.map(|response| response.body.len() as u64).collect()
}

#[test]
fn every_listed_segment_exists_with_its_size_and_form() {
    for_each_title(|serving, name, title, _| {
        let streams = Streams::read(serving, title);
        let mut client = serving.connect();
        for (_, playlist) in &streams.playlists {
            let init = fetch(&mut client, &playlist.init).body;
            let kinds = |bytes: &[u8]| {
                let found = boxes::list(bytes, 0..bytes.len()).expect("boxes");
                found.into_iter().map(|found| found.kind).collect::<Vec<_>>()
            };
            assert_eq!(kinds(&init), [*b"ftyp", *b"moov"], "{name}: {}", playlist.init);
            let mut last_start = None;
            for (place, segment) in playlist.segments.iter().enumerate() {
                let url = &segment.url;
                assert!(url.ends_with(&format!("/{}.m4s", place + 1)), "{name}: {url}");
                let head = client.request("HEAD", url, &[]);
                let bytes = fetch(&mut client, url).body;
                let length = Some(bytes.len().to_string());
                assert_eq!(head.field("content-length"), length.as_deref(), "{name}: {url}");
                let kinds: Vec<_> = kinds(&bytes)
                    .into_iter()
                    .filter(|kind| kind != b"styp" && kind != b"sidx")
                    .collect();
                assert_eq!(kinds, [*b"moof", *b"mdat"], "{name}: {url}");
                let number = boxes::contents(&bytes, "moof/traf/trun")
                    .iter()
                    .map(|run| boxes::number(&run[4..]))
                    .sum::<u32>();
                assert!(number > 0, "{name}: {url} has no sample");
                // tfdt in version 1 or 0.
                let time = boxes::contents(&bytes, "moof/traf/tfdt")[0];
                let start =
                    time[4..].iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
                assert!(i64::try_from(start).is_ok(), "{name}: {url} begins before zero");
                assert!(last_start < Some(start), "{name}: {url} begins at {start}");
                last_start = Some(start);
            }
        }
    });
}

/// The shortest and longest presentation time of a track, by what a demuxer finds in the source:
/// from its first sample, and from zero. The demuxer does not report where within the last sample
/// an edit ends.
fn shown_ns(track: &Track) -> [RangeInclusive<i128>; 2] {
    let first = track.shown().map(|packet| track.shown_at(packet).nanoseconds()).min();
    let last = track.shown().max_by_key(|packet| packet.pts).expect("something is shown");
    let (begins, ends) =
        (track.shown_at(last).nanoseconds(), track.shown_until(last).nanoseconds());
    [first.expect("something is shown").max(0), 0].map(|from| begins - from..=ends - from)
}

#[test]
fn segment_durations_add_up_to_that_of_the_track() {
    if !ffmpeg::is_installed() {
        return;
    }
    for_each_title(|serving, name, title, path| {
        let streams = Streams::read(serving, title);
        let source = ffmpeg::tracks(path.to_str().expect("text")).expect("a movie");
        for (url, playlist) in &streams.playlists {
            let kind = if url.contains("/video-") { Kind::Video } else { Kind::Audio };
            let sum = sum_ns(&playlist.segments);
            let of_kind = source.iter().filter(|track| track.kind == kind);
            let expected: Vec<_> = of_kind.flat_map(shown_ns).collect();
            // A tick of the movie header, the unit of edit lists, and a microsecond of rounding per
            // segment.
            let exact = SECOND_NS / 1000 + playlist.segments.len() as i128 * 1000;
            let is_one = |duration: &RangeInclusive<i128>| {
                (duration.start() - exact..=duration.end() + exact).contains(&sum)
            };
            assert!(expected.iter().any(is_one), "{name}: {url}: {sum} ns, and not {expected:?}");
            // All tracks share one.
            let all = streams.playlists.iter().flat_map(|(_, playlist)| &playlist.segments);
            let longest = all.map(|segment| segment.duration_ns).max().unwrap();
            let rounded_s = (longest + SECOND_NS / 2) / SECOND_NS;
            assert_eq!(i128::from(playlist.target_s), rounded_s.max(1), "{name}: {url}");
        }
    });
}

/// The peak bit rate: of single segments, and by RFC 8216bis section 4.4.6.2, of any run of
/// segments between a half and one and a half times the target duration.
fn peaks(playlist: &Playlist, sizes: &[u64]) -> [f64; 2] {
    let rate = |bits: u64, ns: i128| bits as f64 * 1e9 / ns as f64;
    let durations: Vec<_> = playlist.segments.iter().map(|segment| segment.duration_ns).collect();
    let single =
        sizes.iter().zip(&durations).map(|(&bytes, &ns)| rate(bytes * 8, ns)).fold(0.0, f64::max);
    let target = i128::from(playlist.target_s) * SECOND_NS;
    let mut of_runs: f64 = 0.0;
    for first in 0..sizes.len() {
        for last in first..sizes.len() {
            let ns: i128 = durations[first..=last].iter().sum();
            if ns * 2 >= target && ns * 2 <= target * 3 {
                of_runs = of_runs.max(rate(sizes[first..=last].iter().sum::<u64>() * 8, ns));
            }
        }
    }
    // All of it may be shorter than half of the target.
    [single, if of_runs > 0.0 { of_runs } else { single }]
}

#[test]
fn bandwidth_is_the_measured_peak_and_average_bandwidth_the_average() {
    for_each_title(|serving, name, title, _| {
        let streams = Streams::read(serving, title);
        let mut client = serving.connect();
        let measured = streams.playlists.iter().map(|(url, playlist)| {
            let sizes = sizes(&mut client, playlist);
            let bits = sizes.iter().sum::<u64>() as f64 * 8.0;
            let average = bits * 1e9 / sum_ns(&playlist.segments) as f64;
            (url.as_str(), peaks(playlist, &sizes), average)
        });
        let measured: Vec<_> = measured.collect();
        let of_url = |url: &str| measured.iter().find(|(known, ..)| *known == url).expect("read");
        for (url, attributes) in &streams.multivariant.1.variants {
            let (_, mut peaks, mut average) = *of_url(url);
            let group = attributes.get("AUDIO");
            let of_group = |rendition: &&_| {
                let rendition: &crate::support::manifests::Attributes = rendition;
                rendition["TYPE"] == "AUDIO" && rendition.get("GROUP-ID") == group
            };
            let audio_tracks = streams
                .multivariant
                .1
                .renditions
                .iter()
                .filter(of_group)
                .filter_map(|rendition| rendition.get("URI"));
            let audio_tracks: Vec<_> =
                audio_tracks.filter(|audio| *audio != url).map(|audio| of_url(audio)).collect();
            assert!(group.is_none() || !audio_tracks.is_empty(), "{name}: an empty group");
            for (place, peak) in peaks.iter_mut().enumerate() {
                *peak += audio_tracks.iter().map(|audio| audio.1[place]).fold(0.0, f64::max);
            }
            average += audio_tracks.iter().map(|audio| audio.2).fold(0.0, f64::max);
            let is_near = |stated: &str, measured: f64| {
                let stated: f64 = attributes[stated].parse().expect("a number");
                (stated / measured - 1.0).abs() < 0.01
            };
            let is_right = peaks.iter().any(|&peak| is_near("BANDWIDTH", peak));
            assert!(is_right, "{name}: {attributes:?}, measured {peaks:?}");
            if attributes.contains_key("AVERAGE-BANDWIDTH") {
                let is_right = is_near("AVERAGE-BANDWIDTH", average);
                assert!(is_right, "{name}: {attributes:?}, measured {average}");
            }
        }
    });
}

#[test]
fn hls_and_dash_list_the_same_segments_with_the_same_end_times() {
    for_each_title(|serving, name, title, _| {
        let streams = Streams::read(serving, title);
        let (url, representations) = &streams.description;
        let inits =
            |urls: &mut dyn Iterator<Item = &String>| urls.cloned().collect::<BTreeSet<_>>();
        let by_hls = inits(&mut streams.playlists.iter().map(|(_, playlist)| &playlist.init));
        let by_dash = inits(&mut representations.iter().map(|one| &one.init));
        assert_eq!(by_hls, by_dash, "{name}: {url}");
        for Representation { init, segments, start_ns, .. } in representations {
            let mut playlists = streams.playlists.iter().map(|(_, playlist)| playlist);
            let playlist = playlists.find(|playlist| playlist.init == *init).expect("just seen");
            let urls = |segments: &[Segment]| -> Vec<_> {
                segments.iter().map(|segment| segment.url.clone()).collect()
            };
            assert_eq!(urls(segments), urls(&playlist.segments), "{name}: {init}");
            // A playlist begins at zero, an MPD with the first sample.
            let (mut by_dash_ns, mut by_hls_ns) = (*start_ns, 0);
            for (place, (dash, hls)) in segments.iter().zip(&playlist.segments).enumerate() {
                by_dash_ns += dash.duration_ns;
                by_hls_ns += hls.duration_ns;
                // HLS has microseconds.
                let apart = (by_dash_ns - by_hls_ns).abs();
                let place = place as i128 + 1;
                assert!(apart <= place * 1001, "{name}: {dash:?} and {hls:?} end {apart} ns apart");
            }
        }
    });
}

/// The property that lets a player begin anywhere: a segment behind its init segment is a movie
/// that begins with a key frame, at the time that the playlist gives.
#[test]
fn each_video_segment_begins_with_a_key_frame_at_its_playlist_time() {
    if !ffmpeg::is_installed() {
        return;
    }
    let joined = Folder::new();
    let serving = serve_with(&[clips::folder_of_all()], "");
    let mut client = serving.connect();
    for name in [
        "b-frames.mp4",
        "vfr.mp4",
        "negative-ctts.mp4",
        "irregular-gops.mp4",
        "fragmented.mp4",
        "vp9.mp4",
    ] {
        let title = title_of(clips::named(name));
        let streams = Streams::read(&serving, &title);
        let playlist = &streams.playlists[0].1;
        let init = fetch(&mut client, &playlist.init).body;
        let mut at_ns = 0;
        for (place, segment) in playlist.segments.iter().enumerate() {
            let media = fetch(&mut client, &segment.url).body;
            let path = joined.put("joined.mp4", [init.clone(), media].concat());
            let tracks = ffmpeg::tracks(path.to_str().expect("text")).expect("a movie");
            let [track] = &tracks[..] else { panic!("{name}: {} tracks", tracks.len()) };
            assert!(track.packets[0].is_key, "{name}: {}", segment.url);
            let begins = track.shown().map(|packet| track.shown_at(packet)).min().expect("a frame");
            let apart = begins.nanoseconds() - at_ns;
            // The first may begin later than the playlist. Values rounded to microseconds are
            // summed.
            let is_right = place == 0 && apart >= 0 || apart.abs() < 100_000;
            assert!(is_right, "{name}: {} begins {apart} ns late", segment.url);
            at_ns += segment.duration_ns;
        }
    }
}

#[test]
fn every_audio_track_is_listed_under_a_unique_name() {
    if !ffmpeg::is_installed() {
        return;
    }
    let serving = serve_with(&[clips::folder_of_all()], "");
    for (name, groups) in [("two-audio.mp4", 1), ("two-audio-codecs.mp4", 2)] {
        let title = title_of(clips::named(name));
        let streams = Streams::read(&serving, &title);
        let playlist = &streams.multivariant.1;
        let audio_tracks =
            playlist.renditions.iter().filter(|rendition| rendition["TYPE"] == "AUDIO");
        let audio_tracks: Vec<_> = audio_tracks.collect();
        // An audio track may be in several groups; in each its name is unique.
        let uris: BTreeSet<_> = audio_tracks.iter().map(|audio| &audio["URI"]).collect();
        assert_eq!(uris.len(), 2, "{name}: {audio_tracks:?}");
        let names = audio_tracks.iter().map(|audio| (&audio["GROUP-ID"], &audio["NAME"]));
        assert_eq!(
            names.collect::<BTreeSet<_>>().len(),
            audio_tracks.len(),
            "{name}: {audio_tracks:?}"
        );
        let of_audio_tracks = |attribute: &str| -> BTreeSet<_> {
            audio_tracks.iter().filter_map(|audio| audio.get(attribute).cloned()).collect()
        };
        assert_eq!(of_audio_tracks("GROUP-ID").len(), groups, "{name}: {audio_tracks:?}");
        assert_eq!(playlist.variants.len(), groups, "{name}: a variant for each audio codec");
        let spoken = |input: &str| -> Vec<_> {
            let tracks = ffmpeg::tracks(input).expect("a movie").into_iter();
            tracks.map(|track| track.language).collect()
        };
        let source = spoken(clips::named(name).path().to_str().expect("text"));
        let play = format!("http://{}{}", serving.address, streams.play);
        assert_eq!(spoken(&play), source, "{name}");
        if groups == 1 {
            let languages = of_audio_tracks("LANGUAGE");
            let languages: Vec<_> = languages.iter().map(|language| &language[..2]).collect();
            assert_eq!(languages, ["de", "en"], "{name}");
            let defaults = audio_tracks
                .iter()
                .filter(|audio| audio.get("DEFAULT").is_some_and(|is| is == "YES"));
            assert_eq!(defaults.count(), 1, "{name}: {audio_tracks:?}");
        }
    }
}

/// What players inspect before they fetch a segment, and the same values in the headers.
#[test]
fn sample_entries_have_what_safari_needs() {
    if !ffmpeg::is_installed() {
        return;
    }
    let serving = serve_with(&[clips::folder_of_all()], "");
    let mut client = serving.connect();
    for (name, codec, entry) in [
        ("b-frames.mp4", "avc1.", &b"avc1"[..]),
        ("hevc-hvc1.mp4", "hvc1.", b"hvc1"),
        ("hevc-hev1.mp4", "hvc1.", b"hvc1"),
        ("av1-opus.mp4", "av01.", b"av01"),
        ("vp9.mp4", "vp09.", b"vp09"),
        ("wave.mov", "avc1.", b"avc1"),
        ("portrait.mp4", "avc1.", b"avc1"),
    ] {
        let title = title_of(clips::named(name));
        let streams = Streams::read(&serving, &title);
        for (_, attributes) in &streams.multivariant.1.variants {
            assert!(attributes["CODECS"].contains(codec), "{name}: {attributes:?}");
            assert!(attributes.contains_key("RESOLUTION"), "{name}: {attributes:?}");
        }
        let flags = &streams.multivariant.1.flags;
        // x265 writes open GOPs.
        let is_independent = flags.iter().any(|flag| flag == "#EXT-X-INDEPENDENT-SEGMENTS");
        assert_eq!(is_independent, !name.starts_with("hevc"), "{name}: {flags:?}");
        let init = fetch(&mut client, &streams.playlists[0].1.init).body;
        let play = fetch(&mut client, &streams.play).body;
        for bytes in [&init, &play] {
            let entries = boxes::contents(bytes, "moov/trak/mdia/minf/stbl/stsd");
            assert!(entries.iter().any(|entries| &entries[12..16] == entry), "{name}");
            // A QuickTime sound description, which only QuickTime reads.
            let versions = entries.iter().filter(|entries| &entries[12..16] == b"mp4a");
            assert!(versions.into_iter().all(|audio| audio[24..26] == [0, 0]), "{name}");
        }
        if name == "portrait.mp4" {
            let rotation = |path: &str| ffmpeg::tracks(path).expect("a movie")[0].rotation;
            let source = rotation(clips::named(name).path().to_str().expect("text"));
            assert!(source.is_some());
            for url in [&streams.playlists[0].1.init, &streams.play] {
                assert_eq!(rotation(&format!("http://{}{url}", serving.address)), source, "{url}");
            }
        }
    }
}
