//! Files in other containers than MP4 and QuickTime: whether browsers play them as they are, and what else
//! their heads tell. Their samples are known only after a remux.

use super::report::{Plays, Verdict};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        MatroskaSummary,
        codec::{Codec, FourCc},
        heads::{self, asf, avi, flac, mp3, ogg, transport_stream, wave},
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
    /// Whether it carries cover art.
    pub has_cover: bool,
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
        let of_head = |head: heads::Head, browsers| Self {
            container,
            has_video: head.has_video,
            duration_ms: head.duration_ms,
            size: head.size,
            is_hdr: None,
            has_cover: head.has_cover,
            browsers,
        };
        let not_played = |head| of_head(head, no(container));
        Ok(match container {
            Container::IsoMedia => None,
            Container::WebM | Container::Matroska => {
                let head = MatroskaSummary::read(source)?;
                Some(Self {
                    container,
                    has_video: match (head.video.is_empty(), head.audio.is_empty()) {
                        (true, true) => None,
                        (is_audio, _) => Some(!is_audio),
                    },
                    duration_ms: head.duration_ms,
                    size: head.size,
                    is_hdr: (!head.video.is_empty()).then_some(head.is_hdr),
                    has_cover: false,
                    browsers: matroska(container, &head),
                })
            }
            Container::Mp3 => Some(of_head(mp3::read(source)?, everywhere())),
            Container::Flac => Some(of_head(flac::read(source)?, everywhere())),
            Container::Adts => Some(of_head(audio(), everywhere())),
            Container::Wave => {
                let found = wave::read(source)?;
                Some(of_head(found.head, of_wave(found.format)))
            }
            Container::Ogg => Some(of_head(ogg::read(source)?, of_ogg(&first))),
            Container::Avi => Some(not_played(avi::read(source)?)),
            Container::Asf => Some(not_played(asf::read(source)?)),
            Container::TransportStream => Some(not_played(transport_stream::read(source)?)),
            Container::Caf | Container::Aiff | Container::Ac3 => Some(not_played(audio())),
            _ => Some(not_played(heads::Head::default())),
        })
    }
}

/// The head of audio that tells nothing more.
fn audio() -> heads::Head {
    heads::Head { has_video: Some(false), ..heads::Head::default() }
}

impl Foreign {
    /// Whether the head is broken: in its container the head names the streams, and this one names none.
    pub fn is_broken(&self) -> bool {
        use Container::{Asf, Avi, Matroska, WebM};
        self.has_video.is_none() && matches!(self.container, WebM | Matroska | Avi | Asf)
    }
}

fn everywhere() -> Verdict {
    Verdict { plays: Plays::Yes, reason: "all browsers play the file as it is".to_owned() }
}

fn no(container: Container) -> Verdict {
    Verdict { plays: Plays::No, reason: format!("browsers do not play {}", container.name()) }
}

/// Browsers play WebM with the codecs that it may have; Matroska depends on the browser.
fn matroska(container: Container, head: &MatroskaSummary) -> Verdict {
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

/// Browsers play Ogg if they decode its first stream.
fn of_ogg(first: &[u8]) -> Verdict {
    if !ogg::is_audio(ogg::first_packet(first)) {
        let reason = "browsers have no decoder for the codec of its first stream".to_owned();
        return Verdict { plays: Plays::No, reason };
    }
    Verdict { plays: Plays::Yes, reason: SAFARI_DEPENDS.to_owned() }
}

/// Browsers play uncompressed samples: integers, floats, or those of the extended form.
fn of_wave(format: Option<u16>) -> Verdict {
    if matches!(format, Some(1 | 3 | 0xfffe)) {
        return everywhere();
    }
    let reason = "compressed WAV depends on the browser".to_owned();
    Verdict { plays: Plays::Depends, reason }
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
