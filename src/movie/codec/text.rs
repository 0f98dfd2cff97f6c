//! Text sample entries (ISO/IEC 14496-12 section 12.5, 14496-30, 3GPP TS 26.245).

use super::{Boxes, Codec, FourCc, SampleEntry, boxes::full_body};

/// The codec of a text entry and its codecs parameter; `None` if the type is unknown. `body` is the entry
/// without header.
pub(super) fn describe(format: FourCc, body: &[u8]) -> Option<(Codec, String)> {
    let codec = match &format.0 {
        b"wvtt" => Codec::WebVtt,
        b"tx3g" => Codec::Tx3g,
        b"text" => Codec::QuickTimeText,
        b"c608" | b"c708" => Codec::ClosedCaptions,
        b"stpp" => return Some((Codec::Ttml, ttml(body).unwrap_or_else(|| "stpp".to_owned()))),
        _ => return None,
    };
    Some((codec, format.to_string()))
}

/// Which samples of a text track are forced: shown even when subtitles are off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ForcedSamples {
    /// None, or the format has no such flag.
    None,
    /// Those with a `frcd` box.
    Some,
    /// All.
    All,
}

/// Which samples are forced, by the display flags of a `tx3g` entry (3GPP TS 26.245 section 5.16; the flags
/// are those of QuickTime File Format, "Subtitle Sample Description").
pub fn forced_samples(entry: &SampleEntry) -> ForcedSamples {
    // After the header of the box, six reserved bytes and a data reference index.
    const FLAGS_AT: usize = 16;
    const SOME: u32 = 0x4000_0000;
    const ALL: u32 = 0x8000_0000;
    let bytes = entry.entry.get(FLAGS_AT..).and_then(<[u8]>::first_chunk);
    match bytes.copied().map(u32::from_be_bytes) {
        _ if entry.codec != Codec::Tx3g => ForcedSamples::None,
        Some(flags) if flags & ALL != 0 => ForcedSamples::All,
        Some(flags) if flags & SOME != 0 => ForcedSamples::Some,
        _ => ForcedSamples::None,
    }
}

/// The namespace of TTML.
const TTML: &[u8] = b"http://www.w3.org/ns/ttml";

/// The parameter of the `mime` box that names the processor profile.
const CODECS: &[u8] = b"codecs=";

/// The codecs parameter of TTML (14496-30 section 5.1), with the processor profile of the `mime` box, else
/// with that of IMSC1 text, the only one that CMAF and HLS define.
fn ttml(body: &[u8]) -> Option<String> {
    let mut strings = body.get(8..)?.splitn(4, |&byte| byte == 0);
    let namespace = strings.next()?;
    if !namespace.starts_with(TTML) {
        return None;
    }
    let (_schema_location, _image_types) = (strings.next()?, strings.next()?);
    let mime = Boxes(strings.next()?).body(b"mime").and_then(full_body);
    let profile = mime.and_then(|mime| {
        let at = mime.windows(CODECS.len()).position(|window| window == CODECS)?;
        let quoted =
            mime[at + CODECS.len()..].split(|&byte| matches!(byte, 0 | b';' | b' ')).next()?;
        let opened = quoted.strip_prefix(b"\"").unwrap_or(quoted);
        let value = opened.strip_suffix(b"\"").unwrap_or(opened);
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"|+.-".contains(byte);
        (!value.is_empty() && value.iter().all(is_plain)).then_some(value)
    });
    let profile = profile.map_or("im1t".into(), String::from_utf8_lossy);
    Some(format!("stpp.ttml.{profile}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::movie::codec::boxes::build;

    #[test]
    fn ttml_has_its_declared_profile_or_that_of_cmaf() {
        let named = |mime: &[u8]| build(b"mime", &[&[0; 4], mime, &[0]].concat());
        for (namespace, boxes, codecs) in [
            (&b"http://www.w3.org/ns/ttml"[..], vec![], "stpp.ttml.im1t"),
            (
                b"http://www.w3.org/ns/ttml#x",
                named(b"application/ttml+xml;codecs=im2t"),
                "stpp.ttml.im2t",
            ),
            (
                b"http://www.w3.org/ns/ttml",
                named(b"application/ttml+xml; codecs=\"im1t|etd1\"; x=y"),
                "stpp.ttml.im1t|etd1",
            ),
            (b"http://www.w3.org/ns/ttml", named(b"a;codecs=\",\""), "stpp.ttml.im1t"),
            (b"urn:other", vec![], "stpp"),
            (b"http://www.w3.org/ns/ttml", b"\0\0\0".to_vec(), "stpp.ttml.im1t"),
        ] {
            let body = [&[0; 8], namespace, &[0, 0, 0], &boxes].concat();
            let described = describe(FourCc(*b"stpp"), &body);
            assert_eq!(described, Some((Codec::Ttml, codecs.to_owned())));
        }
    }
}
