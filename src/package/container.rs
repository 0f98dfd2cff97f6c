//! The container of a file, by its first bytes.

/// The number of bytes that detection needs.
pub const FIRST_BYTES: usize = 4096;

/// The bytes of a file of Matroska in which the kind of its document is searched: its first element.
const DOC_TYPE_BYTES: usize = 128;

/// A container, or the only stream of a file without one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is the container's name; see name()")]
pub enum Container {
    /// MP4, QuickTime and related formats.
    IsoMedia,
    WebM,
    Matroska,
    TransportStream,
    ProgramStream,
    Avi,
    Wave,
    WebP,
    FlashVideo,
    Asf,
    Ogg,
    Flac,
    Mxf,
    Ivf,
    Caf,
    Aiff,
    Png,
    Jpeg,
    Gif,
    Mp3,
    Adts,
    Ac3,
}

impl Container {
    /// The container of a file with these first bytes; `None` if it is unknown.
    pub fn detect(first: &[u8]) -> Option<Self> {
        let at = |offset: usize, magic: &[u8]| {
            first.get(offset..).is_some_and(|rest| rest.starts_with(magic))
        };
        let is_matroska = at(0, b"\x1A\x45\xDF\xA3");
        let is_riff = at(0, b"RIFF");
        let containers = [
            (is_iso_media(first), Self::IsoMedia),
            (is_matroska && is_webm(first), Self::WebM),
            (is_matroska, Self::Matroska),
            (is_transport_stream(first), Self::TransportStream),
            (at(0, b"\x00\x00\x01\xBA"), Self::ProgramStream),
            (is_riff && (at(8, b"AVI ") || at(8, b"AVIX")), Self::Avi),
            ((is_riff || at(0, b"RF64")) && at(8, b"WAVE"), Self::Wave),
            (is_riff && at(8, b"WEBP"), Self::WebP),
            (at(0, b"FLV\x01"), Self::FlashVideo),
            (at(0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11"), Self::Asf),
            (at(0, b"OggS"), Self::Ogg),
            (at(0, b"fLaC"), Self::Flac),
            (at(0, b"\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02"), Self::Mxf),
            (at(0, b"DKIF"), Self::Ivf),
            (at(0, b"caff"), Self::Caf),
            (at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")), Self::Aiff),
            (at(0, b"\x89PNG\r\n\x1A\n"), Self::Png),
            (at(0, b"\xFF\xD8\xFF"), Self::Jpeg),
            (at(0, b"GIF87a") || at(0, b"GIF89a"), Self::Gif),
            (at(0, b"ID3") || is_mpeg_audio(first), Self::Mp3),
            (is_adts(first), Self::Adts),
            (at(0, b"\x0B\x77"), Self::Ac3),
        ];
        containers.into_iter().find_map(|(matches, container)| matches.then_some(container))
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::IsoMedia => "MP4 or QuickTime",
            Self::WebM => "WebM",
            Self::Matroska => "Matroska",
            Self::TransportStream => "MPEG transport stream",
            Self::ProgramStream => "MPEG program stream",
            Self::Avi => "AVI",
            Self::Wave => "WAV",
            Self::WebP => "WebP",
            Self::FlashVideo => "Flash Video",
            Self::Asf => "Windows Media (ASF)",
            Self::Ogg => "Ogg",
            Self::Flac => "FLAC",
            Self::Mxf => "MXF",
            Self::Ivf => "IVF",
            Self::Caf => "Core Audio Format",
            Self::Aiff => "AIFF",
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Gif => "GIF",
            Self::Mp3 => "MP3",
            Self::Adts => "AAC (ADTS)",
            Self::Ac3 => "AC-3",
        }
    }
}

/// Whether the head of a file of Matroska calls it WebM: `DocType` is an element of four letters.
fn is_webm(first: &[u8]) -> bool {
    let head = &first[..first.len().min(DOC_TYPE_BYTES)];
    memchr::memmem::find(head, b"\x42\x82\x84webm").is_some()
}

/// QuickTime, MP4 and related formats: the file starts with a box of a known type.
fn is_iso_media(first: &[u8]) -> bool {
    let kinds =
        [b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"sidx", b"free", b"skip", b"wide", b"pnot"];
    first.get(4..8).is_some_and(|kind| kinds.iter().any(|known| kind == *known))
}

/// Packets of 188 bytes, of 192 with a timestamp before each, or of 204 with a checksum after each. A
/// recording may start within a packet.
fn is_transport_stream(first: &[u8]) -> bool {
    const PACKETS: usize = 5;
    [188, 192, 204].into_iter().any(|size| {
        let from = |start: usize| (0..PACKETS).all(|n| first.get(start + n * size) == Some(&0x47));
        (0..size).any(from)
    })
}

/// A frame header of layer II or III with a valid version, bit rate and sampling rate.
fn is_mpeg_audio(first: &[u8]) -> bool {
    let Some(&[sync, kind, rates, _]) = first.first_chunk::<4>() else { return false };
    let is_sync = sync == 0xFF && kind & 0xE0 == 0xE0 && kind & 0x18 != 0x08;
    let is_layer = matches!(kind & 0x06, 0x02 | 0x04);
    is_sync && is_layer && !matches!(rates & 0xF0, 0x00 | 0xF0) && rates & 0x0C != 0x0C
}

/// An ADTS frame header of AAC.
fn is_adts(first: &[u8]) -> bool {
    first.first_chunk::<2>().is_some_and(|[sync, kind]| *sync == 0xFF && kind & 0xF6 == 0xF0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_starts_within_a_packet_is_detected() {
        for (size, start) in [(188, 0), (188, 100), (192, 4), (204, 203)] {
            let mut bytes = vec![0; FIRST_BYTES];
            bytes.iter_mut().skip(start).step_by(size).for_each(|byte| *byte = 0x47);
            assert_eq!(
                Container::detect(&bytes),
                Some(Container::TransportStream),
                "{size} from {start}"
            );
        }
    }
}
