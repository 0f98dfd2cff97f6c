//! Files in other containers than MP4 and QuickTime: whether browsers play them as they are, and what else
//! their heads tell. Their samples are known only after a remux.

use super::report::{Plays, Verdict};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        codec::{Codec, FourCc},
        matroska_head::{self, Head},
    },
    package::container::{Container, FIRST_BYTES},
};

/// Codecs of Matroska that browsers decode, by the beginning of their identifiers: yes if WebM may have them.
const DECODED: [(&str, Plays); 11] = [
    ("V_VP8", Plays::Yes),
    ("V_VP9", Plays::Yes),
    ("V_AV1", Plays::Yes),
    ("V_MPEG4/ISO/AVC", Plays::Depends),
    ("V_MPEGH/ISO/HEVC", Plays::Depends),
    ("A_OPUS", Plays::Yes),
    ("A_VORBIS", Plays::Yes),
    ("A_AAC", Plays::Depends),
    ("A_FLAC", Plays::Depends),
    ("A_MPEG/L3", Plays::Depends),
    ("A_PCM", Plays::Depends),
];

/// Other codecs that people know by a name.
const NOT_DECODED: [(&str, Codec); 8] = [
    ("V_MPEG4", Codec::Mpeg4Visual),
    ("V_MPEG2", Codec::Mpeg2Video),
    ("V_MPEG1", Codec::Mpeg1Video),
    ("V_PRORES", Codec::ProRes),
    ("A_AC3", Codec::Ac3),
    ("A_EAC3", Codec::Eac3),
    ("A_DTS", Codec::Dts),
    ("A_TRUEHD", Codec::Other(FourCc(*b"mlpa"))),
];

const SAFARI_DEPENDS: &str =
    "Chrome and Firefox play the file as it is; Safari depends on its version";

/// The head of a file in another container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Foreign {
    /// The container.
    pub container: Container,
    /// Whether it has video; `None` if its head does not tell.
    pub has_video: Option<bool>,
    /// The duration in milliseconds, if its head tells.
    pub duration_ms: Option<u64>,
    /// Width and height of the video as displayed, if its head tells.
    pub size: Option<(u32, u32)>,
    /// Whether the video has a high dynamic range, if its head tells.
    pub is_hdr: Option<bool>,
    /// How browsers play the file as it is.
    pub browsers: Verdict,
}

impl Foreign {
    /// Reads the head of a file; `None` if it is MP4 or QuickTime, or its container is unknown.
    pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Option<Self>, ReadError> {
        let length = usize::try_from(source.len()).unwrap_or(usize::MAX).min(FIRST_BYTES);
        let mut first = vec![0; length];
        source.read_exact_at(0, &mut first)?;
        let Some(container) = Container::detect(&first) else { return Ok(None) };
        let unknown = Self {
            container,
            has_video: None,
            duration_ms: None,
            size: None,
            is_hdr: None,
            browsers: no(container),
        };
        let audio = |duration_ms, browsers| Self {
            has_video: Some(false),
            duration_ms,
            browsers,
            ..unknown.clone()
        };
        Ok(match container {
            Container::IsoMedia => None,
            Container::WebM | Container::Matroska => {
                let head = matroska_head::read(source)?;
                Some(Self {
                    has_video: match (head.video.is_empty(), head.audio.is_empty()) {
                        (true, true) => None,
                        (is_audio, _) => Some(!is_audio),
                    },
                    duration_ms: head.duration_ms,
                    size: head.size,
                    is_hdr: (!head.video.is_empty()).then_some(head.is_hdr),
                    browsers: matroska(container, &head),
                    ..unknown
                })
            }
            Container::Mp3 | Container::Adts => Some(audio(None, everywhere())),
            Container::Flac => Some(audio(flac_duration_ms(&first), everywhere())),
            Container::Wave => Some(audio(wave_duration_ms(&first), wave(&first))),
            Container::Ogg => {
                Some(Self { has_video: ogg_has_video(&first), browsers: ogg(&first), ..unknown })
            }
            Container::Caf | Container::Aiff | Container::Ac3 => Some(audio(None, no(container))),
            _ => Some(unknown),
        })
    }
}

fn everywhere() -> Verdict {
    Verdict { plays: Plays::Yes, reason: "all browsers play the file as it is".to_owned() }
}

fn no(container: Container) -> Verdict {
    Verdict { plays: Plays::No, reason: format!("browsers do not play {}", container.name()) }
}

/// Browsers play WebM with the codecs that it may have; Matroska depends on the browser.
fn matroska(container: Container, head: &Head) -> Verdict {
    let codecs = || head.video.iter().chain(&head.audio);
    let not_decoded: Vec<_> = codecs().filter_map(|codec| decoding(codec).err()).collect();
    let (plays, reason) = match codecs().filter_map(|codec| decoding(codec).ok()).max() {
        _ if !not_decoded.is_empty() => {
            (Plays::No, format!("no decoder for {}", not_decoded.join(" and ")))
        }
        None => (Plays::No, "its head names no tracks".to_owned()),
        Some(Plays::Yes) if container == Container::WebM => (Plays::Yes, SAFARI_DEPENDS.to_owned()),
        Some(_) => {
            let reason =
                "Matroska depends on the browser: Chrome and new versions of Firefox play it";
            (Plays::Depends, reason.to_owned())
        }
    };
    Verdict { plays, reason }
}

/// Whether browsers decode a codec; the error is its name.
fn decoding(codec: &str) -> Result<Plays, String> {
    if let Some((_, plays)) = DECODED.iter().find(|(begin, _)| codec.starts_with(begin)) {
        return Ok(*plays);
    }
    Err(match NOT_DECODED.iter().find(|(begin, _)| codec.starts_with(begin)) {
        Some((_, known)) => known.to_string(),
        None => codec.replace(char::is_control, ""),
    })
}

/// The packet of the first page of Ogg, which names the codec of the first stream (RFC 3533 section 6).
fn ogg_packet(first: &[u8]) -> &[u8] {
    let segments = first.get(26).map_or(0, |count| usize::from(*count));
    first.get(27 + segments..).unwrap_or_default()
}

fn ogg_has_video(first: &[u8]) -> Option<bool> {
    match ogg_packet(first) {
        packet if packet.starts_with(b"\x80theora") => Some(true),
        packet if is_ogg_audio(packet) => Some(false),
        _ => None,
    }
}

fn is_ogg_audio(packet: &[u8]) -> bool {
    [&b"OpusHead"[..], b"\x01vorbis", b"\x7fFLAC"].iter().any(|magic| packet.starts_with(magic))
}

fn ogg(first: &[u8]) -> Verdict {
    if !is_ogg_audio(ogg_packet(first)) {
        let reason = "browsers have no decoder for the codec of its first stream".to_owned();
        return Verdict { plays: Plays::No, reason };
    }
    Verdict { plays: Plays::Yes, reason: SAFARI_DEPENDS.to_owned() }
}

/// The chunks of WAV in the first bytes: their names, lengths, and what of them is there.
fn wave_chunks(first: &[u8]) -> impl Iterator<Item = (&[u8], u32, &[u8])> {
    let mut rest = first.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, after) = rest.split_at_checked(4)?;
        let (length, body) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        // A chunk of odd length is padded.
        let next = usize::try_from(length).ok()?.checked_add(1)? & !1;
        rest = body.get(next..).unwrap_or_default();
        Some((name, length, body))
    })
}

fn wave_chunk<'a>(first: &'a [u8], wanted: &[u8]) -> Option<(u32, &'a [u8])> {
    let found = wave_chunks(first).find(|(name, ..)| *name == wanted);
    found.map(|(_, length, body)| (length, body))
}

fn wave_duration_ms(first: &[u8]) -> Option<u64> {
    let (_, format) = wave_chunk(first, b"fmt ")?;
    let bytes_s = u32::from_le_bytes(*format.get(8..)?.first_chunk()?);
    // The largest length means unknown: the writer could not go back to write it, or RF64 has it elsewhere.
    let (length, _) = wave_chunk(first, b"data").filter(|(length, _)| *length != u32::MAX)?;
    (u64::from(length) * 1000).checked_div(u64::from(bytes_s)).filter(|ms| *ms > 0)
}

/// Browsers play uncompressed samples: integers, floats, or those of the extended form.
fn wave(first: &[u8]) -> Verdict {
    let format = wave_chunk(first, b"fmt ").and_then(|(_, format)| format.first_chunk::<2>());
    if matches!(format.map(|tag| u16::from_le_bytes(*tag)), Some(1 | 3 | 0xfffe)) {
        return everywhere();
    }
    let reason = "compressed WAV depends on the browser".to_owned();
    Verdict { plays: Plays::Depends, reason }
}

/// The duration in `STREAMINFO` (RFC 9639 section 8.2): 20 bits of sample rate, and 36 of their number.
fn flac_duration_ms(first: &[u8]) -> Option<u64> {
    let fields = u64::from_be_bytes(*first.get(18..)?.first_chunk()?);
    let (rate, samples) = (fields >> 44, fields & ((1 << 36) - 1));
    (samples * 1000).checked_div(rate).filter(|ms| *ms > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Foreign {
        Foreign::read(bytes).expect("in memory").expect("another container")
    }

    #[test]
    fn mp4_and_unknown_files_are_none() {
        for bytes in [&b""[..], b"text", b"\0\0\0\x14ftypisom\0\0\0\0isom"] {
            assert_eq!(Foreign::read(bytes).expect("in memory"), None);
        }
    }

    #[test]
    fn wav_and_flac_tell_their_durations() {
        let wave = [
            &b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0"[..],
            &44_100_u32.to_le_bytes(),
            &176_400_u32.to_le_bytes(),
            b"\x04\0\x10\0LIST\x03\0\0\0abc\0data",
            &352_800_u32.to_le_bytes(),
        ]
        .concat();
        let found = read(&wave);
        assert_eq!((found.duration_ms, found.browsers.plays), (Some(2000), Plays::Yes));
        for unknown in [0, u32::MAX] {
            let streamed = [&wave[..wave.len() - 4], &unknown.to_le_bytes()].concat();
            assert_eq!(read(&streamed).duration_ms, None);
        }
        let fields = 48_000_u64 << 44 | 96_000;
        let flac = [&b"fLaC\0\0\0\x22"[..], &[0; 10], &fields.to_be_bytes(), &[0; 16]].concat();
        let found = read(&flac);
        assert_eq!((found.duration_ms, found.browsers.plays), (Some(2000), Plays::Yes));
        // Cut ones tell none.
        for length in 4..wave.len() {
            Foreign::read(&wave[..length]).expect("in memory");
        }
    }

    #[test]
    fn of_ogg_the_codec_decides() {
        let page = |packet: &[u8]| [&b"OggS"[..], &[0; 22], &[1, 30], packet].concat();
        for (packet, has_video, plays) in [
            (&b"OpusHead"[..], Some(false), Plays::Yes),
            (b"\x01vorbis", Some(false), Plays::Yes),
            (b"\x80theora", Some(true), Plays::No),
            (b"Speex   ", None, Plays::No),
        ] {
            let found = read(&page(packet));
            assert_eq!((found.has_video, found.browsers.plays), (has_video, plays), "{packet:?}");
        }
    }
}
