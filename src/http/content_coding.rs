//! Content codings for text (RFC 9110 section 8.4), by an allow-list of types; never for media, whose
//! coded forms have no ranges.

use std::io::Write as _;

use actix_web::http::header::ACCEPT_ENCODING;
use bytes::Bytes;

use super::fields::Fields;

/// The least length of a coded text, in bytes: a shorter one fits into the packet of the head.
const CODED_BYTES_MIN: usize = 1024;

/// A content coding of responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContentCoding {
    /// `gzip`, which Apple requires for playlists.
    Gzip,
    /// `br`.
    Brotli,
}

impl ContentCoding {
    /// The name in Content-Encoding.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }

    /// Encodes a text, in milliseconds per megabyte: not for an I/O thread.
    pub fn encode(self, text: &[u8]) -> Bytes {
        let coded = match self {
            Self::Gzip => {
                let level = flate2::Compression::default();
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
                writer.write_all(text).and_then(|()| writer.finish())
            }
            Self::Brotli => {
                let mut bytes = Vec::new();
                let (buffer, quality, window_bits) = (4096, 5, 22);
                let mut writer =
                    brotli::CompressorWriter::new(&mut bytes, buffer, quality, window_bits);
                let written = writer.write_all(text);
                drop(writer);
                written.map(|()| bytes)
            }
        };
        Bytes::from(coded.expect("writing to memory does not fail"))
    }
}

/// Whether texts of this type are sent in a coding.
pub fn applies_to(media_type: &str, length: usize) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default();
    let is_text = essence.starts_with("text/")
        || matches!(
            essence,
            "application/json"
                | "application/vnd.apple.mpegurl"
                | "application/dash+xml"
                | "application/x-subrip"
        );
    is_text && length >= CODED_BYTES_MIN
}

/// The best coding that a client accepts (RFC 9110 section 12.5.3); `None` for none.
pub fn negotiate(fields: &impl Fields) -> Option<ContentCoding> {
    let weight = |coding: &str| {
        let members =
            fields.lines(&ACCEPT_ENCODING).filter_map(|line| std::str::from_utf8(line).ok());
        let mut any = None;
        for member in members.flat_map(|line| line.split(',')) {
            let mut parts = member.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let q = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            let weight = q.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
            // `x-gzip` is an old name of gzip (section 8.4.1.3).
            let is_old_gzip = coding == "gzip" && name.eq_ignore_ascii_case("x-gzip");
            if is_old_gzip || name.eq_ignore_ascii_case(coding) {
                return weight;
            }
            if name == "*" {
                any = Some(weight);
            }
        }
        any.unwrap_or(0.0)
    };
    let (brotli, gzip) = (weight("br"), weight("gzip"));
    match (brotli > 0.0, gzip > 0.0) {
        (true, _) if brotli >= gzip => Some(ContentCoding::Brotli),
        (_, true) => Some(ContentCoding::Gzip),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use actix_web::http::header::HeaderValue;

    use actix_web::http::header::HeaderMap;

    use super::*;

    #[test]
    fn the_client_chooses_and_the_server_prefers_the_smaller() {
        for (value, expected) in [
            ("gzip", Some(ContentCoding::Gzip)),
            ("gzip, deflate, br", Some(ContentCoding::Brotli)),
            ("br;q=0.5, gzip", Some(ContentCoding::Gzip)),
            ("br;q=0, gzip;q=0.1", Some(ContentCoding::Gzip)),
            ("*", Some(ContentCoding::Brotli)),
            ("*;q=0, gzip", Some(ContentCoding::Gzip)),
            ("identity", None),
            ("gzip;q=0", None),
            ("gzip;q=x", None),
            ("gzip;q=0, br;q=0, *", None),
            ("x-gzip", Some(ContentCoding::Gzip)),
            ("", None),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(negotiate(&fields), expected, "{value}");
        }
        assert_eq!(negotiate(&HeaderMap::new()), None);
    }

    #[test]
    fn coded_text_decodes_to_itself() {
        let text = "a line of text\n".repeat(1000);
        let mut read = String::new();
        let gzip = ContentCoding::Gzip.encode(text.as_bytes());
        flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut read).expect("gzip");
        assert_eq!(read, text);
        read.clear();
        let br = ContentCoding::Brotli.encode(text.as_bytes());
        brotli::Decompressor::new(&br[..], 4096).read_to_string(&mut read).expect("brotli");
        assert_eq!(read, text);
    }

    #[test]
    fn media_is_never_coded() {
        assert!(applies_to("text/vtt; charset=utf-8", 2000));
        assert!(!applies_to("text/vtt; charset=utf-8", 20));
        assert!(!applies_to("video/mp4", 2000));
        assert!(!applies_to("image/jpeg", 2000));
    }
}
