//! Visual sample entries (ISO/IEC 14496-12 section 12.1.3, and QuickTime's, which begin alike).

use super::{
    Boxes, Chroma, Codec, Colour, DolbyVision, EntryRefused, FourCc, VideoRange, Warning, av1, avc,
    cursor::Cursor, esds::Esds, hevc, vpx,
};

/// A video track, as far as its sample entry tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Video {
    /// Samples in a line, before the pixel aspect ratio and the track's matrix are applied.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// The shape of a sample.
    pub sample_aspect: SampleAspect,
    /// Bits of a sample.
    pub bit_depth: Option<u8>,
    /// How colour is sampled.
    pub chroma: Option<Chroma>,
    /// The profile by its name: `High`, `Main 10`.
    pub profile: Option<String>,
    /// The level, with the tier where it is not the main one: `3.1`, `5.1 High tier`.
    pub level: Option<String>,
    /// Colour: what the container says, and where it is silent what the stream says.
    pub colour: Colour,
    /// What `colour` means for a playlist.
    pub range: VideoRange,
    /// The Dolby Vision that is in it, alone or on top of a base layer that others can play.
    pub dolby_vision: Option<DolbyVision>,
}

/// The width of a sample by its height (`pasp`, section 12.1.4), in lowest terms. Neither is zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SampleAspect {
    /// Width, in a unit of its own.
    pub h_spacing: u32,
    /// Height, in the same unit.
    pub v_spacing: u32,
}

impl SampleAspect {
    /// Square samples.
    pub const SQUARE: Self = Self { h_spacing: 1, v_spacing: 1 };

    /// In lowest terms. `None` if one of them is zero, which files use for "not known".
    pub(super) fn new(h_spacing: u32, v_spacing: u32) -> Option<Self> {
        if h_spacing == 0 || v_spacing == 0 {
            return None;
        }
        let (mut divisor, mut rest) = (h_spacing, v_spacing);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Some(Self { h_spacing: h_spacing / divisor, v_spacing: v_spacing / divisor })
    }

    fn of(boxes: Boxes<'_>) -> Option<Self> {
        let mut fields = Cursor(boxes.body(b"pasp")?);
        Self::new(fields.u32()?, fields.u32()?)
    }
}

/// What a video codec's own configuration says.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub size: Option<(u16, u16)>,
    pub aspect: Option<SampleAspect>,
    pub bit_depth: Option<u8>,
    pub chroma: Option<Chroma>,
    pub profile: Option<String>,
    pub level: Option<String>,
    pub colour: Colour,
}

/// The fixed fields of the entry, and the boxes behind them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    width: u16,
    height: u16,
    pub boxes: Boxes<'a>,
}

impl<'a> Fields<'a> {
    /// Reads an entry without its header.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, EntryRefused> {
        let mut fields = Cursor(body);
        let mut read = || {
            fields.skip(24)?;
            let (width, height) = (fields.u16()?, fields.u16()?);
            fields.skip(50)?;
            Some(Self { width, height, boxes: Boxes(fields.0) })
        };
        read().ok_or(EntryRefused::CutShort)
    }
}

/// What was found out about a video entry.
pub(super) struct Found {
    pub codec: Codec,
    /// The codecs parameter for an entry of type [`format`](Self::format).
    pub codecs: String,
    pub video: Video,
    /// The type of the entry after a repair, if there is one.
    pub format: FourCc,
}

/// Describes an entry. `format` is the one behind encryption. `mends` says whether the type of the
/// entry may be changed.
pub(super) fn describe(
    format: FourCc,
    fields: Fields<'_>,
    mends: bool,
    doubts: &mut Vec<Warning>,
) -> Found {
    let boxes = fields.boxes;
    let container = Colour::of(boxes).unwrap_or_default();
    let mut emitted = format;
    let (codec, codecs, picture) = match &format.0 {
        b"avc1" | b"avc3" | b"dva1" | b"dvav" => {
            let record = avc::AvcConfig::of(boxes, doubts);
            if mends && record.has_parameter_sets && format.0 == *b"avc3" {
                emitted = FourCc(*b"avc1");
            }
            (Codec::H264, record.codecs(emitted), record.picture)
        }
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => {
            let record = hevc::HevcConfig::of(boxes, doubts);
            if mends && record.has_parameter_sets {
                emitted = match &format.0 {
                    b"hev1" => FourCc(*b"hvc1"),
                    b"dvhe" => FourCc(*b"dvh1"),
                    _ => format,
                };
            }
            (Codec::Hevc, record.codecs(emitted), record.picture)
        }
        b"av01" | b"dav1" => {
            let record = av1::Av1Config::of(boxes, doubts);
            let colour = container.or(record.picture.colour);
            (Codec::Av1, record.codecs(&colour), record.picture)
        }
        b"vp09" | b"vp08" => {
            let record = vpx::VpConfig::of(boxes, doubts);
            let colour = container.or(record.picture.colour);
            let codec = if format.0 == *b"vp08" { Codec::Vp8 } else { Codec::Vp9 };
            (codec, record.codecs(format, &colour), record.picture)
        }
        b"mp4v" => {
            let esds = boxes.body(b"esds").and_then(Esds::read);
            let (codec, codecs) = mpeg_video(esds.as_ref());
            (codec, codecs, Picture::default())
        }
        _ => (Codec::of_other(format), format.as_codecs(), Picture::default()),
    };
    let colour = container.or(picture.colour);
    let dolby_vision = DolbyVision::of(boxes, emitted, &colour);
    // An entry whose own type is Dolby Vision's is named by it; another by its base layer, which
    // every player of the codec can decode.
    let codecs = match (&dolby_vision, &emitted.0) {
        (Some(vision), b"dvh1" | b"dvhe" | b"dva1" | b"dvav" | b"dav1") => vision.codecs.clone(),
        _ => codecs,
    };
    if let (Some(says), Some(stream)) = (container.range(), picture.colour.range())
        && says != stream
    {
        doubts.push(Warning::RangesDiffer { container: says, stream });
    }
    let range = match (colour.range(), &dolby_vision) {
        (Some(range), _) => range,
        // Profile 5 has colours of its own, and says nothing in the code points of others.
        (None, Some(vision)) if vision.profile == 5 => VideoRange::Pq,
        (None, _) => VideoRange::Sdr,
    };
    let (width, height) = match (fields.width, fields.height) {
        (0, _) | (_, 0) => picture.size.unwrap_or((fields.width, fields.height)),
        size => size,
    };
    let square = SampleAspect::SQUARE;
    let video = Video {
        width,
        height,
        sample_aspect: SampleAspect::of(boxes).or(picture.aspect).unwrap_or(square),
        bit_depth: picture.bit_depth,
        chroma: picture.chroma,
        profile: picture.profile,
        level: picture.level,
        colour,
        range,
        dolby_vision,
    };
    Found { codec, codecs, video, format: emitted }
}

/// `mp4v`: which of the codecs of MPEG it is says the object type (RFC 6381 section 3.3).
fn mpeg_video(esds: Option<&Esds<'_>>) -> (Codec, String) {
    let Some(esds) = esds else { return (Codec::Mpeg4Visual, "mp4v.20".to_owned()) };
    match esds.object_type {
        0x60..=0x65 => (Codec::Mpeg2Video, format!("mp4v.{:02x}", esds.object_type)),
        0x6a => (Codec::Mpeg1Video, "mp4v.6a".to_owned()),
        0x6c => (Codec::MotionJpeg, "mp4v.6c".to_owned()),
        0x20 => {
            // A visual object sequence begins with its profile and level (ISO/IEC 14496-2
            // section 6.2.2).
            let profile = match esds.specific {
                [0, 0, 1, 0xb0, profile, ..] => format!(".{profile}"),
                _ => String::new(),
            };
            (Codec::Mpeg4Visual, format!("mp4v.20{profile}"))
        }
        other => (Codec::Other(FourCc(*b"mp4v")), format!("mp4v.{other:02x}")),
    }
}
