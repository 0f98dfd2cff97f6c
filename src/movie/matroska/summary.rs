//! What the head of a file says, for files that do not play in place, too.

use super::{
    head::{Head, Info},
    tracks::{self, Kind, TrackEntry},
};
use crate::extent::{ReadAt, ReadError};

/// The transfer characteristics of PQ and HLG (ISO/IEC 23091-2).
const HDR_TRANSFERS: [u16; 2] = [16, 18];

/// The head of a file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MatroskaSummary {
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
    /// The kind and the language of each track, in the order of the file. ffmpeg before version 7 reads the three
    /// letters of `Language` only, so that `pt-BR` of `LanguageBCP47` becomes `por`.
    pub languages: Vec<(MatroskaKind, Option<String>)>,
}

/// The kind of a track, as far as it matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MatroskaKind {
    /// Audio.
    Audio,
    /// Subtitles.
    Subtitle,
    /// Any other.
    Other,
}

impl MatroskaSummary {
    /// Reads the head of a file; that of another file is empty.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Self, ReadError> {
        let Some(head) = Head::read(source)? else { return Ok(Self::default()) };
        let duration_ms = Info::read(source, &head)?.duration_ms;
        let mut summary = Self { is_webm: head.is_webm, duration_ms, ..Self::default() };
        if let Some(body) = &head.tracks {
            tracks::read(source, body)?.into_iter().for_each(|track| summary.add(track));
        }
        Ok(summary)
    }

    fn add(&mut self, track: TrackEntry) {
        let kind = match track.kind {
            Kind::Audio => MatroskaKind::Audio,
            Kind::Subtitle => MatroskaKind::Subtitle,
            Kind::Video | Kind::Other => MatroskaKind::Other,
        };
        match track.kind {
            Kind::Video => {
                if self.video.is_empty() {
                    self.size = track.video.displayed_size();
                    let colour = track.video.colour.as_ref();
                    self.is_hdr = colour.is_some_and(|it| HDR_TRANSFERS.contains(&it.points[1]));
                }
                self.video.push(track.codec);
            }
            Kind::Audio => self.audio.push(track.codec),
            Kind::Subtitle | Kind::Other => {}
        }
        self.languages.push((kind, track.language));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::ids, *};

    /// An element with a size of two bytes.
    fn element(id: u32, body: &[u8]) -> Vec<u8> {
        let id = id.to_be_bytes();
        let first = id.iter().position(|byte| *byte != 0).expect("an identifier");
        let size = 0x4000 | u16::try_from(body.len()).expect("a short body");
        [&id[first..], &size.to_be_bytes(), body].concat()
    }

    fn file(doc_type: &str, info: &[u8], tracks: &[u8]) -> Vec<u8> {
        let header = element(ids::EBML, &element(ids::DOC_TYPE, doc_type.as_bytes()));
        let segment = [element(ids::INFO, info), element(ids::TRACKS, tracks)].concat();
        [header, element(ids::SEGMENT, &segment)].concat()
    }

    fn track(number: u8, kind: u8, codec: &str, more: &[u8]) -> Vec<u8> {
        let fields = [
            element(ids::TRACK_NUMBER, &[number]),
            element(ids::TRACK_TYPE, &[kind]),
            element(ids::CODEC_ID, codec.as_bytes()),
            more.to_vec(),
        ];
        element(ids::TRACK_ENTRY, &fields.concat())
    }

    #[test]
    fn a_head_has_duration_size_codecs_and_languages() {
        let info = [
            element(ids::TIMESTAMP_SCALE, &500_000_u32.to_be_bytes()),
            element(ids::DURATION, &2468_f64.to_be_bytes()),
        ];
        let colour = element(ids::COLOUR, &element(ids::TRANSFER_CHARACTERISTICS, &[16]));
        let pixels =
            [element(ids::PIXEL_WIDTH, &[5, 0]), element(ids::PIXEL_HEIGHT, &[2, 208]), colour];
        let (code, tag) = (element(ids::LANGUAGE, b"por"), element(ids::LANGUAGE_BCP47, b"pt-BR"));
        let tracks = [
            track(1, 1, "V_VP9", &element(ids::VIDEO, &pixels.concat())),
            track(2, 2, "A_OPUS\0", &[&code[..], &tag].concat()),
            track(3, 17, "S_TEXT/UTF8", &element(ids::LANGUAGE_BCP47, b"a b\"")),
            // A number that is taken.
            track(2, 2, "A_AAC", b""),
        ];
        let file = file("webm", &info.concat(), &tracks.concat());
        let expected = MatroskaSummary {
            is_webm: true,
            duration_ms: Some(1234),
            video: vec!["V_VP9".to_owned()],
            audio: vec!["A_OPUS".to_owned()],
            size: Some((1280, 720)),
            is_hdr: true,
            languages: vec![
                (MatroskaKind::Other, Some("eng".to_owned())),
                (MatroskaKind::Audio, Some("pt-BR".to_owned())),
                (MatroskaKind::Subtitle, Some("eng".to_owned())),
            ],
        };
        assert_eq!(MatroskaSummary::read(&file[..]).expect("in memory"), expected);
        // A cut file has the whole elements before the cut.
        for length in 0..file.len() {
            MatroskaSummary::read(&file[..length]).expect("in memory");
        }
    }

    #[test]
    fn impossible_numbers_are_unknown() {
        let info = element(ids::DURATION, &f64::NAN.to_be_bytes());
        let sizes = [element(ids::PIXEL_WIDTH, &[0]), element(ids::PIXEL_HEIGHT, &[1; 9])].concat();
        let file = file("matroska", &info, &track(1, 1, "V_X", &element(ids::VIDEO, &sizes)));
        let head = MatroskaSummary::read(&file[..]).expect("in memory");
        assert_eq!((head.is_webm, head.duration_ms, head.size), (false, None, None));
        for bytes in [&b""[..], &[0xFF; 64], b"\x1A\x45\xDF\xA3"] {
            let head = MatroskaSummary::read(bytes).expect("in memory");
            assert_eq!(head, MatroskaSummary::default());
        }
    }
}
