//! Audio sample entries: those of MP4 (ISO/IEC 14496-12 section 12.2.3) and the three versions of
//! QuickTime's sound description ("QuickTime File Format", "Sound Sample Descriptions").

use super::{
    Bitrate, Boxes, Codec, EntryRefused, FourCc, Warning, aac, ac3, alac, boxes::full_body,
    cursor::Cursor, esds::Esds, flac, opus, repair,
};

/// An audio track, as far as its sample entry tells: by the codec's own configuration where there
/// is one, since the fields of the entry are often wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audio {
    /// How many channels. Of Dolby Atmos those of the bed.
    pub channels: u16,
    /// Samples in a second, in Hz.
    pub sample_rate: u32,
    /// Bits of a sample; `None` of a codec that does not keep samples as they are.
    pub sample_size: Option<u16>,
    /// Dolby Atmos in Enhanced AC-3: how complex the joint object coding is, 16 at most. CHANNELS of
    /// a playlist is then `16/JOC` (RFC 8216bis section 4.4.6.1).
    pub joc_complexity: Option<u8>,
}

/// What a codec's own configuration says; 0 where it is silent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Sound {
    pub channels: u16,
    pub sample_rate: u32,
    pub sample_size: Option<u16>,
    pub joc_complexity: Option<u8>,
}

/// MP3 in an entry `mp4a`. Of the ways to write it this is the MPEG-4 object type, which Apple's
/// authoring specification names, libavformat writes, and hls.js and shaka translate into what the
/// browser knows. Chromium 156 knows `mp4a.6B` and `mp3` for files, but takes MP3 by no name at all
/// in segments of MP4 (`MediaSource.isTypeSupported`).
const MP3_CODECS: &str = "mp4a.40.34";

/// The fixed fields of the entry, and the boxes behind them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub channels: u16,
    pub sample_size: u16,
    pub sample_rate: u32,
    /// Whether the fields are those of QuickTime, version 1 or 2.
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
        // 16.16 bits, of which the fraction is always zero.
        let sample_rate = fields.u32()? >> 16;
        let boxes = Boxes(fields.0);
        let plain = Self { channels, sample_size, sample_rate, is_quicktime: false, boxes };
        match version {
            // Version 1 is another thing in MP4 (section 12.2.3.2): the same fields, and a box
            // `srat` with the sample rate. The entry does not say which it is, but boxes do.
            1 if boxes.is_whole() && boxes.iter().next().is_some() => {
                let rate = boxes.body(b"srat").and_then(full_body).and_then(|it| Cursor(it).u32());
                Some(Self { sample_rate: rate.unwrap_or(sample_rate), ..plain })
            }
            1 => {
                fields.skip(16)?;
                Some(Self { is_quicktime: true, boxes: Boxes(fields.0), ..plain })
            }
            2 => {
                // The size of the fixed fields counts from the beginning of the header.
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

    /// What QuickTime wraps into one more box, if it is there.
    pub(super) fn wave(&self) -> Option<Boxes<'a>> {
        self.boxes.body(b"wave").map(Boxes)
    }

    /// The body of a box with a codec's configuration, in the entry or where QuickTime puts it.
    pub(super) fn config(&self, kind: &[u8; 4]) -> Option<&'a [u8]> {
        self.boxes.body(kind).or_else(|| self.wave()?.body(kind))
    }
}

/// A sample rate as a number without fraction; 0 if it is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates, and what is no rate is sorted out before"
)]
fn hertz(rate: f64) -> u32 {
    if rate.is_finite() && rate >= 1.0 { rate.round() as u32 } else { 0 }
}

/// What was found out about an audio entry.
pub(super) struct Found {
    pub codec: Codec,
    pub codecs: String,
    pub audio: Audio,
    pub bitrate: Option<Bitrate>,
    /// The entry as MP4 would have it, header included, if it is not so in the file.
    pub rebuilt: Option<Vec<u8>>,
}

/// Describes an entry. `format` is the one behind encryption. `mends` says whether the entry may be
/// made anew.
pub(super) fn describe(
    format: FourCc,
    body: &[u8],
    fields: &Fields<'_>,
    mends: bool,
    doubts: &mut Vec<Warning>,
) -> Found {
    let mut bitrate = None;
    let mut configured = |kind: &[u8; 4], read: fn(&[u8]) -> Option<Sound>| {
        let config = fields.config(kind);
        let sound = config.and_then(read);
        if sound.is_none() {
            let kind = FourCc(*kind);
            doubts.push(config.map_or(Warning::Missing(kind), |_| Warning::CutShort(kind)));
        }
        sound.unwrap_or_default()
    };
    let (codec, codecs, sound) = match &format.0 {
        b"mp4a" => {
            let esds = fields.config(b"esds").and_then(Esds::read);
            bitrate = esds.and_then(|esds| Bitrate::new(esds.max_bitrate, esds.avg_bitrate));
            mpeg_audio(esds.as_ref(), doubts)
        }
        b".mp3" | b"ms\0U" => (Codec::Mp3, MP3_CODECS.to_owned(), Sound::default()),
        b"Opus" => (Codec::Opus, "opus".to_owned(), configured(b"dOps", opus::read)),
        b"fLaC" => (Codec::Flac, "fLaC".to_owned(), configured(b"dfLa", flac::read)),
        b"alac" => (Codec::Alac, "alac".to_owned(), configured(b"alac", alac::read)),
        b"ac-3" => (Codec::Ac3, "ac-3".to_owned(), configured(b"dac3", ac3::read_dac3)),
        b"ec-3" => (Codec::Eac3, "ec-3".to_owned(), configured(b"dec3", ac3::read_dec3)),
        _ => {
            let codec = Codec::of_other(format);
            let sample_size = (codec == Codec::Pcm).then(|| pcm_sample_size(format, fields));
            (codec, format.as_codecs(), Sound { sample_size, ..Sound::default() })
        }
    };
    let or_entry = |configured, entry| if configured == 0 { entry } else { configured };
    let audio = Audio {
        channels: or_entry(sound.channels, fields.channels),
        sample_rate: if sound.sample_rate == 0 { fields.sample_rate } else { sound.sample_rate },
        sample_size: sound.sample_size,
        joc_complexity: sound.joc_complexity,
    };
    let rebuilt = if mends { repair::sound_entry(format, body, fields, &audio) } else { None };
    Found { codec, codecs, audio, bitrate, rebuilt }
}

/// `mp4a`: which codec it is says the object type (RFC 6381 section 3.3, and mp4ra.org).
fn mpeg_audio(esds: Option<&Esds<'_>>, doubts: &mut Vec<Warning>) -> (Codec, String, Sound) {
    // What is said of a stream without a readable configuration: AAC-LC, as most of them are.
    let guess = || (Codec::Aac, "mp4a.40.2".to_owned(), Sound::default());
    let Some(esds) = esds else {
        doubts.push(Warning::Missing(FourCc(*b"esds")));
        return guess();
    };
    match esds.object_type {
        0x40 | 0x66..=0x68 => {
            let Some(config) = aac::Config::read(esds.specific) else {
                doubts.push(Warning::CutShort(FourCc(*b"esds")));
                return guess();
            };
            let sound = Sound {
                channels: config.channels.unwrap_or_default(),
                sample_rate: config.sample_rate,
                ..Sound::default()
            };
            if esds.object_type != 0x40 {
                // AAC of MPEG-2: Main, LC, SSR.
                return (Codec::Aac, format!("mp4a.{:02x}", esds.object_type), sound);
            }
            let object_type = config.named_object_type();
            let codec = match object_type {
                5 => Codec::HeAac,
                29 => Codec::HeAacV2,
                34 => Codec::Mp3,
                42 => Codec::XHeAac,
                _ => Codec::Aac,
            };
            (codec, format!("mp4a.40.{object_type}"), sound)
        }
        // Layers I to III of MPEG-2 and MPEG-1. Only the stream says which; it is III.
        0x69 | 0x6b => (Codec::Mp3, MP3_CODECS.to_owned(), Sound::default()),
        // AC-3 and E-AC-3, which some writers put here.
        0xa5 => (Codec::Ac3, "mp4a.a5".to_owned(), Sound::default()),
        0xa6 => (Codec::Eac3, "mp4a.a6".to_owned(), Sound::default()),
        0xa9..=0xac => (Codec::Dts, format!("mp4a.{:02x}", esds.object_type), Sound::default()),
        other => (Codec::Other(FourCc(*b"mp4a")), format!("mp4a.{other:02x}"), Sound::default()),
    }
}

/// Bits of a sample of PCM, by the format, by its configuration (ISO/IEC 23003-5), or by the entry.
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
