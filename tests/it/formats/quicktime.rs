//! QuickTime movies: their play.mp4 is an MP4, without the boxes that only QuickTime has.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::support::{
    box_fields,
    box_patches::{self, locate_boxes},
    boxes, ffmpeg,
    folder::Folder,
    movies::{boxed, full},
    server::serve,
    streams::fetch,
};

/// H.264 and AAC as QuickTime has them, with a track of timecodes.
fn record(folder: &Folder, name: &str, more: &[&str]) -> Vec<u8> {
    let path = folder.path(name);
    let sources = [
        "-f lavfi -i testsrc2=size=128x72:rate=25:duration=4",
        "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=4",
        "-c:v libx264 -preset ultrafast -g 25 -bf 2 -color_primaries bt709 -color_trc bt709",
        "-colorspace bt709 -c:a aac -timecode 01:00:00:00 -movflags +write_colr",
    ];
    let mut arguments: Vec<&str> =
        sources.iter().flat_map(|several| several.split_whitespace()).collect();
    arguments.extend(more);
    arguments.extend(["-y", path.to_str().expect("text")]);
    ffmpeg::run(&arguments).expect("ffmpeg encodes it");
    fs::read(path).expect("a movie")
}

/// What changes on the way from QuickTime to MP4.
const MAY_DIFFER: [&str; 9] = [
    // Component type and manufacturer: QuickTime's.
    "hdlr/pre_defined",
    "hdlr/reserved",
    // The handler of the data: always the file.
    "minf/hdlr",
    // Version 1 of a sound description with `wave`; vendor and quality of an image description.
    "stsd/entry",
    "stsd/ES_ID",
    // The header of a timecode.
    "gmhd",
    "nmhd",
    // A Macintosh code, or QuickTime's code for none.
    "mdhd/language",
    // Offsets of the same chunks.
    "stco",
];

#[test]
fn play_mp4_of_a_quicktime_movie_is_an_mp4_with_the_same_samples() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    record(&folder, "end.mov", &[]);
    record(&folder, "front.mov", &["-movflags", "+faststart+write_colr"]);
    let serving = serve(&folder);
    for name in ["end.mov", "front.mov"] {
        let source = fs::read(folder.path(name)).expect("a movie");
        assert!(boxes::contents(&source, "ftyp")[0].starts_with(b"qt  "), "{name}");
        let url = format!("/v/{name}/play.mp4");
        let movie = fetch(&mut serving.connect(), &url).body;
        assert!(boxes::contents(&movie, "ftyp")[0].starts_with(b"isom"), "{name}");
        let kinds: BTreeSet<_> = locate_boxes(&movie).into_iter().map(|found| found.path).collect();
        for gone in ["moov/trak/mdia/minf/hdlr", "moov/trak/mdia/minf/gmhd"] {
            assert!(!kinds.contains(gone), "{name}: {gone}");
        }
        let (before, after) = (box_fields::of_tracks(&source), box_fields::of_tracks(&movie));
        assert_eq!((before.len(), after.len()), (3, 3), "{name}");
        for (before, after) in before.iter().zip(&after) {
            let fields = before.keys().chain(after.keys());
            let changed: BTreeSet<_> =
                fields.filter(|field| before.get(*field) != after.get(*field)).collect();
            let is_known =
                |field: &&&String| MAY_DIFFER.iter().any(|known| field.starts_with(*known));
            let unknown: Vec<_> = changed.iter().filter(|field| !is_known(field)).collect();
            assert!(unknown.is_empty(), "{name}: {unknown:?}");
            assert_eq!(after["hdlr/pre_defined"], "0");
            let entry = &after["stsd/entry"];
            // `wave`, `nclc`, and FFMP, the vendor.
            for gone in ["77617665", "6e636c63", "46464d50"] {
                assert!(!entry.contains(gone), "{name}: {entry}");
            }
        }
        let path = folder.path(name);
        let source = ffmpeg::tracks(path.to_str().expect("text")).expect("a movie");
        let played = ffmpeg::tracks(&format!("http://{}{url}", serving.address)).expect("a movie");
        assert_eq!(source.len(), played.len(), "{name}");
        for (source, played) in source.iter().zip(&played) {
            assert_eq!(source.packets, played.packets, "{name}");
            assert_eq!(source.base, played.base, "{name}");
        }
    }
}

#[test]
fn a_quicktime_movie_whose_codecs_only_quicktime_has_stays_one() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    record(&folder, "pcm.mov", &["-c:a", "pcm_s24le"]);
    record(&folder, "aac.mov", &[]);
    record(&folder, "aac.mp4", &[]);
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let mut sentence = |name: &str| {
        let report = fetch(client, &format!("/v/{name}/inspect")).body;
        let report: Value = serde_json::from_slice(&report).expect("JSON");
        report["repairs"].to_string().contains("the QuickTime movie becomes an MP4 in play.mp4")
    };
    assert_eq!(["pcm.mov", "aac.mov", "aac.mp4"].map(&mut sentence), [false, true, false]);
    let movie = fetch(client, "/v/pcm.mov/play.mp4").body;
    assert!(boxes::contents(&movie, "ftyp")[0].starts_with(b"qt  "));
    assert!(!boxes::all(&movie, "moov/trak/mdia/minf/hdlr").is_empty());
}

/// Replaces the first box at a path, and what is in it.
fn replaced(movie: &[u8], path: &str, with: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let found = locate_boxes(movie);
    let place = found.iter().find(|place| place.path == path).expect("a box at this path");
    let range = place.start..place.end;
    box_patches::replaced(movie, range.clone(), &with(&movie[range]))
}

#[test]
fn boxes_of_older_quicktime_are_converted_or_left_out() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let mut movie = record(&folder, "new.mov", &["-metadata", "title=A title"]);
    let header = "moov/trak/tkhd";
    movie = replaced(&movie, header, |tkhd| {
        [boxed(b"tapt", &[&[0; 20]]), tkhd.to_vec(), boxed(b"load", &[&[0; 16]])].concat()
    });
    movie = replaced(&movie, "moov/trak/mdia/minf/dinf/dref", |_| {
        let alias = full(b"alis", 0, 1, &[]);
        full(b"dref", 0, 0, &[&[0, 0, 0, 1], &alias])
    });
    // Japanese, as a Macintosh code.
    movie = replaced(&movie, "moov/trak/mdia/mdhd", |mdhd| {
        let mut mdhd = mdhd.to_vec();
        mdhd[28..30].copy_from_slice(&[0, 11]);
        mdhd
    });
    // Metadata that is no full box, and the end of a list.
    let hdlr = full(b"hdlr", 0, 0, &[&[0; 4], b"mdta", &[0; 14]]);
    movie = replaced(&movie, "moov/udta", |udta| {
        let size = u32::try_from(udta.len() + 4).expect("short").to_be_bytes();
        let terminated = [&size, &udta[4..], &[0; 4]].concat();
        [terminated, boxed(b"meta", &[&hdlr, &boxed(b"keys", &[&[0; 8]])])].concat()
    });
    folder.put("old.mov", &movie);
    let serving = serve(&folder);
    let played = fetch(&mut serving.connect(), "/v/old.mov/play.mp4").body;
    // The list ends where its box ends, and all boxes fill theirs.
    let found = locate_boxes(&played);
    let paths: Vec<_> = found.iter().map(|found| found.path.as_str()).collect();
    for gone in ["moov/trak/tapt", "moov/trak/load"] {
        assert!(!paths.contains(&gone), "{gone}");
    }
    assert!(paths.iter().any(|path| path.starts_with("moov/udta/")), "{paths:?}");
    let references = boxes::contents(&played, "moov/trak/mdia/minf/dinf/dref");
    assert_eq!(references[0], b"\0\0\0\0\0\0\0\x01\0\0\0\x0curl \0\0\0\x01");
    let [metadata] = boxes::contents(&played, "moov/meta")[..] else { panic!("metadata") };
    assert_eq!(metadata[..4], [0; 4], "a full box");
    assert_eq!(metadata[4..4 + hdlr.len()], hdlr);
    let language = box_fields::of_tracks(&played)[0]["mdhd/language"].parse::<u16>();
    assert!(language.expect("a number") >= 0x400, "three letters");
    let path = folder.path("old.mov");
    let source = ffmpeg::tracks(path.to_str().expect("text")).expect("a movie");
    let url = format!("http://{}/v/old.mov/play.mp4", serving.address);
    let played = ffmpeg::tracks(&url).expect("a movie");
    for (source, played) in source.iter().zip(&played) {
        assert_eq!(source.packets, played.packets);
    }
}
