//! Tracks (RFC 9559 section 5.1.4): everything about a track except its blocks.

use std::ops::Range;

use bytes::Bytes;

use super::{
    ebml::{self, Element, children},
    ids,
    video_settings::VideoSettings,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::window::Window,
};

/// The most tracks of a file; later ones are ignored.
const TRACKS_MAX: usize = 64;

/// The most elements between tracks that are read.
const ELEMENTS_MAX: usize = 1024;

/// The longest codec configuration, in bytes.
const CODEC_PRIVATE_BYTES_MAX: usize = 64 * 1024;

/// The longest track, in bytes: its configuration, and some hundred bytes more.
const TRACK_BYTES_MAX: u64 = 128 * 1024;

/// The longest name, language and codec that are kept, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// The longest prefix of blocks, in bytes: mkvmerge strips the headers of frames, which have four.
const PREFIX_BYTES_MAX: usize = 16;

/// The most block addition mappings of a track.
const MAPPINGS_MAX: usize = 16;

/// The kind of a track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Video,
    Audio,
    Subtitle,
    Other,
}

/// What the blocks of a track went through.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    /// Nothing.
    Plain,
    /// Each frame lacks these first bytes.
    Stripped(Bytes),
    /// Each block is compressed with zlib.
    Zlib,
    /// Something that no reader here undoes.
    Unusable(&'static str),
}

/// Audio as its track describes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AudioSettings {
    /// In Hz, before an extension of the codec.
    pub(super) sample_rate: f64,
    pub(super) channels: u16,
    pub(super) bit_depth: Option<u16>,
}

/// One track.
#[derive(Clone, Debug)]
pub(super) struct TrackEntry {
    pub(super) number: u64,
    pub(super) uid: u64,
    pub(super) kind: Kind,
    pub(super) codec: String,
    pub(super) configuration: Vec<u8>,
    /// Duration of a frame, in nanoseconds.
    pub(super) default_duration_ns: Option<u64>,
    /// What the codec delays, in nanoseconds: block times include it.
    pub(super) codec_delay_ns: u64,
    /// Nanoseconds of the track per nanosecond of the file, which no file but an experiment changes.
    pub(super) is_scaled: bool,
    pub(super) is_enabled: bool,
    pub(super) is_default: bool,
    pub(super) is_forced: bool,
    pub(super) is_hearing_impaired: bool,
    pub(super) is_visual_impaired: bool,
    pub(super) is_commentary: bool,
    /// BCP 47 or ISO 639-2.
    pub(super) language: Option<String>,
    pub(super) name: Option<String>,
    pub(super) encoding: Encoding,
    pub(super) video: VideoSettings,
    pub(super) audio: AudioSettings,
    /// Block addition mappings: the type, which is a four-character code, and the configuration.
    pub(super) mappings: Vec<(u64, Vec<u8>)>,
    /// The element, header included.
    pub(super) whole: Range<u64>,
}

/// Reads the tracks in a body, in file order.
pub(super) fn read<R: ReadAt + ?Sized>(
    source: &R,
    body: &Range<u64>,
) -> Result<Vec<TrackEntry>, ReadError> {
    let window = &mut Window::new(source, 4096);
    let mut tracks: Vec<TrackEntry> = Vec::new();
    let mut at = body.start;
    for _ in 0..ELEMENTS_MAX {
        if at >= body.end || tracks.len() >= TRACKS_MAX {
            break;
        }
        let Some(element) = Element::read(window, at)? else { break };
        let Some(end) = element.end().filter(|end| *end <= body.end) else { break };
        at = end;
        if element.id != ids::TRACK_ENTRY {
            continue;
        }
        if let Some(bytes) = ebml::read_body(source, &(element.body..end), TRACK_BYTES_MAX)?
            && let Some(track) = TrackEntry::parse(&bytes, element.start..end)
            // Blocks name their track by its number.
            && tracks.iter().all(|other| other.number != track.number)
        {
            tracks.push(track);
        }
    }
    Ok(tracks)
}

impl TrackEntry {
    fn parse(body: &[u8], whole: Range<u64>) -> Option<Self> {
        let number = |id| ebml::find_number(body, id);
        let flag = |id, missing: bool| number(id).map_or(missing, |flag| flag != 0);
        let text = |id| ebml::find_text(body, id).map(short).filter(|text| !text.is_empty());
        let configuration = ebml::find(body, ids::CODEC_PRIVATE)
            .filter(|configuration| configuration.len() <= CODEC_PRIVATE_BYTES_MAX);
        let scale = ebml::find_float(body, ids::TRACK_TIMESTAMP_SCALE);
        Some(Self {
            number: number(ids::TRACK_NUMBER).filter(|number| *number > 0)?,
            uid: number(ids::TRACK_UID).unwrap_or(0),
            kind: match number(ids::TRACK_TYPE) {
                Some(1) => Kind::Video,
                Some(2) => Kind::Audio,
                Some(17) => Kind::Subtitle,
                _ => Kind::Other,
            },
            codec: text(ids::CODEC_ID).unwrap_or_default(),
            configuration: configuration.unwrap_or_default().to_vec(),
            default_duration_ns: number(ids::DEFAULT_DURATION).filter(|ns| *ns > 0),
            codec_delay_ns: number(ids::CODEC_DELAY).unwrap_or(0),
            is_scaled: scale.is_some_and(|scale| (scale - 1.0).abs() > 1e-9),
            is_enabled: flag(ids::FLAG_ENABLED, true),
            is_default: flag(ids::FLAG_DEFAULT, true),
            is_forced: flag(ids::FLAG_FORCED, false),
            is_hearing_impaired: flag(ids::FLAG_HEARING_IMPAIRED, false),
            is_visual_impaired: flag(ids::FLAG_VISUAL_IMPAIRED, false),
            is_commentary: flag(ids::FLAG_COMMENTARY, false),
            language: language(text(ids::LANGUAGE_BCP47), text(ids::LANGUAGE)),
            name: text(ids::NAME),
            encoding: ebml::find(body, ids::CONTENT_ENCODINGS)
                .map_or(Encoding::Plain, Encoding::parse),
            video: VideoSettings::parse(ebml::find(body, ids::VIDEO).unwrap_or_default()),
            audio: AudioSettings::parse(ebml::find(body, ids::AUDIO).unwrap_or_default()),
            mappings: mappings(body),
            whole,
        })
    }
}

fn short(mut text: String) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// The tag of BCP 47 if there is a valid one, else the code of ISO 639-2, which is English by default. `None`
/// if it is undetermined.
fn language(tag: Option<String>, code: Option<String>) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_tag = |tag: &String| tag.len() <= 64 && tag.bytes().all(is_plain);
    let named = tag.filter(is_tag).or_else(|| code.filter(is_tag));
    named.or_else(|| Some("eng".to_owned())).filter(|language| language != "und")
}

impl Encoding {
    fn parse(body: &[u8]) -> Self {
        const COMPRESSION: u64 = 0;
        /// Blocks, and not only the configuration of the codec.
        const SCOPE_BLOCKS: u64 = 1;
        let mut encodings = children(body).filter(|(id, _)| *id == ids::CONTENT_ENCODING);
        let Some((_, encoding)) = encodings.next() else { return Self::Plain };
        if encodings.next().is_some() {
            return Self::Unusable("its blocks are compressed or encrypted several times");
        }
        let kind = ebml::find_number(encoding, ids::CONTENT_ENCODING_TYPE).unwrap_or(COMPRESSION);
        if kind != COMPRESSION {
            return Self::Unusable("it is encrypted (ContentEncryption)");
        }
        let scope = ebml::find_number(encoding, ids::CONTENT_ENCODING_SCOPE).unwrap_or(1);
        if scope & !SCOPE_BLOCKS != 0 {
            return Self::Unusable("its codec configuration is compressed");
        }
        if scope & SCOPE_BLOCKS == 0 {
            return Self::Plain;
        }
        let compression = ebml::find(encoding, ids::CONTENT_COMPRESSION).unwrap_or_default();
        let settings = ebml::find(compression, ids::CONTENT_COMP_SETTINGS).unwrap_or_default();
        match ebml::find_number(compression, ids::CONTENT_COMP_ALGO).unwrap_or(0) {
            0 => Self::Zlib,
            1 => Self::Unusable("its blocks are compressed with bzlib"),
            2 => Self::Unusable("its blocks are compressed with lzo1x"),
            3 if settings.is_empty() => Self::Plain,
            3 if settings.len() <= PREFIX_BYTES_MAX => {
                Self::Stripped(Bytes::copy_from_slice(settings))
            }
            3 => Self::Unusable("its blocks lack a header of more than 16 bytes"),
            _ => Self::Unusable("its blocks are compressed in an unknown way"),
        }
    }
}

impl AudioSettings {
    fn parse(audio: &[u8]) -> Self {
        let small = |id| ebml::find_number(audio, id).and_then(|value| u16::try_from(value).ok());
        let is_rate = |rate: &f64| (1.0..=1e6).contains(rate);
        Self {
            sample_rate: ebml::find_float(audio, ids::SAMPLING_FREQUENCY)
                .filter(is_rate)
                .unwrap_or(8000.0),
            channels: small(ids::CHANNELS).filter(|channels| *channels > 0).unwrap_or(1),
            bit_depth: small(ids::BIT_DEPTH).filter(|bits| *bits > 0),
        }
    }

    /// The sample rate as a whole number.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 1,000,000")]
    pub(super) fn hertz(&self) -> u32 {
        self.sample_rate.round() as u32
    }
}

fn mappings(body: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let all = children(body).filter(|(id, _)| *id == ids::BLOCK_ADDITION_MAPPING);
    let mapping = |(_, mapping): (u32, &[u8])| {
        let kind = ebml::find_number(mapping, ids::BLOCK_ADD_ID_TYPE)?;
        let extra = ebml::find(mapping, ids::BLOCK_ADD_ID_EXTRA_DATA)?;
        Some((kind, extra.to_vec()))
    };
    all.take(MAPPINGS_MAX).filter_map(mapping).collect()
}
