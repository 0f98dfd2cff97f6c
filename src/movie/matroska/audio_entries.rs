//! Audio sample entries.

use super::{
    entries::{boxed, esds, full_box},
    frame_lengths::AacCore,
    tracks::TrackEntry,
};

/// The stream type of audio (ISO/IEC 14496-1 table 6).
const AUDIO: u8 = 5;

pub(super) fn build(track: &TrackEntry, first_frame: &[u8]) -> Result<Vec<u8>, String> {
    let configuration = &track.configuration[..];
    let missing = || "its codec configuration is missing or invalid".to_owned();
    let no_frame = || "its first frame has no valid header".to_owned();
    let rate = track.audio.hertz();
    let mpeg = |kind, specific: &[u8]| full_box(b"esds", &esds(kind, AUDIO, specific));
    let bits = track.audio.bit_depth.unwrap_or(16);
    let (kind, sample_size, config) = match track.codec.as_str() {
        "A_AAC" => match AacCore::parse(configuration) {
            Some(_) => (b"mp4a", 16, mpeg(0x40, configuration)),
            None => return Err(missing()),
        },
        codec if codec.starts_with("A_AAC/") => {
            let specific = old_aac(codec, rate, track.audio.channels).ok_or_else(missing)?;
            (b"mp4a", 16, mpeg(0x40, &specific))
        }
        "A_MPEG/L3" => (b"mp4a", 16, mpeg(if rate < 32_000 { 0x69 } else { 0x6B }, &[])),
        "A_MPEG/L2" | "A_MPEG/L1" => (b".mp2", 16, Vec::new()),
        "A_OPUS" => (b"Opus", 16, boxed(b"dOps", &opus(configuration).ok_or_else(missing)?)),
        "A_FLAC" => {
            let info = flac(configuration).ok_or_else(missing)?;
            // The last of the metadata blocks, of this type and length. Chromium rejects another sample size.
            let size = u16::from(info[12] & 1) << 4 | u16::from(info[13] >> 4);
            (b"fLaC", size + 1, full_box(b"dfLa", &[&[0x80, 0, 0, 34], &info[..]].concat()))
        }
        "A_ALAC" if configuration.len() < 24 => return Err(missing()),
        "A_ALAC" => (b"alac", configuration[5].into(), full_box(b"alac", configuration)),
        "A_AC3" | "A_AC3/BSID9" | "A_AC3/BSID10" => {
            (b"ac-3", 16, boxed(b"dac3", &ac3(first_frame).ok_or_else(no_frame)?))
        }
        "A_EAC3" => (b"ec-3", 16, boxed(b"dec3", &eac3(first_frame).ok_or_else(no_frame)?)),
        codec if codec.starts_with("A_DTS") => (b"dtsc", 16, Vec::new()),
        "A_TRUEHD" | "A_MLP" => (b"mlpa", 16, Vec::new()),
        "A_PCM/INT/LIT" => (b"sowt", bits, Vec::new()),
        "A_PCM/INT/BIG" => (b"twos", bits, Vec::new()),
        "A_PCM/FLOAT/IEEE" => (b"fl32", bits, Vec::new()),
        codec => return Err(format!("MP4 has no form for {codec} audio")),
    };
    let mut entry = vec![0, 0, 0, 0, 0, 0, 0, 1];
    entry.extend([0; 8]);
    entry.extend(track.audio.channels.to_be_bytes());
    entry.extend(sample_size.to_be_bytes());
    entry.extend([0; 4]);
    // The configuration declares a rate that exceeds 16 bits.
    entry.extend(u16::try_from(rate).unwrap_or(0).to_be_bytes());
    entry.extend([0; 2]);
    entry.extend(config);
    Ok(boxed(kind, &entry))
}

/// AudioSpecificConfig for the identifiers of old files, which name the profile and have no configuration.
fn old_aac(codec: &str, rate: u32, channels: u16) -> Option<[u8; 2]> {
    const RATES: [u32; 12] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000,
    ];
    let object_type: u16 = match codec.rsplit('/').next()? {
        "MAIN" => 1,
        // Replication is found by decoders.
        "LC" | "SBR" => 2,
        "SSR" => 3,
        "LTP" => 4,
        _ => return None,
    };
    let index = RATES.iter().position(|known| *known == rate)?;
    let channels = if channels == 8 { 7 } else { channels };
    let packed = object_type << 11 | u16::try_from(index).ok()? << 7 | (channels & 15) << 3;
    Some(packed.to_be_bytes())
}

/// `dOps` from the header of Ogg (RFC 7845 section 5.1), which has other byte order.
fn opus(header: &[u8]) -> Option<Vec<u8>> {
    let body = header.strip_prefix(b"OpusHead")?;
    let [_, channels, skip_low, skip_high, a, b, c, d, gain_low, gain_high, family, mapping @ ..] =
        body
    else {
        return None;
    };
    let mut config =
        vec![0, *channels, *skip_high, *skip_low, *d, *c, *b, *a, *gain_high, *gain_low];
    config.push(*family);
    if *family != 0 {
        // Streams, coupled streams, and one number for each channel.
        config.extend(mapping.get(..2 + usize::from(*channels))?);
    }
    Some(config)
}

/// STREAMINFO (RFC 9639 section 8.2), without its header.
fn flac(configuration: &[u8]) -> Option<[u8; 34]> {
    let blocks = configuration.strip_prefix(b"fLaC").unwrap_or(configuration);
    match blocks {
        [head, 0, 0, 34, info @ ..] if head & 0x7F == 0 => info.first_chunk().copied(),
        _ => None,
    }
}

/// A reader of the headers of frames, most significant bit first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }
}

/// The fields of a box, in order: value and number of bits.
fn packed(fields: &[(u32, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut value, mut bits) = (0_u64, 0);
    for (field, width) in fields {
        (value, bits) = (value << width | u64::from(*field), bits + width);
        while bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(value >> bits & 0xFF).unwrap_or(0));
        }
    }
    bytes
}

/// `dac3` (ETSI TS 102 366 section F.4) from the header of a frame (section 4.3).
fn ac3(frame: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits { bytes: frame, at: 0 };
    if bits.take(16)? != 0x0B77 {
        return None;
    }
    bits.take(16)?;
    let rate = bits.take(2)?;
    let size = bits.take(6)?;
    let (id, mode) = (bits.take(5)?, bits.take(3)?);
    let acmod = bits.take(3)?;
    skip_mix_levels(&mut bits, acmod)?;
    let lfe = bits.take(1)?;
    Some(packed(&[(rate, 2), (id, 5), (mode, 3), (acmod, 3), (lfe, 1), (size >> 1, 5), (0, 5)]))
}

/// The mix levels of AC-3 in front of `lfeon`.
fn skip_mix_levels(bits: &mut Bits<'_>, acmod: u32) -> Option<()> {
    if acmod & 1 == 1 && acmod != 1 {
        bits.take(2)?;
    }
    if acmod & 4 != 0 {
        bits.take(2)?;
    }
    if acmod == 2 {
        bits.take(2)?;
    }
    Some(())
}

/// A substream of Enhanced AC-3 (section E.1.2).
struct Substream {
    is_dependent: bool,
    bytes: usize,
    rate: u32,
    id: u32,
    mode: u32,
    acmod: u32,
    lfe: u32,
    /// `chanmap` of a dependent substream.
    channel_map: Option<u32>,
    /// The complexity of joint object coding, if the additional information has it.
    joc: Option<u32>,
}

/// `dec3` (section F.6) from the first packet: one independent substream, and those that depend on it.
fn eac3(packet: &[u8]) -> Option<Vec<u8>> {
    let first = Substream::parse(packet)?;
    let (mut dependent, mut locations) = (0_u32, 0_u32);
    let mut joc = first.joc;
    let mut rest = packet.get(first.bytes..).unwrap_or_default();
    while let Some(next) = Substream::parse(rest).filter(|next| next.is_dependent && dependent < 8)
    {
        dependent += 1;
        locations |= next.channel_map.map_or(0, locations_of);
        joc = joc.or(next.joc);
        rest = rest.get(next.bytes..).unwrap_or_default();
    }
    let mut fields = vec![
        // The data rate is unknown here.
        (0, 13),
        (0, 3),
        (first.rate, 2),
        (first.id, 5),
        (0, 2),
        (first.mode, 3),
        (first.acmod, 3),
        (first.lfe, 1),
        (0, 3),
        (dependent, 4),
    ];
    fields.push(if dependent > 0 { (locations, 9) } else { (0, 1) });
    if let Some(complexity) = joc {
        fields.extend([(0, 7), (1, 1), (complexity, 8)]);
    }
    Some(packed(&fields))
}

/// `chan_loc` of `dec3` (table F.6.2) for the bits of `chanmap` (table E.1.5), most significant first.
fn locations_of(channel_map: u32) -> u32 {
    // From Lc/Rc pair to LFE2, by the place in `chanmap` from the front.
    const PLACES: [(u32, u32); 9] =
        [(5, 0), (6, 1), (7, 2), (8, 3), (9, 4), (10, 5), (11, 6), (12, 7), (14, 8)];
    let is_set = |place: u32| channel_map >> (15 - place) & 1 == 1;
    PLACES.iter().filter(|(place, _)| is_set(*place)).map(|(_, bit)| 1 << bit).sum()
}

impl Substream {
    fn parse(frame: &[u8]) -> Option<Self> {
        let mut bits = Bits { bytes: frame, at: 0 };
        if bits.take(16)? != 0x0B77 {
            return None;
        }
        let is_dependent = bits.take(2)? == 1;
        bits.take(3)?;
        let bytes = (usize::try_from(bits.take(11)?).ok()? + 1) * 2;
        let rate = bits.take(2)?;
        let blocks = if rate == 3 {
            bits.take(2)?;
            6
        } else {
            [1, 2, 3, 6][usize::try_from(bits.take(2)?).ok()? & 3]
        };
        let (acmod, lfe) = (bits.take(3)?, bits.take(1)?);
        let id = bits.take(5)?;
        let mut substream = Self {
            is_dependent,
            bytes,
            rate,
            id,
            mode: 0,
            acmod,
            lfe,
            channel_map: None,
            joc: None,
        };
        // What follows is optional, and damage there costs only what it says.
        substream.read_rest(&mut bits, blocks);
        Some(substream)
    }

    /// The fields of `bsi()` up to the additional information.
    fn read_rest(&mut self, bits: &mut Bits<'_>, blocks: u32) -> Option<()> {
        let programs = if self.acmod == 0 { 2 } else { 1 };
        for _ in 0..programs {
            bits.take(5)?;
            if bits.flag()? {
                bits.take(8)?;
            }
        }
        if self.is_dependent && bits.flag()? {
            self.channel_map = Some(bits.take(16)?);
        }
        if bits.flag()? {
            self.skip_mixing(bits, blocks)?;
        }
        if bits.flag()? {
            self.read_information(bits)?;
        }
        if !self.is_dependent && blocks != 6 {
            bits.take(1)?;
        }
        if bits.flag()? {
            bits.take(6)?;
            // Extension type A (ETSI TS 103 420 section 8.3.2).
            bits.take(7)?;
            if bits.flag()? {
                self.joc = Some(bits.take(8)?);
            }
        }
        Some(())
    }

    /// `mixmdate` and what follows it.
    fn skip_mixing(&self, bits: &mut Bits<'_>, blocks: u32) -> Option<()> {
        let acmod = self.acmod;
        if acmod > 2 {
            bits.take(2)?;
        }
        if acmod & 1 == 1 && acmod > 2 {
            bits.take(6)?;
        }
        if acmod & 4 != 0 {
            bits.take(6)?;
        }
        if self.lfe == 1 && bits.flag()? {
            bits.take(5)?;
        }
        if self.is_dependent {
            return Some(());
        }
        let programs = if acmod == 0 { 2 } else { 1 };
        for _ in 0..programs {
            if bits.flag()? {
                bits.take(6)?;
            }
        }
        if bits.flag()? {
            bits.take(6)?;
        }
        match bits.take(2)? {
            1 => drop(bits.take(5)?),
            2 => drop(bits.take(12)?),
            3 => {
                let length = usize::try_from(bits.take(5)?).ok()? + 2;
                bits.at = bits.at.checked_add(8 * length)?;
            }
            _ => {}
        }
        if acmod < 2 {
            for _ in 0..programs {
                if bits.flag()? {
                    bits.take(14)?;
                }
            }
        }
        if bits.flag()? {
            if blocks == 1 {
                bits.take(5)?;
            } else {
                for _ in 0..blocks {
                    if bits.flag()? {
                        bits.take(5)?;
                    }
                }
            }
        }
        Some(())
    }

    /// `infomdate` and what follows it.
    fn read_information(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        self.mode = bits.take(3)?;
        bits.take(2)?;
        if self.acmod == 2 {
            bits.take(4)?;
        }
        if self.acmod >= 6 {
            bits.take(2)?;
        }
        let programs = if self.acmod == 0 { 2 } else { 1 };
        for _ in 0..programs {
            if bits.flag()? {
                bits.take(8)?;
            }
        }
        if self.rate < 3 {
            bits.take(1)?;
        }
        Some(())
    }
}
