//! CEA-608 and CEA-708 captions in the video (kind K14).

use std::fs;

use serde_json::Value;

use crate::support::{
    box_patches::{of_kind, patched},
    ffmpeg,
    folder::Folder,
    manifests,
    server::{Serving, serve},
    streams::fetch,
};

/// Triplets of one frame.
type Triplets = &'static [[u8; 3]];

/// `HI !` in CC1, a pair in each frame as encoders write it, then padding.
const HI_IN_CC1: &[Triplets] = &[
    &[[0xfc, 0x94, 0x20]],
    &[[0xfc, 0x94, 0x20]],
    &[[0xfc, 0x94, 0x70]],
    &[[0xfc, 0x94, 0x70]],
    &[[0xfc, 0xc8, 0x49]],
    &[[0xfc, 0x20, 0xa1]],
    &[[0xfc, 0x94, 0x2f]],
    &[[0xfc, 0x94, 0x2f]],
    PADDING,
];
const PADDING: Triplets = &[[0xfc, 0x80, 0x80]];
/// A caption begins in CC1 and in CC3, and service 1 has text.
const IN_BOTH_FIELDS: Triplets = &[
    [0xfc, 0x94, 0x20],
    [0xfd, 0x15, 0x20],
    [0xff, 0x03, 0x22],
    [0xfe, 0x41, 0x42],
    [0xfe, 0x00, 0x00],
];

/// A NAL unit of supplemental information with these triplets.
fn sei(header: &[u8], triplets: Triplets) -> Vec<u8> {
    let count = 0x40 | u8::try_from(triplets.len()).expect("a few");
    let payload = [&b"\xb5\x00\x31GA94\x03"[..], &[count, 0xff], triplets.as_flattened(), &[0xff]];
    let payload = payload.concat();
    let size = u8::try_from(payload.len()).expect("a short payload");
    [&[0, 0, 0, 1], header, &[4, size], &payload[..], &[0x80]].concat()
}

/// A byte stream (ITU-T H.264 annex B) with a unit before each picture: those of the first frames, and then
/// the last one again and again. Each picture is one slice.
fn with_captions(stream: &[u8], is_hevc: bool, frames: &[Triplets]) -> Vec<u8> {
    let starts: Vec<usize> =
        (0..stream.len() - 3).filter(|&at| stream[at..at + 3] == [0, 0, 1]).collect();
    let header: &[u8] = if is_hevc { &[0x4e, 1] } else { &[6] };
    let mut out = Vec::new();
    let mut frame = 0;
    for (place, start) in starts.iter().enumerate() {
        let end = starts.get(place + 1).copied().unwrap_or(stream.len());
        let first = stream[start + 3];
        let is_picture =
            if is_hevc { first >> 1 & 0x3f < 32 } else { matches!(first & 0x1f, 1 | 5) };
        if is_picture && !frames.is_empty() {
            out.extend(sei(header, frames[frame.min(frames.len() - 1)]));
            frame += 1;
        }
        out.push(0);
        out.extend(&stream[*start..end]);
    }
    out
}

/// Puts a title of 8 s with captions into a folder. `then` are ffmpeg's options for the file.
fn put_title(folder: &Folder, name: &str, codec: &str, frames: &[Triplets], then: &[&str]) {
    let (encoder, parameters, format) = match codec {
        "hevc" => ("libx265", "-x265-params", "hevc"),
        _ => ("libx264", "-x264-params", "h264"),
    };
    let settings = "keyint=50:min-keyint=50:scenecut=0:bframes=0:slices=1";
    let source = "testsrc2=size=128x72:rate=25:duration=8";
    let stream = ffmpeg::run(&[
        "-f",
        "lavfi",
        "-i",
        source,
        "-c:v",
        encoder,
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p",
        parameters,
        settings,
        "-threads",
        "1",
        "-f",
        format,
        "-",
    ]);
    let stream = with_captions(&stream.expect("a stream"), codec == "hevc", frames);
    let raw = folder.put(format!("{name}.raw"), stream);
    let (raw_name, title) = (raw.to_str().expect("text"), folder.path(name));
    let arguments = [
        &["-r", "25", "-f", format, "-i", raw_name, "-c", "copy"],
        then,
        &[title.to_str().expect("text")],
    ];
    ffmpeg::run(&arguments.concat()).expect("a title");
    fs::remove_file(raw).expect("a file");
}

/// The INSTREAM-IDs, the CLOSED-CAPTIONS of each variant, and the accessibility descriptors of the video.
type Announced = (Vec<String>, Vec<Option<String>>, Vec<(String, String)>);

/// What the manifests say.
fn announced(serving: &Serving, title: &str) -> Announced {
    let client = &mut serving.connect();
    let url = format!("/v/{title}/index.m3u8");
    let playlist = manifests::multivariant(&url, &fetch(client, &url).body);
    let captions = playlist.renditions.iter().filter(|media| media["TYPE"] == "CLOSED-CAPTIONS");
    let channels = captions.map(|media| {
        assert_eq!((media["GROUP-ID"].as_str(), media.get("URI")), ("captions", None));
        media["INSTREAM-ID"].clone()
    });
    let channels = channels.collect();
    let variants =
        playlist.variants.iter().map(|(_, variant)| variant.get("CLOSED-CAPTIONS").cloned());
    let mpd = fetch(client, &format!("/v/{title}/manifest.mpd")).body;
    let mpd = manifests::xml(str::from_utf8(&mpd).expect("UTF-8"));
    let sets = mpd.all("Period").flat_map(|period| period.all("AdaptationSet"));
    let video = sets.filter(|set| set.attributes["contentType"] == "video");
    let descriptors = video.flat_map(|set| set.all("Accessibility").collect::<Vec<_>>());
    let descriptors = descriptors
        .map(|it| (it.attributes["schemeIdUri"].clone(), it.attributes["value"].clone()));
    (channels, variants.collect(), descriptors.collect())
}

fn inspected(serving: &Serving, title: &str) -> Value {
    let response = serving.get(&format!("/v/{title}/inspect"), &[]);
    serde_json::from_slice(&response.body).expect("a report")
}

fn caption_sentences(report: &Value) -> Vec<&str> {
    let problems = report["problems"].as_array().expect("problems").iter();
    let sentences = problems.map(|problem| problem["sentence"].as_str().expect("a sentence"));
    sentences.filter(|sentence| sentence.contains("captions")).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const CEA_608: &str = "urn:scte:dash:cc:cea-608:2015";
const CEA_708: &str = "urn:scte:dash:cc:cea-708:2015";

#[test]
fn captions_in_h264_and_hevc_are_announced_in_files_and_fragments() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let fragments = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    put_title(&folder, "avc.mp4", "h264", HI_IN_CC1, &[]);
    put_title(&folder, "hevc.mp4", "hevc", HI_IN_CC1, &["-tag:v", "hvc1"]);
    put_title(&folder, "fragments.mp4", "h264", HI_IN_CC1, &fragments);
    put_title(&folder, "both.mp4", "h264", &[IN_BOTH_FIELDS], &[]);
    let serving = serve(&folder);
    let cc1 = vec![(CEA_608.to_owned(), "CC1=und".to_owned())];
    for title in ["avc.mp4", "hevc.mp4", "fragments.mp4"] {
        let expected = (owned(&["CC1"]), vec![Some("captions".to_owned())], cc1.clone());
        assert_eq!(announced(&serving, title), expected, "{title}");
        let report = inspected(&serving, title);
        assert_eq!(report["tracks"][0]["video"]["captions"], serde_json::json!(["CC1"]));
        assert_eq!(caption_sentences(&report), ["The video carries closed captions: CC1."]);
    }
    let (channels, _, descriptors) = announced(&serving, "both.mp4");
    assert_eq!(channels, owned(&["CC1", "CC3", "SERVICE1"]));
    let services = (CEA_708.to_owned(), "1=lang:und".to_owned());
    assert_eq!(descriptors, [(CEA_608.to_owned(), "CC1=und;CC3=und".to_owned()), services]);
    // ffmpeg finds the same in the file, and in what is sent.
    for source in [
        folder.path("avc.mp4").to_str().expect("text").to_owned(),
        format!(
            "http\\\\://{}/v/avc.mp4/play.mp4",
            serving.address.to_string().replace(':', "\\\\:")
        ),
    ] {
        let graph = format!("movie={source}[out0+subcc]");
        let read = ffmpeg::run(&["-f", "lavfi", "-i", &graph, "-map", "s", "-f", "srt", "-"]);
        let read = String::from_utf8(read.expect("ffmpeg reads captions")).expect("UTF-8");
        assert!(read.contains("HI !"), "{source}: {read}");
    }
}

#[test]
fn the_attribute_is_none_only_where_no_caption_data_was_found() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    put_title(&folder, "padding.mp4", "h264", &[PADDING], &[]);
    put_title(&folder, "none.mp4", "h264", &[], &[]);
    let serving = serve(&folder);
    assert_eq!(announced(&serving, "padding.mp4"), (vec![], vec![None], vec![]));
    let report = inspected(&serving, "padding.mp4");
    assert_eq!(
        caption_sentences(&report),
        ["The video has room for closed captions, but its first two segments have none."]
    );
    assert_eq!(announced(&serving, "none.mp4"), (vec![], vec![Some("NONE".to_owned())], vec![]));
    assert!(caption_sentences(&inspected(&serving, "none.mp4")).is_empty());
}

#[test]
fn captions_of_a_track_of_their_own_leave_the_attribute_out() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    put_title(&folder, "plain.mp4", "h264", &[], &[]);
    let text = folder.put("text.srt", "1\n00:00:01,000 --> 00:00:02,000\na\n");
    let (plain, title) = (folder.path("plain.mp4"), folder.path("own.mp4"));
    let [plain, text_name, name] = [&plain, &text, &title].map(|path| path.to_str().expect("text"));
    ffmpeg::run(&["-i", plain, "-i", text_name, "-c", "copy", "-c:s", "mov_text", name])
        .expect("a title");
    fs::remove_file(text).expect("a file");
    // The text track becomes one of captions: its handler, and its sample entry.
    let file = fs::read(&title).expect("a title");
    let handlers = of_kind(&file, b"hdlr");
    let subtitles = handlers
        .iter()
        .find(|hdlr| [&b"sbtl"[..], b"text"].contains(&&file[hdlr.start + 16..hdlr.start + 20]));
    let at = subtitles.expect("a text track").start + 16;
    let entry = file.windows(4).position(|kind| kind == b"tx3g").expect("an entry");
    fs::write(&title, patched(&patched(&file, at, b"clcp"), entry, b"c608")).expect("a title");
    let serving = serve(&folder);
    assert_eq!(announced(&serving, "own.mp4"), (vec![], vec![None], vec![]));
    let report = inspected(&serving, "own.mp4");
    let sentences = caption_sentences(&report);
    let expected =
        "HLS and DASH do not contain the track: closed captions must be converted to WebVTT";
    assert!(matches!(&sentences[..], [only] if only.starts_with(expected)), "{sentences:?}");
}
