//! Macintosh language codes, which QuickTime files have in `mdhd` instead of the letters of ISO 639-2
//! (QuickTime File Format, "Language Code Values"; the codes are those of Apple's `Script.h`).

/// Codes below this are Macintosh codes: three letters of five bits each begin here.
const PACKED_LETTERS_MIN: u16 = 0x400;

/// The BCP 47 tag of a `mdhd` language that is a Macintosh code; `None` if it is none, or an unknown one.
///
/// Zero is English in QuickTime. In other files it is a field that was never set.
pub(super) fn parse_code(code: u16, is_quicktime: bool) -> Option<&'static str> {
    if code >= PACKED_LETTERS_MIN || (code == 0 && !is_quicktime) {
        return None;
    }
    let code = usize::from(code);
    match code.checked_sub(FIRST_OF_MORE) {
        Some(more) => MORE_TAGS.get(more).copied(),
        None => TAGS.get(code).copied(),
    }
}

/// The tags of the codes from 0 on.
const TAGS: [&str; 95] = [
    "en", "fr", "de", "it", "nl", "sv", "es", "da", "pt", "no", // 0: English
    "he", "ja", "ar", "fi", "el", "is", "mt", "tr", "hr", "zh-Hant", // 10: Hebrew
    "ur", "hi", "th", "ko", "lt", "pl", "hu", "et", "lv", "se", // 20: Urdu
    "fo", "fa", "ru", "zh-Hans", "nl-BE", "ga", "sq", "ro", "cs", "sk", // 30: Faroese
    "sl", "yi", "sr", "mk", "bg", "uk", "be", "uz", "kk", "az-Cyrl", // 40: Slovenian
    "az-Arab", "hy", "ka", "ro-MD", "ky", "tg", "tk", "mn-Mong", "mn-Cyrl",
    "ps", // 50: Azerbaijani
    "ku", "ks", "sd", "bo", "ne", "sa", "mr", "bn", "as", "gu", // 60: Kurdish
    "pa", "or", "ml", "kn", "ta", "te", "si", "my", "km", "lo", // 70: Punjabi
    "vi", "id", "tl", "ms-Latn", "ms-Arab", "am", "ti", "om", "so", "sw", // 80: Vietnamese
    "rw", "rn", "ny", "mg", "eo", // 90: Kinyarwanda
];

/// The code of the first of [`MORE_TAGS`].
const FIRST_OF_MORE: usize = 128;

/// The tags of the codes from [`FIRST_OF_MORE`] on.
const MORE_TAGS: [&str; 23] = [
    "cy", "eu", // 128: Welsh
    "ca", "la", "qu", "gn", "ay", "tt", "ug", "dz", "jv", "su", // 130: Catalan
    "gl", "af", "br", "iu", "gd", "gv", "ga", "to", "grc", "kl",      // 140: Galician
    "az-Latn", // 150: Azerbaijani
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_script_h() {
        for (code, expected) in [
            (0, Some("en")),
            (1, Some("fr")),
            (11, Some("ja")),
            (19, Some("zh-Hant")),
            (32, Some("ru")),
            (33, Some("zh-Hans")),
            (45, Some("uk")),
            (52, Some("ka")),
            (61, Some("ks")),
            (74, Some("ta")),
            (80, Some("vi")),
            (94, Some("eo")),
            (95, None),
            (127, None),
            (128, Some("cy")),
            (130, Some("ca")),
            (140, Some("gl")),
            (149, Some("kl")),
            (150, Some("az-Latn")),
            (151, None),
            (0x400, None),
            (0x7fff, None),
            (u16::MAX, None),
        ] {
            assert_eq!(parse_code(code, true), expected, "{code}");
        }
    }

    #[test]
    fn zero_is_english_in_quicktime_only() {
        assert_eq!(parse_code(0, false), None);
        assert_eq!(parse_code(11, false), Some("ja"));
    }
}
