//! Media in another file, compressed headers (kind K15).

use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};

use crate::support::{
    box_patches::{of_kind, replaced},
    ffmpeg,
    folder::Folder,
    movies::{boxed, full, words},
    program::Program,
    views::{Title, clip, frames},
    wait::until,
};

const SENTENCE: &str = "media data is in another file";

/// The clip with this data reference in all tracks.
fn with_reference(reference: &[u8]) -> Vec<u8> {
    let mut file = clip("b-frames.mp4");
    let dref = full(b"dref", 0, 0, &[&words([1]), reference]);
    for number in 0..2 {
        let place = of_kind(&file, b"dref").remove(number);
        file = replaced(&file, place.start..place.end, &dref);
    }
    file
}

#[test]
fn a_reference_movie_is_refused_with_its_reason() {
    if !ffmpeg::is_installed() {
        return;
    }
    let alias = [&[0, 0, 0, 0, 0, 150][..], &[1; 144]].concat();
    for (name, reference) in [
        ("url.mov", full(b"url ", 0, 0, &[b"file:///other.mov\0"])),
        ("urn.mov", full(b"urn ", 0, 0, &[b"urn:other\0"])),
        ("alias.mov", full(b"alis", 0, 0, &[&alias])),
    ] {
        let title = Title::new(name, &with_reference(&reference));
        for view in ["index.m3u8", "manifest.mpd"] {
            let response = title.serving.get(&format!("/v/{name}/{view}"), &[]);
            let problem = String::from_utf8(response.body).expect("text");
            assert_eq!(response.status, 422, "{name}, {view}: {problem}");
            assert!(problem.contains(SENTENCE), "{name}: {problem}");
        }
        assert!(title.report()["left_out"].to_string().contains(SENTENCE), "{name}");
    }
}

#[test]
fn a_reference_to_the_file_itself_is_none_to_another() {
    if !ffmpeg::is_installed() {
        return;
    }
    for (name, reference) in [
        ("flag.mp4", full(b"url ", 0, 1, &[])),
        ("empty.mp4", full(b"url ", 0, 0, &[])),
        ("empty-string.mp4", full(b"url ", 0, 0, &[&[0]])),
        ("flag-alias.mp4", full(b"alis", 0, 1, &[&[1; 20]])),
    ] {
        let title = Title::new(name, &with_reference(&reference));
        assert!(!title.report().to_string().contains(SENTENCE), "{name}");
        assert_eq!(title.streams().playlists.len(), 2, "{name}");
    }
}

/// The clip with a compressed index.
fn compressed() -> Vec<u8> {
    let original = clip("b-frames.mp4");
    let moov = of_kind(&original, b"moov").remove(0);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&original[moov.start..moov.end]).expect("memory");
    let inflated = u32::try_from(moov.end - moov.start).expect("short");
    let data = encoder.finish().expect("memory");
    let cmov = [boxed(b"dcom", &[b"zlib"]), boxed(b"cmvd", &[&words([inflated]), &data])].concat();
    let index = boxed(b"moov", &[&boxed(b"cmov", &[&cmov])]);
    [&original[..moov.start], &index].concat()
}

#[test]
fn a_compressed_index_is_named() {
    if ffmpeg::is_installed() {
        let title = Title::new("compressed.mov", &compressed());
        assert!(title.says("The index (moov) is compressed (cmov)"));
        assert!(!Title::new("plain.mp4", &clip("b-frames.mp4")).says("compressed"));
    }
}

#[test]
fn a_movie_with_a_compressed_index_plays_after_a_remux() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    folder.put("compressed.mov", compressed());
    let program = Program::serve(&[folder.path("")], &[]);
    until("the index is inflated", || {
        program.get("/v/compressed.mov/index.m3u8", &[]).status == 200
    });
    let shown = frames(&format!("http://{}/v/compressed.mov/index.m3u8", program.address));
    let original = Title::new("plain.mp4", &clip("b-frames.mp4"));
    assert_eq!(shown, frames(&original.path()));
}

#[test]
fn boxes_without_a_type_before_the_movie_are_skipped() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("b-frames.mp4");
    let moov = of_kind(&original, b"moov").remove(0);
    // The media keep their place: the box takes that of `ftyp` and `free`.
    let mdat = of_kind(&original, b"mdat").remove(0);
    let before =
        [boxed(&[0; 4], &[&vec![0; mdat.start - 8]]), original[mdat.start..moov.end].to_vec()];
    let title = Title::new("zeros.mp4", &before.concat());
    assert_eq!(title.streams().playlists.len(), 2);
    let original = Title::new("plain.mp4", &original);
    title.every_view_shows(&frames(&original.path()));
    let empty = Title::new("nothing.mp4", &[0; 4096]);
    assert_eq!(empty.serving.get("/v/nothing.mp4/index.m3u8", &[]).status, 422);
}
