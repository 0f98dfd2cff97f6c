//! Encrypted files: segments have everything a decryptor needs, and a client with the key sees the
//! source.
//!
//! ffmpeg makes the encrypted clips. It cannot write encrypted fragments: for those the tests join
//! our own segments and serve them again.

use std::{fs, num::NonZeroU32, path::Path, sync::Arc};

use headwater::{
    extent::{Extents, Source},
    movie::Movie,
    package::{cmaf, title},
};
use serde_json::Value;

use crate::support::{
    boxes::{self, number},
    clips,
    ffmpeg::{self, run},
    folder::Folder,
    manifests::{self, Element, Playlist},
    server::{Serving, serve},
    sources::{ReadMode, TestSource},
    streams::{Streams, fetch},
};

const KEY: &str = "00112233445566778899aabbccddeeff";
const KEY_ID: &str = "0123456789abcdef0123456789abcdef";

/// Encrypts a clip, moov at the end.
fn encrypt(clip: &str, into: &Path) {
    let (from, into) = (clips::named(clip).path().to_str().unwrap(), into.to_str().unwrap());
    let how = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY];
    let how = [&how[..], &["-encryption_kid", KEY_ID]].concat();
    let copy = ["-i", from, "-map", "0", "-c", "copy"];
    run(&[&copy[..], &how, &["-y", into]].concat()).expect("an encrypted clip");
}

/// A server of an encrypted clip, `tables.mp4`, and the clear clip.
fn encrypted() -> (Folder, Serving, &'static Path) {
    let folder = Folder::new();
    let serving = serve(&folder);
    let clip = "b-frames.mp4";
    encrypt(clip, &folder.path("tables.mp4"));
    (folder, serving, clips::named(clip).path())
}

/// The digests of all frames of one track, by its `-map`, as a client with the key sees them. A key
/// does not affect clear tracks.
fn frames(input: &[&str], track: &str) -> Vec<String> {
    let how = ["-map", track, "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let text = run(&[&["-decryption_key", KEY, "-xerror"], input, &how].concat());
    let text = String::from_utf8(text.expect("it is decrypted")).expect("text");
    let frames = text.lines().filter(|line| !line.starts_with('#'));
    frames.map(|line| line.rsplit(',').next().expect("a digest").trim().to_owned()).collect()
}

/// Checks that the frames of a served file are those of a clear clip.
///
/// Read from front to back: when ffmpeg 5.1 can seek, it confuses the entries of two fragments. It
/// then misses an edit list that hides the first audio frame.
fn has_the_frames_of(clear: &Path, serving: &Serving, name: &str, track: &str) {
    let url = format!("http://{}/media/{name}", serving.address);
    let ours = frames(&["-seekable", "0", "-i", &url], track);
    let theirs = frames(&["-i", clear.to_str().unwrap()], track);
    let hidden = ours.len().checked_sub(theirs.len()).expect("as many at least");
    assert!(!theirs.is_empty() && hidden <= usize::from(track == "0:a:0"), "{name}: {hidden} more");
    assert_eq!(ours[hidden..], theirs, "{name}");
}

/// A whole track: its init segment and all its segments.
fn join(serving: &Serving, playlist: &Playlist) -> Vec<u8> {
    let client = &mut serving.connect();
    let segments = playlist.segments.iter().map(|segment| &segment.url);
    let urls = std::iter::once(&playlist.init).chain(segments);
    urls.flat_map(|url| fetch(client, url).body).collect()
}

/// Puts every track of a title into the folder as a fragmented file, and compares its frames with
/// those of the clear clip. Returns the names.
fn all_tracks_play(serving: &Serving, folder: &Folder, title: &str, clear: &Path) -> Vec<String> {
    let streams = Streams::read(serving, title);
    let mut names = Vec::new();
    for (url, playlist) in &streams.playlists {
        let track = if url.contains("/video-") { "0:v:0" } else { "0:a:0" };
        let name = format!("{}-{}.mp4", title.trim_end_matches(".mp4"), &track[2..3]);
        folder.put(&name, join(serving, playlist));
        has_the_frames_of(clear, serving, &name, track);
        names.push(name);
    }
    names
}

/// The entries of all `senc` boxes below these, and the number of their samples.
fn entries(bytes: &[u8], path: &str) -> (u32, Vec<u8>) {
    let mut all = (0, Vec::new());
    for senc in boxes::contents(bytes, path) {
        all.0 += number(&senc[4..]);
        all.1.extend_from_slice(&senc[8..]);
    }
    all
}

/// Checks that in each fragment `saio` points to the first entry, and `saiz` covers all of them.
fn offsets_lead_to_entries(segment: &[u8]) {
    let moof = boxes::all(segment, "moof").remove(0).whole.start;
    let senc = boxes::all(segment, "moof/traf/senc").remove(0).content;
    let saio = boxes::contents(segment, "moof/traf/saio").remove(0);
    let saiz = boxes::contents(segment, "moof/traf/saiz").remove(0);
    assert_eq!((number(&saio[4..]), moof + number(&saio[8..]) as usize), (1, senc.start + 8));
    let (count, sizes) = (number(&saiz[5..]), &saiz[9..]);
    assert_eq!(count, number(&segment[senc.start + 4..]));
    assert_eq!(count as usize, sizes.len());
    let total: usize = sizes.iter().map(|&size| usize::from(size)).sum();
    assert_eq!(senc.start + 8 + total, senc.end);
}

#[test]
fn a_client_with_the_key_sees_the_source_in_segments_of_any_encrypted_file() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (folder, serving, clear) = encrypted();
    let fragmented = all_tracks_play(&serving, &folder, "tables.mp4", clear);
    assert_eq!(fragmented, ["tables-v.mp4", "tables-a.mp4"]);
    // Fragments with `senc`; and fragments without, where only offsets locate the entries.
    for name in fragmented {
        let bytes = fs::read(folder.path(&name)).expect("it was put there");
        all_tracks_play(&serving, &folder, &name, clear);
        let mut without = bytes.clone();
        for senc in boxes::all(&bytes, "moof/traf/senc") {
            without[senc.whole.start + 4..][..4].copy_from_slice(b"free");
        }
        let other = format!("without-{name}");
        folder.put(&other, without);
        all_tracks_play(&serving, &folder, &other, clear);
        let first_track = |title: &str| {
            let streams = Streams::read(&serving, title);
            join(&serving, &streams.playlists[0].1)
        };
        let segments = first_track(&name);
        assert!(first_track(&other) == segments, "both ways lead to the same");
        // Without video beside it, audio is cut elsewhere.
        let senc = "moof/traf/senc";
        assert!(
            entries(&segments, senc) == entries(&bytes, senc),
            "packaging a package again changes nothing"
        );
    }
}

#[test]
fn a_virtual_mp4_of_an_encrypted_file_has_right_offsets_and_a_fragmented_source_is_refused() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (folder, serving, clear) = encrypted();
    let source = fs::read(folder.path("tables.mp4")).expect("a clip");
    let play = fetch(&mut serving.connect(), "/v/tables.mp4/play.mp4").body;
    let place = |bytes: &[u8], kind| boxes::all(bytes, kind).remove(0).whole.start;
    assert!(place(&source, "moov") > place(&source, "mdat"), "it has to move");
    assert!(place(&play, "moov") < place(&play, "mdat"));
    let below = |name: &str| format!("moov/trak/mdia/minf/stbl/{name}");
    let saios = boxes::contents(&play, &below("saio"));
    let sencs = boxes::all(&play, &below("senc"));
    assert_eq!((saios.len(), sencs.len()), (2, 2));
    for (saio, senc) in saios.into_iter().zip(sencs) {
        assert_eq!((number(&saio[4..]), number(&saio[8..]) as usize), (1, senc.content.start + 8));
    }
    folder.put("played.mp4", &play);
    for track in ["0:v:0", "0:a:0"] {
        has_the_frames_of(clear, &serving, "played.mp4", track);
    }
    // Its samples are indexed at their new place.
    assert_eq!(
        entries_of_segments(&serving, "played.mp4"),
        entries_of_segments(&serving, "tables.mp4")
    );

    all_tracks_play(&serving, &folder, "tables.mp4", clear);
    for target in ["/v/tables-v.mp4/play.mp4", "/v/tables.mp4/play.mp4?start=1"] {
        let refused = serving.get(target, &[]);
        let problem: Value = serde_json::from_slice(&refused.body).expect("a problem document");
        assert_eq!(refused.status, 422);
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains("is encrypted"), "{detail}");
    }
}

/// The entries of all segments of a title's first track.
fn entries_of_segments(serving: &Serving, title: &str) -> (u32, Vec<u8>) {
    let streams = Streams::read(serving, title);
    entries(&join(serving, &streams.playlists[0].1), "moof/traf/senc")
}

#[test]
fn a_file_without_decryption_data_is_refused_with_a_reason() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let serving = serve(&folder);
    encrypt("no-b-frames.mp4", &folder.path("tables.mp4"));
    let source = fs::read(folder.path("tables.mp4")).expect("a clip");
    let renamed = |from: &str, to: [u8; 4]| {
        let mut bytes = source.clone();
        for found in boxes::all(&source, &format!("moov/trak/mdia/minf/stbl/{from}")) {
            bytes[found.whole.start + 4..][..4].copy_from_slice(&to);
        }
        bytes
    };
    let detail = |title: &str| {
        let refused = serving.get(&format!("/v/{title}/index.m3u8"), &[]);
        assert_eq!(refused.status, 422);
        let problem: Value = serde_json::from_slice(&refused.body).expect("a problem document");
        problem["detail"].as_str().expect("a detail").to_owned()
    };
    folder.put("missing.mp4", renamed("saiz", *b"free"));
    assert!(detail("missing.mp4").contains("without per-sample information"));
    let mut rotating = source.clone();
    for group in boxes::all(&source, "moov/trak/mdia/minf/stbl/sgpd") {
        rotating[group.content.start + 4..][..4].copy_from_slice(b"seig");
    }
    folder.put("rotating.mp4", rotating);
    // Only the audio has sample groups: the video is offered.
    let streams = Streams::read(&serving, "rotating.mp4");
    assert!(streams.playlists.iter().all(|(url, _)| url.contains("/video-")));
    let mut other = source.clone();
    let scheme = other.windows(4).position(|bytes| bytes == b"schm").expect("a scheme") + 8;
    other[scheme..scheme + 4].copy_from_slice(b"piff");
    folder.put("other.mp4", other);
    let streams = Streams::read(&serving, "other.mp4");
    assert!(streams.playlists.iter().all(|(url, _)| url.contains("/audio-")));
}

fn sets(mpd: &Element) -> Vec<&Element> {
    mpd.all("Period").flat_map(|period| period.all("AdaptationSet")).collect()
}

/// A real file of another packager, with headers of two DRM systems.
#[test]
fn a_real_cbcs_file_is_offered_with_its_entries_and_the_headers_of_its_drm_systems() {
    let Some(folder) = clips::real_files() else {
        return;
    };
    let source = fs::read(folder.join("mp4ff__mp4_testdata_cbcs.mp4")).expect("a file");
    let own = Folder::new();
    own.put("cbcs.mp4", &source);
    let serving = serve(&own);
    let streams = Streams::read(&serving, "cbcs.mp4");
    let [(url, playlist)] = &streams.playlists[..] else { panic!("one track") };
    let joined = join(&serving, playlist);
    let theirs = entries(&source, "moof/traf/senc");
    assert!(theirs.0 > 100);
    assert_eq!(entries(&joined, "moof/traf/senc"), theirs);
    let entry = |bytes: &[u8]| {
        bytes[boxes::all(bytes, "moov/trak/mdia/minf/stbl/stsd")[0].content.clone()].to_vec()
    };
    assert_eq!(entry(&joined), entry(&source));
    assert_eq!(boxes::contents(&joined, "moov/pssh"), boxes::contents(&source, "moov/pssh"));

    let client = &mut serving.connect();
    for (place, segment) in playlist.segments.iter().enumerate() {
        let bytes = fetch(client, &segment.url).body;
        offsets_lead_to_entries(&bytes);
        let iframe =
            segment.url.replace(&format!("/{}.m4s", place + 1), &format!("/i-{}.m4s", place + 1));
        let iframe = fetch(client, &iframe).body;
        offsets_lead_to_entries(&iframe);
        let (count, alone) = entries(&iframe, "moof/traf/senc");
        assert_eq!(count, 1);
        assert!(entries(&bytes, "moof/traf/senc").1.starts_with(&alone));
    }

    let text = String::from_utf8(fetch(client, url).body).expect("text");
    let keys: Vec<_> = text.lines().filter(|line| line.starts_with("#EXT-X-KEY:")).collect();
    assert_eq!(keys.len(), 2, "PlayReady and Widevine");
    let of_cbcs = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:text/plain;";
    assert!(keys.iter().all(|key| key.starts_with(of_cbcs)), "{text}");
    let text = String::from_utf8(fetch(client, &streams.multivariant.0).body).expect("text");
    assert_eq!(text.matches("#EXT-X-SESSION-KEY:").count(), 2);
    let text = String::from_utf8(fetch(client, &streams.description.0).body).expect("text");
    let mpd = manifests::xml(&text);
    let [set] = sets(&mpd)[..] else { panic!("one set") };
    let protections: Vec<_> = set.all("ContentProtection").collect();
    let schemes: Vec<_> = protections
        .iter()
        .map(|protection| protection.attributes["schemeIdUri"].as_str())
        .collect();
    let expected = [
        "urn:mpeg:dash:mp4protection:2011",
        "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95",
        "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
    ];
    assert_eq!(schemes, expected);
    assert_eq!(protections[0].attributes["value"], "cbcs");
    let key_id = "00000000-0000-0000-0000-000000000000";
    assert_eq!(protections[0].attributes["cenc:default_KID"], key_id);
    let header = protections[2].all("cenc:pssh").next().expect("a header");
    assert!(header.text.starts_with("AAAAOHBzc2g"), "{}", header.text);
}

/// Builds everything that a broken file offers. Nothing may panic, and every length is as promised.
fn is_harmless(bytes: &[u8]) {
    // The samples themselves are not read.
    let source: Arc<dyn Source> = TestSource::new(bytes.len() as u64, ReadMode::AtOnce);
    let grid_ms = NonZeroU32::new(2000).expect("not zero");
    let Ok(Ok(movie)) = Movie::read(bytes, grid_ms) else { return };
    for offered in title::offered(&movie) {
        let track = &movie.tracks[offered.place];
        for number in 0..track.index.segments.len() {
            let segment = cmaf::segment(track, number, &source, bytes);
            let len = |extents: Option<Extents>| extents.map(|extents| extents.len());
            if let Ok(segment) = segment {
                assert_eq!(len(segment), cmaf::segment_len(track, number));
            }
            if let Ok(iframe) = cmaf::iframe(track, number, &source, bytes) {
                assert_eq!(len(iframe), cmaf::iframe_len(track, number));
            }
        }
    }
}

#[test]
fn broken_auxiliary_information_causes_no_panic() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let serving = serve(&folder);
    let path = folder.path("tables.mp4");
    encrypt("no-b-frames.mp4", &path);
    let tables = fs::read(path).expect("a clip");
    let fragments = join(&serving, &Streams::read(&serving, "tables.mp4").playlists[0].1);
    let in_tables =
        ["stsd", "senc", "saiz", "saio"].map(|name| format!("moov/trak/mdia/minf/stbl/{name}"));
    let in_fragments = ["senc", "saiz", "saio", "trun"].map(|name| format!("moof/traf/{name}"));
    for (bytes, paths) in [(tables, in_tables), (fragments, in_fragments)] {
        is_harmless(&bytes);
        let found: Vec<_> = paths.iter().flat_map(|path| boxes::all(&bytes, path)).collect();
        let mut places = Vec::new();
        for found in found {
            // The head of a box matters most.
            places.extend(found.whole.start..found.whole.end.min(found.whole.start + 40));
        }
        for (round, &place) in places.iter().enumerate() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut broken = bytes.clone();
                broken[place] = value;
                // A second one, further on.
                broken[places[(round * 7 + 13) % places.len()]] ^= value;
                is_harmless(&broken);
            }
        }
    }
}
