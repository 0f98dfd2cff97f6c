//! Visual sample entries: the configuration, the colour, the shape of pixels.

use super::{
    entries::{boxed, esds, full_box},
    tracks::TrackEntry,
    video_settings::{Colour, Mastering},
};

/// The configurations of Dolby Vision that a block addition mapping can have, by its type.
const DOLBY_VISION: [[u8; 4]; 3] = [*b"dvcC", *b"dvvC", *b"dvwC"];

pub(super) fn build(track: &TrackEntry, first_frame: &[u8]) -> Result<Vec<u8>, String> {
    let configuration = &track.configuration[..];
    let missing = || "its codec configuration is missing".to_owned();
    let (kind, config) = match track.codec.as_str() {
        "V_MPEG4/ISO/AVC" => {
            let sets = configuration.get(5).ok_or_else(missing)? & 0x1F;
            (if sets > 0 { b"avc1" } else { b"avc3" }, boxed(b"avcC", configuration))
        }
        "V_MPEGH/ISO/HEVC" => {
            let arrays = configuration.get(22).ok_or_else(missing)?;
            (if *arrays > 0 { b"hvc1" } else { b"hev1" }, boxed(b"hvcC", configuration))
        }
        "V_AV1" if configuration.len() < 4 => return Err(missing()),
        "V_AV1" => (b"av01", boxed(b"av1C", configuration)),
        "V_VP9" => (b"vp09", full_version_1(b"vpcC", &vp9(track, first_frame))),
        "V_VP8" => (b"vp08", full_version_1(b"vpcC", &[0, 0, 0x82, 2, 2, 2, 0, 0])),
        "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/AP" => {
            (b"mp4v", full_box(b"esds", &esds(0x20, 4, configuration)))
        }
        "V_MPEG2" => (b"mp4v", full_box(b"esds", &esds(0x61, 4, &[]))),
        "V_MPEG1" => (b"mp4v", full_box(b"esds", &esds(0x6A, 4, &[]))),
        "V_MJPEG" => (b"mjpg", Vec::new()),
        "V_PRORES" => match configuration.first_chunk() {
            Some(kind @ (b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x")) => {
                (kind, Vec::new())
            }
            _ => (b"apcn", Vec::new()),
        },
        "V_MS/VFW/FOURCC" => return Err("it is in a form of AVI (V_MS/VFW/FOURCC)".to_owned()),
        codec => return Err(format!("MP4 has no form for {codec} video")),
    };
    let side = |pixels: u64| u16::try_from(pixels).unwrap_or(0).to_be_bytes();
    let mut entry = vec![0, 0, 0, 0, 0, 0, 0, 1];
    entry.extend([0; 16]);
    entry.extend(side(track.video.coded.0));
    entry.extend(side(track.video.coded.1));
    // 72 pixels per inch, one frame in a sample, no name of the compressor, colour without alpha.
    entry.extend([0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
    entry.extend([0; 32]);
    entry.extend([0, 0x18, 0xFF, 0xFF]);
    entry.extend(config);
    for (mapping, record) in &track.mappings {
        let kind = u32::try_from(*mapping).unwrap_or(0).to_be_bytes();
        if DOLBY_VISION.contains(&kind) {
            entry.extend(boxed(&kind, record));
        }
    }
    if let Some((h, v)) = track.video.aspect() {
        entry.extend(boxed(b"pasp", &[h.to_be_bytes(), v.to_be_bytes()].concat()));
    }
    if let Some(colour) = &track.video.colour {
        entry.extend(colour_boxes(colour));
    }
    Ok(boxed(kind, &entry))
}

fn full_version_1(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[1, 0, 0, 0], body].concat())
}

/// `colr`, `mdcv` and `clli` (ISO/IEC 14496-12 section 12.1.5).
fn colour_boxes(colour: &Colour) -> Vec<u8> {
    let mut boxes = Vec::new();
    let is_specified = colour.points != [2; 3] || colour.is_full_range.is_some();
    if is_specified {
        let mut body = b"nclx".to_vec();
        colour.points.iter().for_each(|point| body.extend(point.to_be_bytes()));
        body.push(u8::from(colour.is_full_range == Some(true)) << 7);
        boxes.extend(boxed(b"colr", &body));
    }
    if let Some(mastering) = &colour.mastering {
        boxes.extend(boxed(b"mdcv", &mastering_body(mastering)));
    }
    if let Some((pixel, frame)) = colour.light_levels {
        boxes.extend(boxed(b"clli", &[pixel.to_be_bytes(), frame.to_be_bytes()].concat()));
    }
    boxes
}

/// Green, blue, red and white in units of 0.00002, and luminance in units of 0.0001 candela.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the reader has limited them"
)]
fn mastering_body(mastering: &Mastering) -> Vec<u8> {
    let mut body = Vec::new();
    for place in [2, 3, 4, 5, 0, 1, 6, 7] {
        let point = (mastering.chromaticities[place] * 50_000.0).round() as u16;
        body.extend(point.to_be_bytes());
    }
    for candela in [mastering.luminance.0, mastering.luminance.1] {
        body.extend(((candela * 10_000.0).round() as u32).to_be_bytes());
    }
    body
}

/// `vpcC` behind its version ("VP Codec ISO Media File Format Binding"): from the features in the
/// configuration, else from the header of the first key frame.
fn vp9(track: &TrackEntry, first_frame: &[u8]) -> Vec<u8> {
    let (mut profile, mut level, mut depth, mut sampling) = (0, 0, 8, 1);
    if let Some(header) = Vp9Header::parse(first_frame) {
        (profile, depth, sampling) = (header.profile, header.depth, header.sampling);
    }
    let mut features = &track.configuration[..];
    while let [id, 1, value, rest @ ..] = features {
        match id {
            1 => profile = *value,
            2 => level = *value,
            3 => depth = *value & 15,
            4 => sampling = *value & 7,
            _ => {}
        }
        features = rest;
    }
    let (points, is_full_range) = match &track.video.colour {
        Some(colour) => (colour.points, colour.is_full_range == Some(true)),
        None => ([2; 3], false),
    };
    let point = |place: usize| u8::try_from(points[place]).unwrap_or(2);
    let mut body = vec![profile, level, depth << 4 | sampling << 1 | u8::from(is_full_range)];
    body.extend([point(0), point(1), point(2), 0, 0]);
    body
}

/// The uncompressed header of a key frame ("VP9 Bitstream & Decoding Process Specification" section 6.2).
struct Vp9Header {
    profile: u8,
    depth: u8,
    sampling: u8,
}

impl Vp9Header {
    fn parse(frame: &[u8]) -> Option<Self> {
        const SYNC: u32 = 0x49_83_42;
        const RGB: u32 = 7;
        let head = frame.first_chunk::<8>()?;
        let mut bits = u64::from_be_bytes(*head);
        let mut take = |count: u32| {
            let value = bits >> (64 - count);
            bits <<= count;
            u32::try_from(value).unwrap_or(0)
        };
        if take(2) != 2 {
            return None;
        }
        let profile = take(1) | take(1) << 1;
        if profile == 3 {
            take(1);
        }
        // An existing frame is shown again, or the frame is no key frame.
        if take(1) == 1 || take(1) == 1 {
            return None;
        }
        take(2);
        if take(24) != SYNC {
            return None;
        }
        let depth = match (profile >= 2).then(|| take(1)) {
            None => 8,
            Some(0) => 10,
            Some(_) => 12,
        };
        let is_rgb = take(3) == RGB;
        let sampling = match (is_rgb, profile & 1) {
            (true, _) => 3,
            (false, 0) => 1,
            (false, _) => {
                take(1);
                match (take(1), take(1)) {
                    (1, 1) => 1,
                    (1, 0) => 2,
                    _ => 3,
                }
            }
        };
        Some(Self { profile: u8::try_from(profile).ok()?, depth, sampling })
    }
}
