//! Boxes that Headwater writes, compared field by field with those of the source: init segments, clips,
//! and the `play.mp4` of fragmented files.

use std::{collections::BTreeSet, fs};

use headwater::movie::languages;

use crate::support::{
    box_fields::{self, Fields},
    box_patches::{self, locate_boxes},
    boxes, clips,
    ffmpeg::{self, Kind},
    folder::Folder,
    manifests,
    movies::{boxed, full},
    server::{Serving, serve, serve_with},
    streams::{Streams, fetch},
};

/// A view whose boxes Headwater writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum View {
    /// The init segment of one track.
    Init,
    /// A clip, or a fragmented file as one MP4.
    Movie,
}
use View::{Init, Movie};

const BOTH: &[View] = &[Init, Movie];

/// What may differ from the source, where, and why. Everything else must be equal: a new difference is a
/// fault, or a new line with its reason. A field ends with `*` for all that begin so.
const MAY_DIFFER: &[(&str, &[View], &str)] = &[
    ("tkhd/track_ID", BOTH, "tracks are numbered in the written movie, which may have fewer"),
    ("tkhd/duration", BOTH, "of a part; unknown, and so 0, in an init segment"),
    ("tkhd/flags", &[Init], "the client has chosen this track: it is enabled"),
    ("mdhd/duration", BOTH, "as tkhd/duration"),
    ("elst", BOTH, "presentation times have tests of their own: streaming/{playback,clipping}.rs"),
    ("stts", BOTH, "samples have the same tests"),
    ("ctts", BOTH, "as stts"),
    ("stss", BOTH, "as stts"),
    ("stsz", BOTH, "as stts"),
    ("stsc", BOTH, "as stts"),
    ("stco", BOTH, "as stts"),
    ("sdtp", BOTH, "a hint which samples may be dropped; fragments have none either"),
    ("sbgp/roll", BOTH, "counts samples; see the test of roll groups"),
    (
        "stsd/ES_ID",
        BOTH,
        "0 in every MP4 (ISO/IEC 14496-14 section 3.1.2); ffmpeg writes the track_ID",
    ),
    (
        "tref",
        BOTH,
        "refers to other tracks by numbers that change; chapters have a URL of their own",
    ),
    // Outside of tracks.
    ("ftyp", BOTH, "the brands of the written structure, with those of the codecs"),
    ("mvhd/timescale", BOTH, "a common multiple of those of the tracks, so that edits are exact"),
    ("mvhd/duration", BOTH, "as tkhd/duration"),
    ("mvhd/next_track_ID", BOTH, "as tkhd/track_ID"),
    ("meta", BOTH, "title and encoder of the whole; /api/titles has the title"),
    ("trex*", BOTH, "defaults of the fragments of the source; Headwater's fragments say all"),
];

/// The reasons that were needed.
type Used = BTreeSet<&'static str>;

/// Compares written fields with those of the source.
fn compare(view: View, name: &str, source: &Fields, written: &Fields, used: &mut Used) {
    let names: BTreeSet<&String> = source.keys().chain(written.keys()).collect();
    let mut wrong = Vec::new();
    for field in names.into_iter().filter(|field| source.get(*field) != written.get(*field)) {
        let is_named = |(known, views, _): &&(&str, &[View], _)| {
            let is_field = match known.strip_suffix('*') {
                Some(start) => field.starts_with(start),
                None => known == field,
            };
            is_field && views.contains(&view)
        };
        match MAY_DIFFER.iter().find(is_named) {
            Some((known, ..)) => _ = used.insert(known),
            None => wrong.push((field, source.get(field), written.get(field))),
        }
    }
    assert!(wrong.is_empty(), "{view:?} of {name}: field, source, written: {wrong:#?}");
}

/// Replaces the box of a type in the `number`th track (from 0) of a movie.
fn replaced_in_track(movie: &[u8], number: usize, kind: &[u8; 4], with: &[u8]) -> Vec<u8> {
    let found = locate_boxes(movie);
    let trak = found.iter().filter(|found| found.kind == *b"trak").nth(number).expect("a track");
    let within = |place: &&box_patches::LocatedBox| {
        place.kind == *kind && trak.start < place.start && place.end <= trak.end
    };
    let place = found.iter().find(within).expect("a box of this type");
    box_patches::replaced(movie, place.start..place.end, with)
}

/// The bytes of a box of the `number`th track.
fn box_of_track(movie: &[u8], number: usize, path: &str) -> Vec<u8> {
    let trak = boxes::contents(movie, "moov/trak")[number];
    let found = boxes::all(trak, path).remove(0);
    trak[found.whole].to_vec()
}

const TWO_VOICES: &[&str] = &[
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=128x72:rate=25:duration=6",
    "-f",
    "lavfi",
    "-i",
    "sine=frequency=440:sample_rate=48000:duration=6",
    "-f",
    "lavfi",
    "-i",
    "sine=frequency=660:sample_rate=48000:duration=6",
    "-map",
    "0",
    "-map",
    "1",
    "-map",
    "2",
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-g",
    "25",
    "-bf",
    "2",
    "-c:a:0",
    "aac",
    "-c:a:1",
    "libopus",
    "-metadata:s:v:0",
    "language=jpn",
    "-metadata:s:a:0",
    "language=eng",
    "-metadata:s:a:1",
    "language=deu",
    "-metadata:s:a:1",
    "title=Hörfilm",
    "-metadata:s:a:0",
    "handler_name=A program 1.0",
    "-disposition:a:0",
    "default",
    "-disposition:a:1",
    "visual_impaired",
];

/// A movie whose headers say more than usual: a language with a region, a purpose of another scheme, a
/// volume, a layer, a group. Audio 2 is disabled, has a name, and describes the video.
fn eloquent(folder: &Folder, name: &str, more: &[&str]) -> Vec<u8> {
    let path = folder.path(name);
    let path = path.to_str().expect("text");
    ffmpeg::run(&[TWO_VOICES, more, &["-y", path]].concat()).expect("ffmpeg encodes it");
    let mut movie = fs::read(path).expect("a movie");
    let elng = full(b"elng", 0, 0, &[b"de-CH\0"]);
    let hdlr = box_of_track(&movie, 2, "mdia/hdlr");
    movie = replaced_in_track(&movie, 2, b"hdlr", &[hdlr, elng].concat());
    let kinds = [
        full(b"kind", 0, 0, &[b"urn:mpeg:dash:role:2011\0description\0"]),
        full(b"kind", 0, 0, &[b"about:html-kind\0commentary\0"]),
    ];
    movie = replaced_in_track(&movie, 2, b"kind", &kinds.concat());
    let mut tkhd = box_of_track(&movie, 2, "tkhd");
    // Behind header, version and flags, and 28 bytes of identifier and times.
    tkhd[8 + 32..8 + 38].copy_from_slice(&[0xff, 0xff, 0, 7, 0, 0x80]);
    movie = replaced_in_track(&movie, 2, b"tkhd", &tkhd);
    folder.put(name, &movie);
    movie
}

/// The URL of a track's init segment.
fn init_of(streams: &Streams, track: &str) -> String {
    let url = |(url, _): &&(String, manifests::Playlist)| url.contains(&format!("/{track}/"));
    streams.playlists.iter().find(url).expect("a playlist").1.init.clone()
}

/// Compares all written boxes of a title with those of its source.
fn is_carried(serving: &Serving, name: &str, source: &[u8], folders: &[&str], used: &mut Used) {
    let client = &mut serving.connect();
    let streams = Streams::read(serving, name);
    let (of_movie, of_tracks) = (box_fields::of_movie(source), box_fields::of_tracks(source));
    for (track, fields) in folders.iter().zip(&of_tracks) {
        let init = fetch(client, &init_of(&streams, track)).body;
        let title = format!("{name} {track}");
        compare(Init, &title, &of_movie, &box_fields::of_movie(&init), used);
        compare(Init, &title, fields, &box_fields::of_tracks(&init)[0], used);
    }
    let play = format!("/v/{name}/play.mp4");
    for url in [play.clone() + "?start=1.2&end=3.4", play] {
        let movie = fetch(client, &url).body;
        compare(Movie, &url, &of_movie, &box_fields::of_movie(&movie), used);
        let written = box_fields::of_tracks(&movie);
        assert_eq!(written.len(), of_tracks.len(), "{url}");
        for (number, (source, written)) in of_tracks.iter().zip(&written).enumerate() {
            compare(Movie, &format!("{url}, track {number}"), source, written, used);
        }
    }
}

#[test]
fn written_boxes_repeat_every_field_of_the_source_except_for_a_known_few() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let tracks = ["video-1", "audio-1", "audio-2"];
    let whole = eloquent(&folder, "whole.mp4", &[]);
    let fragments = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    let fragmented = eloquent(&folder, "fragmented.mp4", &fragments);
    let serving = serve(&folder);
    let mut used = Used::new();
    is_carried(&serving, "whole.mp4", &whole, &tracks, &mut used);
    is_carried(&serving, "fragmented.mp4", &fragmented, &tracks, &mut used);
    let of_clips = serve_with(&[clips::folder()], "");
    for (name, tracks) in [
        ("b-frames.mp4", &["video-1", "audio-1"][..]),
        ("negative-ctts.mp4", &["video-1", "audio-1"]),
        ("hevc-hvc1.mp4", &["video-1", "audio-1"]),
        ("av1-opus.mp4", &["video-1", "audio-1"]),
        ("vp9.mp4", &["video-1", "audio-1"]),
        ("flac.mp4", &["video-1", "audio-1"]),
        ("ac-3.mp4", &["video-1", "audio-1"]),
        ("portrait.mp4", &["video-1", "audio-1"]),
        ("audio-only.m4a", &["audio-1"]),
        ("fragmented-dash.mp4", &["video-1", "audio-1"]),
        ("partly-fragmented.mp4", &["video-1", "audio-1"]),
    ] {
        let clip = clips::named(name);
        let source = fs::read(clip.path()).expect("a clip");
        is_carried(&of_clips, &clip.file_name(), &source, tracks, &mut used);
    }
    let unused = MAY_DIFFER.iter().filter(|(field, ..)| !used.contains(field));
    let unused: Vec<_> = unused.map(|(field, ..)| field).collect();
    assert_eq!(unused, [&"tref"], "reasons that no clip needs");
}

#[test]
fn the_language_in_mdhd_has_three_letters_and_elng_the_region() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    eloquent(&folder, "whole.mp4", &[]);
    let serving = serve(&folder);
    let streams = Streams::read(&serving, "whole.mp4");
    let client = &mut serving.connect();
    for (track, code, tag) in
        [("video-1", b"jpn", None), ("audio-1", b"eng", None), ("audio-2", b"deu", Some("de-CH"))]
    {
        let init = fetch(client, &init_of(&streams, track)).body;
        let fields = box_fields::of_tracks(&init).remove(0);
        let packed = code.iter().fold(0, |packed, letter| packed << 5 | u64::from(letter - 0x60));
        assert_eq!(fields["mdhd/language"], packed.to_string(), "{track}");
        assert_eq!(fields.get("elng").map(String::as_str), tag, "{track}");
    }
    assert_eq!(languages::three_letters("de-CH"), Some("deu"));
}

#[test]
fn a_purpose_is_a_role_in_the_mpd_and_a_characteristic_in_the_playlist() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    eloquent(&folder, "whole.mp4", &[]);
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let mpd = fetch(client, "/v/whole.mp4/manifest.mpd").body;
    let mpd = manifests::xml(str::from_utf8(&mpd).expect("text"));
    let period = mpd.all("Period").next().expect("a period");
    let values = |set: &manifests::Element, name: &str| -> Vec<String> {
        set.all(name).map(|one| one.attributes["value"].clone()).collect()
    };
    let audio: Vec<_> = period
        .all("AdaptationSet")
        .filter(|set| set.attributes["contentType"] == "audio")
        .map(|set| (values(set, "Role"), values(set, "Accessibility")))
        .collect();
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let described = texts(&["alternate", "description", "commentary"]);
    assert_eq!(audio, [(texts(&["main"]), vec![]), (described, texts(&["1"]))]);
    let streams = Streams::read(&serving, "whole.mp4");
    let described: BTreeSet<_> = streams
        .multivariant
        .1
        .renditions
        .iter()
        .filter_map(|one| Some((one.get("URI")?.clone(), one.get("CHARACTERISTICS")?.clone())))
        .collect();
    let [(uri, characteristics)] = &described.into_iter().collect::<Vec<_>>()[..] else {
        panic!("one track has a purpose")
    };
    assert!(uri.contains("/audio-2/"), "{uri}");
    assert_eq!(characteristics, "public.accessibility.describes-video");
}

#[test]
fn a_clip_of_a_disabled_track_alone_enables_it() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    eloquent(&folder, "whole.mp4", &[]);
    let serving = serve(&folder);
    let flags = |query: &str| -> Vec<String> {
        let movie = fetch(&mut serving.connect(), &format!("/v/whole.mp4/play.mp4?{query}")).body;
        let tracks = box_fields::of_tracks(&movie).into_iter();
        tracks.map(|fields| fields["tkhd/flags"].clone()).collect()
    };
    assert_eq!(flags("start=1&end=2"), ["3", "3", "2"]);
    assert_eq!(flags("start=1&end=2&tracks=video-1,audio-2"), ["3", "3"]);
    assert_eq!(flags("start=1&end=2&tracks=audio-2"), ["3"]);
}

#[test]
fn roll_groups_cover_all_samples_of_segments_and_clips() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let source = eloquent(&folder, "whole.mp4", &[]);
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let streams = Streams::read(&serving, "whole.mp4");
    let source = box_fields::of_tracks(&source);
    for (number, track) in [(1, "audio-1"), (2, "audio-2")] {
        let init = init_of(&streams, track);
        let segment = fetch(client, &init.replace("init.mp4", "1.m4s")).body;
        let count = &boxes::contents(&segment, "moof/traf/trun")[0][4..8];
        let [group] = boxes::contents(&segment, "moof/traf/sbgp")[..] else { panic!("a group") };
        let expected = [&[0; 4][..], b"roll\0\0\0\x01", count, &[0, 0, 0, 1]].concat();
        assert_eq!(group, expected, "{track}");
        let init = box_fields::of_tracks(&fetch(client, &init).body).remove(0);
        assert_eq!(init["sgpd/roll"], source[number]["sgpd/roll"], "{track}");
        let clip = fetch(client, "/v/whole.mp4/play.mp4?start=1&end=2").body;
        let clip = box_fields::of_tracks(&clip).remove(number);
        let samples = &clip["stsz"][16..24];
        assert!(clip["sbgp/roll"].ends_with(&format!("00000001{samples}00000001")), "{track}");
    }
    let video = fetch(client, &init_of(&streams, "video-1").replace("init.mp4", "1.m4s")).body;
    assert!(boxes::contents(&video, "moof/traf/sbgp").is_empty());
}

#[test]
fn key_frames_as_resources_have_no_composition_offsets_and_the_right_time() {
    if !ffmpeg::is_installed() {
        return;
    }
    let serving = serve_with(&[clips::folder()], "");
    let joined = Folder::new();
    let client = &mut serving.connect();
    for name in ["b-frames.mp4", "negative-ctts.mp4", "av1-opus.mp4", "fragmented.mp4"] {
        let clip = clips::named(name);
        clip.path();
        let streams = Streams::read(&serving, &clip.file_name());
        let (_, playlist) = &streams.playlists[0];
        let init = fetch(client, &playlist.init).body;
        assert_eq!(boxes::contents(&init, "ftyp")[0].ends_with(b"av01"), name.starts_with("av1"));
        let mut at_ns = 0;
        for (place, segment) in playlist.segments.iter().enumerate() {
            let whole = fetch(client, &segment.url).body;
            let file = segment.url.rsplit('/').next().expect("a name");
            let iframe = segment.url.replace(file, &format!("i-{file}"));
            let iframe = fetch(client, &iframe).body;
            let run = |media: &[u8]| boxes::number(boxes::contents(media, "moof/traf/trun")[0]);
            // Version 0, since no offset is negative; 0x800 is the flag of composition offsets.
            assert_eq!((run(&whole) >> 24, run(&iframe) >> 24), (0, 0), "{name}");
            assert_eq!(run(&iframe) & 0x800, 0, "{name}");
            assert_eq!(run(&whole) & 0x800 == 0, name.starts_with("av1"), "{name}");
            let path = joined.put("joined.mp4", [init.clone(), iframe].concat());
            let tracks = ffmpeg::tracks(path.to_str().expect("text")).expect("a movie");
            let [track] = &tracks[..] else { panic!("{name}: one track") };
            let [packet] = &track.packets[..] else { panic!("{name}: one frame") };
            assert_eq!(track.kind, Kind::Video);
            let apart = track.shown_at(packet).nanoseconds() - at_ns;
            // A track may begin later than its playlist.
            let is_right = place == 0 && apart >= 0 || apart.abs() < 100_000;
            assert!(is_right, "{name}: {apart} ns late");
            at_ns += segment.duration_ns;
        }
    }
}

#[test]
fn every_representation_has_its_own_segment_template() {
    let folder = Folder::new();
    crate::support::streams::put_sample(&folder, "Clock.mp4", "Clock.mp4");
    folder.put("Clock.en.srt", "1\n00:00:01,000 --> 00:00:02,000\nHello\n");
    let serving = serve(&folder);
    let mpd = fetch(&mut serving.connect(), "/v/Clock.mp4/manifest.mpd").body;
    let mpd = manifests::xml(str::from_utf8(&mpd).expect("text"));
    let profile = |name: &str| format!("urn:mpeg:dash:profile:{name}:2011");
    let expected = format!("{},{}", profile("isoff-live"), profile("full"));
    assert_eq!(mpd.attributes["profiles"], expected);
    let mut kinds = Vec::new();
    for set in mpd.all("Period").flat_map(|period| period.all("AdaptationSet")) {
        let kind = set.attributes["contentType"].as_str();
        assert_eq!(set.all("SegmentTemplate").count(), 0, "{kind}");
        let is_text = kind == "text";
        assert_eq!(set.attributes.get("profiles") == Some(&profile("full")), is_text, "{kind}");
        for representation in set.all("Representation") {
            let templates = representation.all("SegmentTemplate").count();
            assert_eq!(templates, usize::from(!is_text), "{kind}");
        }
        kinds.push(kind);
    }
    assert_eq!(kinds[..3], ["video", "audio", "text"]);
}

#[test]
fn hdr10_has_three_properties_in_the_mpd_and_its_range_in_the_playlist() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let colours = |name: &str, transfer: &str| {
        let path = folder.path(name);
        let parameters =
            format!("log-level=error:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc");
        let arguments = [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=128x72:rate=25:duration=2",
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-pix_fmt",
            "yuv420p10le",
            "-tag:v",
            "hvc1",
            "-x265-params",
            &parameters,
            "-y",
            path.to_str().expect("text"),
        ];
        ffmpeg::run(&arguments).expect("ffmpeg encodes it");
    };
    colours("pq.mp4", "smpte2084");
    colours("hlg.mp4", "arib-std-b67");
    colours("sdr.mp4", "bt2020-10");
    let serving = serve(&folder);
    for (name, range, points) in [
        ("pq.mp4", "PQ", &["9", "16", "9"][..]),
        ("hlg.mp4", "HLG", &["9", "18", "9"]),
        ("sdr.mp4", "SDR", &[]),
    ] {
        let streams = Streams::read(&serving, name);
        assert_eq!(streams.multivariant.1.variants[0].1["VIDEO-RANGE"], range);
        let mpd = fetch(&mut serving.connect(), &format!("/v/{name}/manifest.mpd")).body;
        let mpd = manifests::xml(str::from_utf8(&mpd).expect("text"));
        let set = &mpd.all("Period").next().expect("a period").children[0];
        let properties = set.all("SupplementalProperty");
        let found: Vec<_> = properties
            .map(|one| {
                (
                    one.attributes["schemeIdUri"].rsplit(':').next().unwrap(),
                    &one.attributes["value"],
                )
            })
            .collect();
        let names = ["ColourPrimaries", "TransferCharacteristics", "MatrixCoefficients"];
        let expected: Vec<_> = names
            .into_iter()
            .zip(points)
            .map(|(name, value)| (name, (*value).to_owned()))
            .collect();
        let found: Vec<_> = found.into_iter().map(|(name, value)| (name, value.clone())).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn an_unusual_kind_harms_nothing() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let movie = eloquent(&folder, "whole.mp4", &[]);
    let many = full(b"kind", 0, 0, &[b"urn:mpeg:dash:role:2011\0dub\0"]).repeat(1000);
    for (name, kinds) in [
        ("many.mp4", many),
        ("empty.mp4", boxed(b"kind", &[])),
        ("open.mp4", full(b"kind", 0, 0, &[b"urn:mpeg:dash:role:2011"])),
        ("long.mp4", full(b"kind", 0, 0, &[&[b'a'; 5000]])),
        ("markup.mp4", full(b"kind", 0, 0, &[b"\"><x\0&\0"])),
    ] {
        folder.put(name, replaced_in_track(&movie, 2, b"udta", &boxed(b"udta", &[&kinds])));
    }
    let serving = serve(&folder);
    for name in ["many.mp4", "empty.mp4", "open.mp4", "long.mp4", "markup.mp4"] {
        let streams = Streams::read(&serving, name);
        let init = fetch(&mut serving.connect(), &init_of(&streams, "audio-2")).body;
        let kinds = boxes::contents(&init, "moov/trak/udta/kind").len();
        let expected = match name {
            "many.mp4" => 16,
            "empty.mp4" => 0,
            _ => 1,
        };
        assert_eq!(kinds, expected, "{name}");
    }
}
