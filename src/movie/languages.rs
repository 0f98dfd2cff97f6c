//! Languages by their codes and names.
//!
//! [`parse_tag`] turns the words of file names (`en`, `eng`, `English`, `Français`, `pt_BR`) and the
//! ISO 639-2 codes of movies into BCP 47 tags with the shortest code (RFC 5646 section 2.2.1).
//! [`native_name`] turns a tag into the language's own name.

/// A language with its codes and names.
struct Language {
    /// Code in a tag: two letters (ISO 639-1) if the language has such a code, else three.
    code: &'static str,
    /// Three-letter codes: ISO 639-2/T, then ISO 639-2/B if it differs, then those of ISO 639-3.
    three_letters: &'static [&'static str],
    english: &'static str,
    native: &'static str,
}

const fn language(
    code: &'static str,
    three_letters: &'static [&'static str],
    english: &'static str,
    native: &'static str,
) -> Language {
    Language { code, three_letters, english, native }
}

/// Sorted by code.
const LANGUAGES: &[Language] = &[
    language("af", &["afr"], "Afrikaans", "Afrikaans"),
    language("am", &["amh"], "Amharic", "አማርኛ"),
    language("ar", &["ara"], "Arabic", "العربية"),
    language("as", &["asm"], "Assamese", "অসমীয়া"),
    language("az", &["aze"], "Azerbaijani", "Azərbaycanca"),
    language("be", &["bel"], "Belarusian", "Беларуская"),
    language("bg", &["bul"], "Bulgarian", "Български"),
    language("bn", &["ben"], "Bengali", "বাংলা"),
    language("bo", &["bod", "tib"], "Tibetan", "བོད་སྐད"),
    language("br", &["bre"], "Breton", "Brezhoneg"),
    language("bs", &["bos"], "Bosnian", "Bosanski"),
    language("ca", &["cat"], "Catalan", "Català"),
    language("cs", &["ces", "cze"], "Czech", "Čeština"),
    language("cy", &["cym", "wel"], "Welsh", "Cymraeg"),
    language("da", &["dan"], "Danish", "Dansk"),
    language("de", &["deu", "ger"], "German", "Deutsch"),
    language("el", &["ell", "gre"], "Greek", "Ελληνικά"),
    language("en", &["eng"], "English", "English"),
    language("eo", &["epo"], "Esperanto", "Esperanto"),
    language("es", &["spa"], "Spanish", "Español"),
    language("et", &["est"], "Estonian", "Eesti"),
    language("eu", &["eus", "baq"], "Basque", "Euskara"),
    language("fa", &["fas", "per"], "Persian", "فارسی"),
    language("fi", &["fin"], "Finnish", "Suomi"),
    language("fil", &["fil"], "Filipino", "Filipino"),
    language("fo", &["fao"], "Faroese", "Føroyskt"),
    language("fr", &["fra", "fre"], "French", "Français"),
    language("ga", &["gle"], "Irish", "Gaeilge"),
    language("gd", &["gla"], "Scottish Gaelic", "Gàidhlig"),
    language("gl", &["glg"], "Galician", "Galego"),
    language("gu", &["guj"], "Gujarati", "ગુજરાતી"),
    language("ha", &["hau"], "Hausa", "Hausa"),
    language("he", &["heb"], "Hebrew", "עברית"),
    language("hi", &["hin"], "Hindi", "हिन्दी"),
    language("hr", &["hrv"], "Croatian", "Hrvatski"),
    language("hu", &["hun"], "Hungarian", "Magyar"),
    language("hy", &["hye", "arm"], "Armenian", "Հայերեն"),
    language("id", &["ind"], "Indonesian", "Bahasa Indonesia"),
    language("is", &["isl", "ice"], "Icelandic", "Íslenska"),
    language("it", &["ita"], "Italian", "Italiano"),
    language("ja", &["jpn"], "Japanese", "日本語"),
    language("ka", &["kat", "geo"], "Georgian", "ქართული"),
    language("kk", &["kaz"], "Kazakh", "Қазақша"),
    language("km", &["khm"], "Khmer", "ខ្មែរ"),
    language("kn", &["kan"], "Kannada", "ಕನ್ನಡ"),
    language("ko", &["kor"], "Korean", "한국어"),
    language("ku", &["kur"], "Kurdish", "Kurdî"),
    language("ky", &["kir"], "Kyrgyz", "Кыргызча"),
    language("la", &["lat"], "Latin", "Latina"),
    language("lb", &["ltz"], "Luxembourgish", "Lëtzebuergesch"),
    language("lo", &["lao"], "Lao", "ລາວ"),
    language("lt", &["lit"], "Lithuanian", "Lietuvių"),
    language("lv", &["lav"], "Latvian", "Latviešu"),
    language("mk", &["mkd", "mac"], "Macedonian", "Македонски"),
    language("ml", &["mal"], "Malayalam", "മലയാളം"),
    language("mn", &["mon"], "Mongolian", "Монгол"),
    language("mr", &["mar"], "Marathi", "मराठी"),
    language("ms", &["msa", "may"], "Malay", "Bahasa Melayu"),
    language("mt", &["mlt"], "Maltese", "Malti"),
    language("my", &["mya", "bur"], "Burmese", "မြန်မာ"),
    language("nb", &["nob"], "Norwegian Bokmål", "Norsk bokmål"),
    language("ne", &["nep"], "Nepali", "नेपाली"),
    language("nl", &["nld", "dut"], "Dutch", "Nederlands"),
    language("nn", &["nno"], "Norwegian Nynorsk", "Norsk nynorsk"),
    language("no", &["nor"], "Norwegian", "Norsk"),
    language("pa", &["pan"], "Punjabi", "ਪੰਜਾਬੀ"),
    language("pl", &["pol"], "Polish", "Polski"),
    language("ps", &["pus"], "Pashto", "پښتو"),
    language("pt", &["por"], "Portuguese", "Português"),
    language("ro", &["ron", "rum"], "Romanian", "Română"),
    language("ru", &["rus"], "Russian", "Русский"),
    language("si", &["sin"], "Sinhala", "සිංහල"),
    language("sk", &["slk", "slo"], "Slovak", "Slovenčina"),
    language("sl", &["slv"], "Slovenian", "Slovenščina"),
    language("so", &["som"], "Somali", "Soomaali"),
    language("sq", &["sqi", "alb"], "Albanian", "Shqip"),
    language("sr", &["srp"], "Serbian", "Српски"),
    language("sv", &["swe"], "Swedish", "Svenska"),
    language("sw", &["swa"], "Swahili", "Kiswahili"),
    language("ta", &["tam"], "Tamil", "தமிழ்"),
    language("te", &["tel"], "Telugu", "తెలుగు"),
    language("th", &["tha"], "Thai", "ไทย"),
    language("tl", &["tgl"], "Tagalog", "Tagalog"),
    language("tr", &["tur"], "Turkish", "Türkçe"),
    language("uk", &["ukr"], "Ukrainian", "Українська"),
    language("ur", &["urd"], "Urdu", "اردو"),
    language("uz", &["uzb"], "Uzbek", "Oʻzbekcha"),
    language("vi", &["vie"], "Vietnamese", "Tiếng Việt"),
    language("yi", &["yid"], "Yiddish", "ייִדיש"),
    language("yue", &["yue"], "Cantonese", "粵語"),
    language("zh", &["zho", "chi", "cmn"], "Chinese", "中文"),
    language("zu", &["zul"], "Zulu", "isiZulu"),
];

/// Words of subtitle sites and older standards, with their tags. Lower case.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("bokmål", "nb"),
    ("brazilian", "pt-BR"),
    ("brazilian portuguese", "pt-BR"),
    ("castilian", "es-ES"),
    ("chs", "zh-Hans"),
    ("cht", "zh-Hant"),
    ("farsi", "fa"),
    ("flemish", "nl-BE"),
    ("iw", "he"),
    ("ji", "yi"),
    ("latin american spanish", "es-419"),
    ("mandarin", "zh"),
    ("nynorsk", "nn"),
    ("pb", "pt-BR"),
    ("pob", "pt-BR"),
    ("scc", "sr"),
    ("scr", "hr"),
    ("simplified chinese", "zh-Hans"),
    ("slovene", "sl"),
    ("traditional chinese", "zh-Hant"),
    ("zhs", "zh-Hans"),
    ("zht", "zh-Hant"),
];

/// Native names of the regions and scripts in a tag.
const REGIONS: &[(&str, &str)] = &[
    ("de-AT", "Österreich"),
    ("de-CH", "Schweiz"),
    ("de-DE", "Deutschland"),
    ("en-AU", "Australia"),
    ("en-CA", "Canada"),
    ("en-GB", "United Kingdom"),
    ("en-IE", "Ireland"),
    ("en-IN", "India"),
    ("en-NZ", "New Zealand"),
    ("en-US", "United States"),
    ("es-419", "Latinoamérica"),
    ("es-AR", "Argentina"),
    ("es-ES", "España"),
    ("es-MX", "México"),
    ("es-US", "Estados Unidos"),
    ("fr-BE", "Belgique"),
    ("fr-CA", "Canada"),
    ("fr-CH", "Suisse"),
    ("fr-FR", "France"),
    ("it-CH", "Svizzera"),
    ("nl-BE", "België"),
    ("nl-NL", "Nederland"),
    ("pt-BR", "Brasil"),
    ("pt-PT", "Portugal"),
    ("sr-Cyrl", "ћирилица"),
    ("sr-Latn", "latinica"),
    ("zh-CN", "中国"),
    ("zh-HK", "香港"),
    ("zh-Hans", "简体"),
    ("zh-Hant", "繁體"),
    ("zh-SG", "新加坡"),
    ("zh-TW", "台灣"),
];

/// Parses a word as a BCP 47 tag: a code of two or three letters, a tag of language, script and region
/// (with `-` or `_`), or a language's English or native name. Ignores case.
///
/// `None` for an unknown word: any two letters could be a code, but most words in file names are none.
pub fn parse_tag(word: &str) -> Option<String> {
    let lower = word.to_lowercase();
    if let Some((_, tag)) = OTHER_WORDS.iter().find(|(other, _)| *other == lower) {
        return Some((*tag).to_owned());
    }
    let is_name = |name: &str| name.to_lowercase() == lower;
    if let Some(named) = LANGUAGES.iter().find(|one| is_name(one.english) || is_name(one.native)) {
        return Some(named.code.to_owned());
    }
    let mut subtags = lower.split(['-', '_']).peekable();
    let mut tag = find_code(subtags.next()?)?.code.to_owned();
    if let Some(script) = subtags.next_if(|subtag| is_all(subtag, 4, u8::is_ascii_alphabetic)) {
        let (initial, rest) = script.split_at(1);
        tag.extend(["-", &initial.to_ascii_uppercase(), rest]);
    }
    let is_region = |subtag: &&str| {
        is_all(subtag, 2, u8::is_ascii_alphabetic) || is_all(subtag, 3, u8::is_ascii_digit)
    };
    if let Some(region) = subtags.next_if(is_region) {
        tag.extend(["-", &region.to_ascii_uppercase()]);
    }
    subtags.next().is_none().then_some(tag)
}

/// The native name of a tag's language: `Português (Brasil)`. Unknown regions and scripts stay as
/// written; a tag of an unknown language is its own name.
pub fn native_name(tag: &str) -> String {
    let (code, region) = tag.split_once('-').unwrap_or((tag, ""));
    let Some(language) = find_code(code) else {
        return tag.to_owned();
    };
    if region.is_empty() {
        return language.native.to_owned();
    }
    let named = REGIONS.iter().find(|(known, _)| *known == tag);
    format!("{} ({})", language.native, named.map_or(region, |(_, name)| name))
}

/// The code of three letters (ISO 639-2/T) of a tag's language; `None` if it is unknown and has another
/// length.
pub fn three_letters(tag: &str) -> Option<&str> {
    let code = tag.split('-').next()?;
    match find_code(code) {
        _ if is_all(code, 3, u8::is_ascii_lowercase) => Some(code),
        Some(language) => language.three_letters.first().copied(),
        None => None,
    }
}

fn find_code(code: &str) -> Option<&'static Language> {
    LANGUAGES
        .iter()
        .find(|language| language.code == code || language.three_letters.contains(&code))
}

fn is_all(subtag: &str, bytes: usize, is_valid: fn(&u8) -> bool) -> bool {
    subtag.len() == bytes && subtag.bytes().all(|byte| is_valid(&byte))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tables_are_sorted_and_words_are_unambiguous() {
        assert!(LANGUAGES.is_sorted_by(|a, b| a.code < b.code));
        assert!(OTHER_WORDS.is_sorted() && REGIONS.is_sorted_by(|a, b| a.0 < b.0));
        let mut words = HashSet::new();
        for language in LANGUAGES {
            let Language { code, three_letters, english, native } = language;
            let names = [english.to_lowercase(), native.to_lowercase(), (*code).to_owned()];
            let codes = three_letters.iter().map(|&code| code.to_owned());
            for word in names.into_iter().chain(codes).collect::<HashSet<_>>() {
                assert_eq!(parse_tag(&word).as_deref(), Some(*code), "{word}");
                assert!(words.insert(word.clone()), "{word} is ambiguous");
            }
            assert!(three_letters.iter().all(|code| code.len() == 3), "{english}");
        }
        for (word, tag) in OTHER_WORDS {
            assert!(words.insert((*word).to_owned()), "{word} is ambiguous");
            assert_eq!(parse_tag(tag).as_deref(), Some(*tag), "{word}");
        }
        for (tag, _) in REGIONS {
            assert_eq!(parse_tag(tag).as_deref(), Some(*tag));
        }
    }

    #[test]
    fn words_parse_as_tags() {
        for (word, expected) in [
            ("en", Some("en")),
            ("EN", Some("en")),
            ("eng", Some("en")),
            ("ger", Some("de")),
            ("deu", Some("de")),
            ("English", Some("en")),
            ("français", Some("fr")),
            ("РУССКИЙ", Some("ru")),
            ("pt-BR", Some("pt-BR")),
            ("pt_br", Some("pt-BR")),
            ("por-br", Some("pt-BR")),
            ("pob", Some("pt-BR")),
            ("zh-hans", Some("zh-Hans")),
            ("ZH-HANT-TW", Some("zh-Hant-TW")),
            ("es-419", Some("es-419")),
            ("fil", Some("fil")),
            ("en-forced", None),
            ("en-", None),
            ("-en", None),
            ("en-US-x-private", None),
            ("xx", None),
            ("2019", None),
            ("é", None),
            ("", None),
        ] {
            assert_eq!(parse_tag(word).as_deref(), expected, "{word}");
        }
    }

    #[test]
    fn tags_have_codes_of_three_letters() {
        for (tag, expected) in [
            ("de-CH", Some("deu")),
            ("pt", Some("por")),
            ("ger", Some("ger")),
            ("gsw-CH", Some("gsw")),
            ("xx", None),
            ("EN", None),
            ("", None),
        ] {
            assert_eq!(three_letters(tag), expected, "{tag}");
        }
    }

    #[test]
    fn tags_have_native_names() {
        for (tag, expected) in [
            ("en", "English"),
            ("eng", "English"),
            ("pt", "Português"),
            ("pt-BR", "Português (Brasil)"),
            ("pt-MZ", "Português (MZ)"),
            ("zh-Hant", "中文 (繁體)"),
            ("zh-Hant-HK", "中文 (Hant-HK)"),
            ("gsw", "gsw"),
            ("gsw-CH", "gsw-CH"),
            ("", ""),
        ] {
            assert_eq!(native_name(tag), expected, "{tag}");
        }
    }
}
