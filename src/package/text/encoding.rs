//! Decodes text: as UTF-8 if it is valid, else in the most likely encoding.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_16BE, UTF_16LE};
use memchr::memmem;

use super::{double_encoding, legacy_encoding};

/// Maximum bytes of a file that the detector reads: enough for hundreds of cues.
const DETECTION_BYTES_MAX: usize = 1024 * 1024;

/// The number of valid characters beyond ASCII that outweigh one invalid sequence. Text in a legacy
/// encoding has hardly any valid ones; UTF-8 that a tool has truncated has hardly any invalid ones.
const VALID_PER_INVALID: usize = 4;

/// Escape sequences of ISO-2022-JP: to JIS X 0208 (two versions), to Roman letters and to katakana.
const ISO_2022_JP_ESCAPES: [&[u8]; 4] = [b"\x1b$B", b"\x1b$@", b"\x1b(J", b"\x1b(I"];

/// Decodes bytes, without a byte order mark. Invalid sequences become U+FFFD.
pub(super) fn decode<'a>(bytes: &'a [u8], language: Option<&str>) -> Cow<'a, str> {
    if let Some((from_bytes, mark_bytes)) = detect_utf_32(bytes) {
        return decode_utf_32(&bytes[mark_bytes..], from_bytes).into();
    }
    if let Some((encoding, mark_bytes)) = Encoding::for_bom(bytes) {
        let decoded = encoding.decode_without_bom_handling(&bytes[mark_bytes..]).0;
        return double_encoding::undo(decoded);
    }
    if let Some(encoding) = detect_utf_16(bytes) {
        return encoding.decode_without_bom_handling(bytes).0;
    }
    if bytes.is_ascii() && has_iso_2022_jp(bytes) {
        return ISO_2022_JP.decode_without_bom_handling(bytes).0;
    }
    match str::from_utf8(bytes) {
        Ok(text) => double_encoding::undo(Cow::Borrowed(text)),
        Err(_) if is_mostly_utf_8(bytes) => double_encoding::undo(String::from_utf8_lossy(bytes)),
        Err(_) => legacy_encoding::decode(bytes, detect(bytes, language)),
    }
}

fn has_iso_2022_jp(bytes: &[u8]) -> bool {
    memchr::memchr(0x1b, bytes).is_some()
        && ISO_2022_JP_ESCAPES.iter().any(|escape| memmem::find(bytes, escape).is_some())
}

/// Reads a code unit of UTF-32 in one byte order.
type FromBytes = fn([u8; 4]) -> u32;

/// The byte order of UTF-32, and the length of its mark. Without a mark the arrow tells, as in UTF-16.
fn detect_utf_32(bytes: &[u8]) -> Option<(FromBytes, usize)> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] => return Some((u32::from_le_bytes, 4)),
        [0, 0, 0xfe, 0xff, ..] => return Some((u32::from_be_bytes, 4)),
        _ => {}
    }
    let dash = memmem::find(bytes, b"-\0\0\0-\0\0\0>")?;
    match dash % 4 {
        0 => Some((u32::from_le_bytes, 0)),
        3 => Some((u32::from_be_bytes, 0)),
        _ => None,
    }
}

fn decode_utf_32(bytes: &[u8], from_bytes: FromBytes) -> String {
    let (units, _) = bytes.as_chunks::<4>();
    let character = |unit: &[u8; 4]| char::from_u32(from_bytes(*unit)).unwrap_or('\u{fffd}');
    units.iter().map(character).collect()
}

/// Every subtitle file has an arrow, which in UTF-16 contains NULs. Whether a NUL precedes or follows the
/// first dash gives the byte order.
fn detect_utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let dash = memmem::find(bytes, b"-\0-\0>")?;
    Some(if dash % 2 == 0 { UTF_16LE } else { UTF_16BE })
}

fn is_mostly_utf_8(bytes: &[u8]) -> bool {
    let (mut valid, mut invalid) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    valid / VALID_PER_INVALID > invalid
}

fn detect(bytes: &[u8], language: Option<&str>) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let sample = &bytes[..bytes.len().min(DETECTION_BYTES_MAX)];
    detector.feed(sample, sample.len() == bytes.len());
    // UTF-8 was checked before, for the whole file.
    detector.guess(language.and_then(top_level_domain), Utf8Detection::Deny)
}

/// The detector expects web pages: its hint is the top-level domain of a page in this language.
fn top_level_domain(language: &str) -> Option<&'static [u8]> {
    let mut subtags = language.split('-');
    let primary = subtags.next()?.to_ascii_lowercase();
    let has_subtag = |wanted: &[&str]| {
        subtags.clone().any(|subtag| wanted.iter().any(|one| one.eq_ignore_ascii_case(subtag)))
    };
    Some(match primary.as_str() {
        "ar" => b"sa",
        "az" => b"az",
        "be" => b"by",
        "bg" => b"bg",
        "bs" => b"ba",
        "cs" => b"cz",
        "el" => b"gr",
        "fa" => b"ir",
        "fo" => b"fo",
        "he" => b"il",
        "hr" => b"hr",
        "hu" => b"hu",
        "is" => b"is",
        "ja" => b"jp",
        "kk" => b"kz",
        "ko" => b"kr",
        "lt" => b"lt",
        "lv" => b"lv",
        "mk" => b"mk",
        "mn" => b"mn",
        "pl" => b"pl",
        "ro" => b"ro",
        "ru" => b"ru",
        "sk" => b"sk",
        "sl" => b"si",
        "sr" if has_subtag(&["Latn"]) => b"ba",
        "sr" => b"rs",
        "th" => b"th",
        "tr" => b"tr",
        "uk" => b"ua",
        "ur" => b"pk",
        "vi" => b"vn",
        "zh" if has_subtag(&["Hant", "TW"]) => b"tw",
        "zh" | "yue" if has_subtag(&["HK", "MO"]) => b"hk",
        "yue" => b"hk",
        "zh" => b"cn",
        "ca" | "da" | "de" | "en" | "es" | "eu" | "fi" | "fr" | "ga" | "gl" | "it" | "nb"
        | "nl" | "nn" | "no" | "pt" | "sv" => b"fr",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use encoding_rs::{
        BIG5, EUC_KR, GBK, SHIFT_JIS, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253,
        WINDOWS_1254, WINDOWS_1255, WINDOWS_1256,
    };

    use super::*;

    const LINE: &str = "1\n00:00:01,000 --> 00:00:02,000\n";

    fn utf_16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn utf_16_is_detected_by_its_byte_order_mark_or_by_its_arrow() {
        let text = format!("{LINE}Zażółć gęślą jaźń 東京 🎬\n");
        for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(decode(&utf_16(&text, to_bytes), None), text);
            let marked = format!("\u{feff}{text}");
            assert_eq!(decode(&utf_16(&marked, to_bytes), None), text);
        }
    }

    #[test]
    fn utf_32_is_detected_by_its_byte_order_mark_or_by_its_arrow() {
        let text = format!("{LINE}Zażółć gęślą jaźń 東京 🎬\n");
        for to_bytes in [u32::to_le_bytes, u32::to_be_bytes] {
            let encode = |text: &str| -> Vec<u8> {
                text.chars().flat_map(|letter| to_bytes(letter.into())).collect()
            };
            assert_eq!(decode(&encode(&text), None), text);
            assert_eq!(decode(&encode(&format!("\u{feff}{text}")), None), text);
        }
        assert_eq!(decode(b"\xff\xfe\0\0\0\0\x11\0a\0", None), "\u{fffd}");
    }

    #[test]
    fn japanese_mail_is_decoded() {
        let text = format!("{LINE}明日は東京へ行きます。\n");
        let (bytes, encoding, _) = ISO_2022_JP.encode(&text);
        assert_eq!((encoding, bytes.is_ascii()), (ISO_2022_JP, true));
        assert_eq!(decode(&bytes, None), text);
        assert_eq!(decode(&bytes, Some("ja")), text);
        assert_eq!(decode(b"\x1b[0m plain", None), "\u{1b}[0m plain");
    }

    #[test]
    fn double_encoding_is_undone_in_utf_8() {
        let text = format!("{LINE}J’étais à la fenêtre\n");
        let twice = encoding_rs::WINDOWS_1252.decode_without_bom_handling(text.as_bytes()).0;
        assert_eq!(decode(twice.as_bytes(), None), text);
        assert_eq!(decode(format!("\u{feff}{twice}").as_bytes(), None), text);
    }

    #[test]
    fn utf_8_is_kept_and_its_byte_order_mark_is_removed() {
        let text = format!("{LINE}Zażółć gęślą jaźń\n");
        assert_eq!(decode(text.as_bytes(), None), text);
        assert_eq!(decode(format!("\u{feff}{text}").as_bytes(), None), text);
        assert_eq!(decode(b"", None), "");
    }

    #[test]
    fn utf_8_with_an_invalid_byte_is_still_utf_8() {
        let text = format!("{LINE}Zażółć gęślą jaźń, mówił Łukasz\n");
        let mut bytes = text.clone().into_bytes();
        bytes.push(0xc5);
        assert_eq!(decode(&bytes, None), format!("{text}\u{fffd}"));
    }

    #[test]
    fn legacy_encodings_are_detected() {
        let files = [
            (WINDOWS_1252, "fr", "Où êtes-vous allé, garçon ? J’étais à la fenêtre, très fatigué."),
            (WINDOWS_1250, "cs", "Příliš žluťoučký kůň úpěl ďábelské ódy, řekl všem."),
            (WINDOWS_1251, "ru", "Съешь ещё этих мягких французских булок, да выпей же чаю."),
            (WINDOWS_1253, "el", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία, είπε ο άνθρωπος."),
            (WINDOWS_1254, "tr", "Pijamalı hasta yağız şoföre çabucak güvendi, değil mi İbrahim?"),
            (WINDOWS_1255, "he", "דג סקרן שט לו בים זך אך לפתע פגש חבורה נחמדה שצצה כך."),
            (WINDOWS_1256, "ar", "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر"),
            (SHIFT_JIS, "ja", "いろはにほへと ちりぬるを、東京へ行きました。"),
            (EUC_KR, "ko", "다람쥐 헌 쳇바퀴에 타고파, 그는 말했다."),
            (GBK, "zh", "我们明天去北京看电影，你觉得怎么样？"),
            (BIG5, "zh-Hant", "我們明天去臺北看電影，你覺得怎麼樣？"),
        ];
        for (encoding, language, spoken) in files {
            let text = format!("{LINE}{spoken}\n");
            let (bytes, _, has_lost) = encoding.encode(&text);
            assert!(!has_lost, "{language}");
            assert_eq!(decode(&bytes, Some(language)), text, "{language}, with a hint");
            assert_eq!(decode(&bytes, None), text, "{language}, without a hint");
        }
    }

    #[test]
    fn the_language_selects_the_encoding_of_ambiguous_bytes() {
        // One letter beyond ASCII: č in windows-1250, è in windows-1252.
        let bytes = b"1\n00:00:01,000 --> 00:00:02,000\n\xe8\n";
        assert!(decode(bytes, Some("cs")).ends_with("č\n"));
        assert!(decode(bytes, Some("fr")).ends_with("è\n"));
        assert!(decode(bytes, Some("no such language")).ends_with("è\n"));
    }
}
