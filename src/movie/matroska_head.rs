//! The head of a file of Matroska or WebM (RFC 9559): what is in it, without an index of its samples.

use std::time::Duration;

use super::ebml::{self, children};
use crate::extent::{ReadAt, ReadError};

/// The longest name of a codec that is read, in bytes.
const CODEC_BYTES_MAX: usize = 64;

/// Nanoseconds of a tick if the file names none.
const TIMESTAMP_SCALE_NS: u64 = 1_000_000;

const EBML: u32 = 0x1A45_DFA3;
const DOC_TYPE: u32 = 0x4282;
const INFO: u32 = 0x1549_A966;
const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const TRACK_TYPE: u32 = 0x83;
const CODEC_ID: u32 = 0x86;
const VIDEO: u32 = 0xE0;
const PIXEL_WIDTH: u32 = 0xB0;
const PIXEL_HEIGHT: u32 = 0xBA;
const DISPLAY_WIDTH: u32 = 0x54B0;
const DISPLAY_HEIGHT: u32 = 0x54BA;
const DISPLAY_UNIT: u32 = 0x54B2;
const COLOUR: u32 = 0x55B0;
const TRANSFER: u32 = 0x55BA;

/// The transfer characteristics of PQ and HLG (ISO/IEC 23091-2).
const HDR_TRANSFERS: [u64; 2] = [16, 18];

/// The head of a file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// Whether it calls itself WebM.
    pub is_webm: bool,
    /// The duration in milliseconds, if it names one.
    pub duration_ms: Option<u64>,
    /// The codecs of its video tracks: `V_VP9`.
    pub video: Vec<String>,
    /// The codecs of its audio tracks: `A_OPUS`.
    pub audio: Vec<String>,
    /// Width and height of its first video track as displayed.
    pub size: Option<(u32, u32)>,
    /// Whether its first video track says that it has a high dynamic range.
    pub is_hdr: bool,
}

/// Reads the head of a file; that of a file without tracks is empty.
///
/// # Errors
/// If the file cannot be read.
pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Head, ReadError> {
    let mut head = Head::default();
    let is_wanted = |id| matches!(id, EBML | INFO | TRACKS);
    ebml::walk_segment(source, is_wanted, |id, body| match id {
        EBML => head.is_webm = find(body, DOC_TYPE).is_some_and(|name| name.starts_with(b"webm")),
        INFO => head.duration_ms = duration_ms(body),
        _ => {
            let entries = children(body).filter(|(id, _)| *id == TRACK_ENTRY);
            entries.for_each(|(_, entry)| head.add_track(entry));
        }
    })?;
    Ok(head)
}

impl Head {
    fn add_track(&mut self, entry: &[u8]) {
        let codec = find(entry, CODEC_ID).filter(|codec| codec.len() <= CODEC_BYTES_MAX);
        let codec = String::from_utf8_lossy(codec.unwrap_or_default());
        let codec = codec.trim_end_matches('\0').to_owned();
        match find(entry, TRACK_TYPE) {
            Some([1]) => {
                if let Some(video) = find(entry, VIDEO).filter(|_| self.video.is_empty()) {
                    self.size = size(video);
                    let transfer = find(video, COLOUR).and_then(|colour| number(colour, TRANSFER));
                    self.is_hdr = transfer.is_some_and(|it| HDR_TRANSFERS.contains(&it));
                }
                self.video.push(codec);
            }
            Some([2]) => self.audio.push(codec),
            _ => {}
        }
    }
}

/// The displayed size of a video track, if it is in pixels.
fn size(video: &[u8]) -> Option<(u32, u32)> {
    let side = |display: u32, pixels: u32| {
        let is_in_pixels = number(video, DISPLAY_UNIT).unwrap_or(0) == 0;
        let displayed = number(video, display).filter(|_| is_in_pixels);
        let side = displayed.or_else(|| number(video, pixels))?;
        u32::try_from(side).ok().filter(|side| *side > 0)
    };
    Some((side(DISPLAY_WIDTH, PIXEL_WIDTH)?, side(DISPLAY_HEIGHT, PIXEL_HEIGHT)?))
}

fn duration_ms(info: &[u8]) -> Option<u64> {
    let scale_ns = number(info, TIMESTAMP_SCALE).unwrap_or(TIMESTAMP_SCALE_NS);
    let ticks = match find(info, DURATION)? {
        bytes @ [_, _, _, _] => f64::from(f32::from_be_bytes(bytes.try_into().ok()?)),
        bytes => f64::from_be_bytes(bytes.try_into().ok()?),
    };
    let duration = Duration::try_from_secs_f64(ticks * scale_ns as f64 / 1e9).ok()?;
    u64::try_from(duration.as_millis()).ok().filter(|ms| *ms > 0)
}

fn find(body: &[u8], wanted: u32) -> Option<&[u8]> {
    children(body).find(|(id, _)| *id == wanted).map(|(_, body)| body)
}

/// An unsigned number of at most eight bytes.
fn number(body: &[u8], wanted: u32) -> Option<u64> {
    let bytes = find(body, wanted).filter(|bytes| bytes.len() <= 8)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with a size of two bytes.
    fn element(id: u32, body: &[u8]) -> Vec<u8> {
        let id = id.to_be_bytes();
        let first = id.iter().position(|byte| *byte != 0).expect("an identifier");
        let size = 0x4000 | u16::try_from(body.len()).expect("a short body");
        [&id[first..], &size.to_be_bytes(), body].concat()
    }

    fn file(doc_type: &str, info: &[u8], tracks: &[u8]) -> Vec<u8> {
        let header = element(EBML, &element(DOC_TYPE, doc_type.as_bytes()));
        let segment = [element(INFO, info), element(TRACKS, tracks)].concat();
        [header, element(0x1853_8067, &segment)].concat()
    }

    fn track(kind: u8, codec: &str, more: &[u8]) -> Vec<u8> {
        let id = element(CODEC_ID, codec.as_bytes());
        element(TRACK_ENTRY, &[&element(TRACK_TYPE, &[kind]), &id[..], more].concat())
    }

    #[test]
    fn a_head_has_duration_size_and_codecs() {
        let info = [
            element(TIMESTAMP_SCALE, &500_000_u32.to_be_bytes()),
            element(DURATION, &2468_f64.to_be_bytes()),
        ];
        let colour = element(COLOUR, &element(TRANSFER, &[16]));
        let pixels = [element(PIXEL_WIDTH, &[5, 0]), element(PIXEL_HEIGHT, &[2, 208]), colour];
        let tracks = [
            track(1, "V_VP9", &element(VIDEO, &pixels.concat())),
            track(2, "A_OPUS\0", b""),
            track(17, "S_TEXT/UTF8", b""),
        ];
        let file = file("webm", &info.concat(), &tracks.concat());
        let head = read(&file[..]).expect("in memory");
        let expected = Head {
            is_webm: true,
            duration_ms: Some(1234),
            video: vec!["V_VP9".to_owned()],
            audio: vec!["A_OPUS".to_owned()],
            size: Some((1280, 720)),
            is_hdr: true,
        };
        assert_eq!(head, expected);
        // A cut file has the whole elements before the cut.
        for length in 0..file.len() {
            read(&file[..length]).expect("in memory");
        }
    }

    #[test]
    fn impossible_numbers_are_unknown() {
        let info = [element(DURATION, &f64::NAN.to_be_bytes())];
        let sizes = [element(PIXEL_WIDTH, &[0]), element(PIXEL_HEIGHT, &[1; 9])].concat();
        let file = file("matroska", &info.concat(), &track(1, "V_X", &element(VIDEO, &sizes)));
        let head = read(&file[..]).expect("in memory");
        assert_eq!((head.is_webm, head.duration_ms, head.size), (false, None, None));
        for bytes in [&b""[..], &[0xFF; 64], b"\x1A\x45\xDF\xA3"] {
            assert_eq!(read(bytes).expect("in memory"), Head::default());
        }
    }
}
