//! Visual sample entries (ISO/IEC 14496-12 section 12.1.3; QuickTime's start with the same fields).

use super::{
    Boxes, Chroma, Codec, Colour, DolbyVision, EntryRefused, FourCc, Scan, VideoRange, Warning,
    av1, avc, cursor::Cursor, esds::Esds, hevc, vpx,
};

/// Video properties of a sample entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Video {
    /// Width in pixels, before the pixel aspect ratio and the track's matrix are applied.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Pixel aspect ratio: declared, else that of the stream.
    pub sample_aspect: SampleAspect,
    /// Whether `pasp` declares the pixel aspect ratio.
    pub declares_aspect: bool,
    /// Width and height of the part of frames that is to be shown (`clap`, section 12.1.4.1), if it is not
    /// all.
    pub clean_aperture: Option<(u32, u32)>,
    /// Whether frames are whole or consist of fields.
    pub scan: Scan,
    /// Bits per sample.
    pub bit_depth: Option<u8>,
    /// Chroma subsampling.
    pub chroma: Option<Chroma>,
    /// Name of the profile: `High`, `Main 10`.
    pub profile: Option<String>,
    /// Level, with the tier unless it is Main: `3.1`, `5.1 High tier`.
    pub level: Option<String>,
    /// Colour from the container, completed from the stream.
    pub colour: Colour,
    /// Dynamic range of `colour`, for a playlist.
    pub range: VideoRange,
    /// Dolby Vision, alone or on a base layer that other decoders play.
    pub dolby_vision: Option<DolbyVision>,
    /// The most frames that precede any frame in decoding order and follow it in presentation, if the stream
    /// tells it.
    pub reordered_frames: Option<u8>,
}

/// Pixel aspect ratio, width by height (`pasp`, section 12.1.4), in lowest terms. Neither is zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SampleAspect {
    /// Relative width.
    pub h_spacing: u32,
    /// Relative height.
    pub v_spacing: u32,
}

impl SampleAspect {
    /// Square pixels.
    pub const SQUARE: Self = Self { h_spacing: 1, v_spacing: 1 };

    /// Reduces to lowest terms. `None` if either is zero, which files use for "unknown".
    pub(in crate::movie) fn new(h_spacing: u32, v_spacing: u32) -> Option<Self> {
        if h_spacing == 0 || v_spacing == 0 {
            return None;
        }
        let (mut divisor, mut rest) = (h_spacing, v_spacing);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Some(Self { h_spacing: h_spacing / divisor, v_spacing: v_spacing / divisor })
    }

    fn from_boxes(boxes: Boxes<'_>) -> Option<Self> {
        let mut fields = Cursor(boxes.body(b"pasp")?);
        Self::new(fields.u32()?, fields.u32()?)
    }
}

/// A video codec's own configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct VideoConfig {
    pub size: Option<(u16, u16)>,
    pub aspect: Option<SampleAspect>,
    pub scan: Scan,
    pub bit_depth: Option<u8>,
    pub chroma: Option<Chroma>,
    pub profile: Option<String>,
    pub level: Option<String>,
    pub colour: Colour,
    pub reordered_frames: Option<u8>,
}

/// The place of width and height in an entry, header included.
pub(super) const SIZE_AT: usize = 32;

/// The fixed fields of the entry, and the boxes after them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub width: u16,
    pub height: u16,
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

/// A described video entry.
pub(super) struct Description {
    pub codec: Codec,
    /// The codecs parameter for an entry of type [`format`](Self::format).
    pub codecs: String,
    pub video: Video,
    /// The type of the entry after repairs.
    pub format: FourCc,
}

/// Describes an entry. `format` is its type before encryption. With `may_repair` the type may change.
pub(super) fn describe(
    format: FourCc,
    fields: Fields<'_>,
    may_repair: bool,
    warnings: &mut Vec<Warning>,
) -> Description {
    let boxes = fields.boxes;
    let container = Colour::from_boxes(boxes).unwrap_or_default();
    let mut emitted = format;
    let (codec, codecs, config) = match &format.0 {
        b"avc1" | b"avc3" | b"dva1" | b"dvav" => {
            let avc = avc::AvcConfig::from_boxes(boxes, warnings);
            if may_repair && avc.has_parameter_sets && format.0 == *b"avc3" {
                emitted = FourCc(*b"avc1");
            }
            (Codec::H264, avc.codecs(emitted), avc.video)
        }
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => {
            let hevc = hevc::HevcConfig::from_boxes(boxes, warnings);
            if may_repair && hevc.has_parameter_sets {
                emitted = match &format.0 {
                    b"hev1" => FourCc(*b"hvc1"),
                    b"dvhe" => FourCc(*b"dvh1"),
                    _ => format,
                };
            }
            (Codec::Hevc, hevc.codecs(emitted), hevc.video)
        }
        b"av01" | b"dav1" => {
            let av1 = av1::Av1Config::from_boxes(boxes, warnings);
            let colour = container.or(av1.video.colour);
            (Codec::Av1, av1.codecs(&colour), av1.video)
        }
        b"vp09" | b"vp08" => {
            let vp = vpx::VpConfig::from_boxes(boxes, warnings);
            let colour = container.or(vp.video.colour);
            let codec = if format.0 == *b"vp08" { Codec::Vp8 } else { Codec::Vp9 };
            (codec, vp.codecs(format, &colour), vp.video)
        }
        b"mp4v" => {
            let esds = boxes.body(b"esds").and_then(Esds::read);
            let (codec, codecs) = mpeg_video(esds.as_ref());
            (codec, codecs, VideoConfig::default())
        }
        _ => (Codec::from_format(format), format.as_codecs(), VideoConfig::default()),
    };
    let colour = container.or(config.colour);
    let dolby_vision = DolbyVision::from_boxes(boxes, emitted, &colour);
    // CODECS names Dolby Vision only for an entry of Dolby Vision's own type; otherwise it names the base
    // layer, which every player of the codec can decode.
    let codecs = match (&dolby_vision, &emitted.0) {
        (Some(vision), b"dvh1" | b"dvhe" | b"dva1" | b"dvav" | b"dav1") => vision.codecs.clone(),
        _ => codecs,
    };
    if let (Some(declared), Some(stream)) = (container.range(), config.colour.range())
        && declared != stream
    {
        warnings.push(Warning::RangesDiffer { container: declared, stream });
    }
    let range = match (colour.range(), &dolby_vision) {
        (Some(range), _) => range,
        // Profile 5 has its own colour representation and declares no code points.
        (None, Some(vision)) if vision.profile == 5 => VideoRange::Pq,
        (None, _) => VideoRange::Sdr,
    };
    let (width, height) = match (fields.width, fields.height) {
        (0, _) | (_, 0) => config.size.unwrap_or((fields.width, fields.height)),
        size => size,
    };
    let declared = SampleAspect::from_boxes(boxes);
    let video = Video {
        width,
        height,
        sample_aspect: declared.or(config.aspect).unwrap_or(SampleAspect::SQUARE),
        declares_aspect: declared.is_some(),
        clean_aperture: clean_aperture(boxes, (width.into(), height.into())),
        scan: Scan::new(codec, boxes, config.scan),
        bit_depth: config.bit_depth,
        chroma: config.chroma,
        profile: config.profile,
        level: config.level,
        colour,
        range,
        dolby_vision,
        reordered_frames: config.reordered_frames,
    };
    Description { codec, codecs, video, format: emitted }
}

fn clean_aperture(boxes: Boxes<'_>, size: (u32, u32)) -> Option<(u32, u32)> {
    let mut fields = Cursor(boxes.body(b"clap")?);
    let mut side = || fields.u32()?.checked_div(fields.u32()?);
    let (width, height) = (side()?, side()?);
    let is_part = (1..=size.0).contains(&width) && (1..=size.1).contains(&height);
    (is_part && (width, height) != size).then_some((width, height))
}

/// `mp4v`: the object type names the MPEG codec (RFC 6381 section 3.3).
fn mpeg_video(esds: Option<&Esds<'_>>) -> (Codec, String) {
    let Some(esds) = esds else { return (Codec::Mpeg4Visual, "mp4v.20".to_owned()) };
    match esds.object_type {
        0x60..=0x65 => (Codec::Mpeg2Video, format!("mp4v.{:02x}", esds.object_type)),
        0x6a => (Codec::Mpeg1Video, "mp4v.6a".to_owned()),
        0x6c => (Codec::MotionJpeg, "mp4v.6c".to_owned()),
        0x20 => {
            // A visual object sequence starts with its profile and level (ISO/IEC 14496-2
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
