//! Audio sample entries: MP4 (ISO/IEC 14496-12 section 12.2.3) and the three versions of QuickTime's
//! sound description ("QuickTime File Format", "Sound Sample Descriptions").

use super::{
    Bitrate, Boxes, Codec, EntryRefused, FourCc, Warning, aac, ac3, alac, boxes::full_body,
    cursor::Cursor, esds::Esds, flac, opus, repair,
};

/// Audio properties of a sample entry. The codec's own configuration takes precedence, because the fields
/// of the entry are often wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audio {
    /// Number of channels; with Dolby Atmos those of the bed.
    pub channels: u16,
    /// Sample rate in Hz.
    pub sample_rate: u32,
    /// Bits per sample; `None` for lossy codecs.
    pub sample_size: Option<u16>,
    /// Complexity of the joint object coding of Dolby Atmos in Enhanced AC-3, at most 16. CHANNELS of a
    /// playlist is then `16/JOC` (RFC 8216bis section 4.4.6.1).
    pub joc_complexity: Option<u8>,
    /// Whether AAC has no channel configuration, so that only a program config element tells its channels
    /// (ISO/IEC 14496-3, `channelConfiguration` 0). ffmpeg writes 2.1, quad, 5.1(side) and 6.1 so. Files
    /// play; Media Source of browsers refuses the init segment (hls.js#2221, chromium 489520).
    pub has_program_config: bool,
}

/// A codec's own configuration; 0 marks unknown values.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct AudioConfig {
    pub channels: u16,
    pub sample_rate: u32,
    pub sample_size: Option<u16>,
    pub joc_complexity: Option<u8>,
    pub has_program_config: bool,
}

/// MP3 in an `mp4a` entry, as the MPEG-4 object type: Apple's authoring specification names it, libavformat
/// writes it, and hls.js and shaka translate it into the browser's name. Chromium 156 accepts `mp4a.6B` and
/// `mp3` for files, but MP3 in MP4 segments under no name (`MediaSource.isTypeSupported`).
const MP3_CODECS: &str = "mp4a.40.34";

/// The fixed fields of the entry, and the boxes after them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub channels: u16,
    pub sample_size: u16,
    pub sample_rate: u32,
    /// Whether this is QuickTime's version 1 or 2.
    pub is_quicktime: bool,
    pub boxes: Boxes<'a>,
}

impl<'a> Fields<'a> {
    /// Reads an entry without its header.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, EntryRefused> {
        Self::read_any(body).ok_or(EntryRefused::CutShort)
    }

    fn read_any(body: &'a [u8]) -> Option<Self> {
        let mut fields = Cursor(body);
        fields.skip(8)?;
        let version = fields.u16()?;
        fields.skip(6)?;
        let (channels, sample_size) = (fields.u16()?, fields.u16()?);
        fields.skip(4)?;
        // 16.16 fixed point; the fraction is always zero.
        let sample_rate = fields.u32()? >> 16;
        let boxes = Boxes(fields.0);
        let plain = Self { channels, sample_size, sample_rate, is_quicktime: false, boxes };
        match version {
            // Version 1 of MP4 (section 12.2.3.2) differs: the fields of version 0, and a box `srat`
            // with the sample rate. Only the boxes distinguish it from QuickTime's.
            1 if boxes.is_complete() && boxes.iter().next().is_some() => {
                let rate = boxes.body(b"srat").and_then(full_body).and_then(|it| Cursor(it).u32());
                Some(Self { sample_rate: rate.unwrap_or(sample_rate), ..plain })
            }
            1 => {
                fields.skip(16)?;
                Some(Self { is_quicktime: true, boxes: Boxes(fields.0), ..plain })
            }
            2 => {
                // The size of the fixed fields includes the header.
                let size = usize::try_from(fields.u32()?).ok()?;
                let sample_rate = hertz(f64::from_bits(fields.u64()?));
                let channels = u16::try_from(fields.u32()?).unwrap_or(u16::MAX);
                fields.skip(4)?;
                let sample_size = u16::try_from(fields.u32()?).unwrap_or(0);
                fields.skip(12)?;
                let extension = size.checked_sub(8).and_then(|start| body.get(start..));
                let boxes =
                    Boxes(extension.filter(|it| it.len() <= fields.0.len()).unwrap_or(fields.0));
                Some(Self { channels, sample_size, sample_rate, is_quicktime: true, boxes })
            }
            _ => Some(plain),
        }
    }

    /// QuickTime's `wave` box, which wraps the configuration.
    pub(super) fn wave(&self) -> Option<Boxes<'a>> {
        self.boxes.body(b"wave").map(Boxes)
    }

    /// The body of a codec configuration box, from the entry or from QuickTime's `wave`.
    pub(super) fn config(&self, kind: &[u8; 4]) -> Option<&'a [u8]> {
        self.boxes.body(kind).or_else(|| self.wave()?.body(kind))
    }
}

/// Rounds a sample rate; 0 if it is invalid.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates, and invalid rates are excluded"
)]
fn hertz(rate: f64) -> u32 {
    if rate.is_finite() && rate >= 1.0 { rate.round() as u32 } else { 0 }
}

/// A described audio entry.
pub(super) struct Description {
    pub codec: Codec,
    pub codecs: String,
    pub audio: Audio,
    pub bitrate: Option<Bitrate>,
    /// The entry in MP4 form, header included, if it differs from the file's.
    pub rebuilt: Option<Vec<u8>>,
}

/// Describes an entry. `format` is its type before encryption. With `may_repair` the entry may be rebuilt.
pub(super) fn describe(
    format: FourCc,
    body: &[u8],
    fields: &Fields<'_>,
    may_repair: bool,
    warnings: &mut Vec<Warning>,
) -> Description {
    let mut bitrate = None;
    let mut configured = |kind: &[u8; 4], read: fn(&[u8]) -> Option<AudioConfig>| {
        let config = fields.config(kind);
        let parsed = config.and_then(read);
        if parsed.is_none() {
            let kind = FourCc(*kind);
            warnings.push(config.map_or(Warning::Missing(kind), |_| Warning::CutShort(kind)));
        }
        parsed.unwrap_or_default()
    };
    let (codec, codecs, config) = match &format.0 {
        b"mp4a" => {
            let esds = fields.config(b"esds").and_then(Esds::read);
            bitrate = esds.and_then(|esds| Bitrate::new(esds.max_bitrate, esds.avg_bitrate));
            mpeg_audio(esds.as_ref(), warnings)
        }
        b".mp3" | b"ms\0U" => (Codec::Mp3, MP3_CODECS.to_owned(), AudioConfig::default()),
        b"Opus" => (Codec::Opus, "opus".to_owned(), configured(b"dOps", opus::read)),
        b"fLaC" => (Codec::Flac, "fLaC".to_owned(), configured(b"dfLa", flac::read)),
        b"alac" => (Codec::Alac, "alac".to_owned(), configured(b"alac", alac::read)),
        b"ac-3" => (Codec::Ac3, "ac-3".to_owned(), configured(b"dac3", ac3::read_dac3)),
        b"ec-3" => (Codec::Eac3, "ec-3".to_owned(), configured(b"dec3", ac3::read_dec3)),
        _ => {
            let codec = Codec::from_format(format);
            let sample_size = (codec == Codec::Pcm).then(|| pcm_sample_size(format, fields));
            (codec, format.as_codecs(), AudioConfig { sample_size, ..AudioConfig::default() })
        }
    };
    let or_entry = |configured, entry| if configured == 0 { entry } else { configured };
    let audio = Audio {
        channels: or_entry(config.channels, fields.channels),
        sample_rate: if config.sample_rate == 0 { fields.sample_rate } else { config.sample_rate },
        sample_size: config.sample_size,
        joc_complexity: config.joc_complexity,
        has_program_config: config.has_program_config,
    };
    let rebuilt =
        if may_repair { repair::rebuild_audio_entry(format, body, fields, &audio) } else { None };
    Description { codec, codecs, audio, bitrate, rebuilt }
}

/// `mp4a`: the object type names the codec (RFC 6381 section 3.3, and mp4ra.org).
fn mpeg_audio(
    esds: Option<&Esds<'_>>,
    warnings: &mut Vec<Warning>,
) -> (Codec, String, AudioConfig) {
    // AAC-LC for a stream without a readable configuration, because most are.
    let guess = || (Codec::Aac, "mp4a.40.2".to_owned(), AudioConfig::default());
    let Some(esds) = esds else {
        warnings.push(Warning::Missing(FourCc(*b"esds")));
        return guess();
    };
    match esds.object_type {
        0x40 | 0x66..=0x68 => {
            let Some(aac) = aac::AacConfig::read(esds.specific) else {
                warnings.push(Warning::CutShort(FourCc(*b"esds")));
                return guess();
            };
            let config = AudioConfig {
                channels: aac.channels.unwrap_or_default(),
                sample_rate: aac.sample_rate,
                has_program_config: aac.has_program_config,
                ..AudioConfig::default()
            };
            if esds.object_type != 0x40 {
                // AAC of MPEG-2: Main, LC, SSR.
                return (Codec::Aac, format!("mp4a.{:02x}", esds.object_type), config);
            }
            let object_type = aac.signalled_object_type();
            let codec = match object_type {
                5 => Codec::HeAac,
                29 => Codec::HeAacV2,
                34 => Codec::Mp3,
                42 => Codec::XHeAac,
                _ => Codec::Aac,
            };
            (codec, format!("mp4a.40.{object_type}"), config)
        }
        // Layers I to III of MPEG-2 and MPEG-1. Only the stream shows the layer; assume III.
        0x69 | 0x6b => (Codec::Mp3, MP3_CODECS.to_owned(), AudioConfig::default()),
        // AC-3 and E-AC-3, as some muxers write them.
        0xa5 => (Codec::Ac3, "mp4a.a5".to_owned(), AudioConfig::default()),
        0xa6 => (Codec::Eac3, "mp4a.a6".to_owned(), AudioConfig::default()),
        0xa9..=0xac => {
            (Codec::Dts, format!("mp4a.{:02x}", esds.object_type), AudioConfig::default())
        }
        other => {
            (Codec::Other(FourCc(*b"mp4a")), format!("mp4a.{other:02x}"), AudioConfig::default())
        }
    }
}

/// Bits per PCM sample, from the format, its configuration (ISO/IEC 23003-5), or the entry.
fn pcm_sample_size(format: FourCc, fields: &Fields<'_>) -> u16 {
    match &format.0 {
        b"in24" => 24,
        b"in32" | b"fl32" => 32,
        b"fl64" => 64,
        b"ipcm" | b"fpcm" => {
            let size = fields.boxes.body(b"pcmC").and_then(full_body).and_then(|it| it.get(1));
            size.map_or(fields.sample_size, |&size| size.into())
        }
        _ => fields.sample_size,
    }
}
