//! Names as people compare them: without case and accents, and numbers by their value.

use unicode_normalization::{UnicodeNormalization as _, char::canonical_combining_class};

/// A text for comparison: `É` is `e`, `ß` is `ss`, `İ` is `i`, `Ø` is `o`.
///
/// The result for two texts, one after the other, is that of both together.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for char in text.nfkd().filter(|char| !is_accent(*char)) {
        // Upper case, too, since only that expands `ß`.
        let lower = char.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        for char in lower {
            match base_letters(char) {
                Some(letters) => folded.push_str(letters),
                None => folded.push(char),
            }
        }
    }
    folded
}

/// Appends bytes whose order is the natural order of folded names: `ep 2` is before `ep 10`. No byte is zero,
/// unless the name has one.
pub fn push_order(folded: &str, order: &mut Vec<u8>) {
    let mut rest = folded.as_bytes();
    while let Some(byte) = rest.first() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            order.push(*byte);
            rest = &rest[1..];
            continue;
        }
        let zeros = rest[..digits].iter().take_while(|byte| **byte == b'0').count();
        let number = &rest[zeros..digits];
        // Among other characters a number has the place of its first digit; of two, the longer is greater.
        order.extend([b'0', u8::try_from(number.len() + 1).unwrap_or(u8::MAX)]);
        order.extend(number);
        rest = &rest[digits..];
    }
}

/// Whether a character is an accent, or a vowel point that texts may omit. Those without which a word is
/// another one stay: vowel signs of Indic scripts, voicing marks of Japanese.
fn is_accent(char: char) -> bool {
    matches!(canonical_combining_class(char), 1 | 10..=35 | 200..=240)
}

/// The base letters of a letter that Unicode does not decompose.
fn base_letters(char: char) -> Option<&'static str> {
    Some(match char {
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'ħ' => "h",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_do_not_matter() {
        for (text, folded) in [
            ("Amélie", "amelie"),
            ("AME\u{301}LIE", "amelie"),
            ("Straße STRASSE STRAẞE", "strasse strasse strasse"),
            ("İstanbul ISTANBUL ıstanbul", "istanbul istanbul istanbul"),
            ("Ångström Łódź Smørrebrød Œuvre Æon", "angstrom lodz smorrebrod oeuvre aeon"),
            ("ΌΔΥΣΣΕΥΣ Ὀδυσσεύς", "οδυσσευσ οδυσσευσ"),
            ("Ёж й", "еж и"),
            ("ｆｕｌｌ　１２", "full 12"),
            ("שָׁלוֹם", "שלום"),
            ("がか", "か\u{3099}か"),
            ("हिन्दी", "हिन्दी"),
            ("a/b.MP4", "a/b.mp4"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let order = |name: &str| {
            let mut order = Vec::new();
            push_order(&fold(name), &mut order);
            order
        };
        let names = [
            "Ep 0",
            "ep 01b",
            "Ep 2",
            "ep 2 b",
            "EP 02c",
            "Ép 10",
            "ep 100",
            "ep 99999999999999999999",
            "ep a",
            "film",
            "film-1",
            "film 3",
            "film2",
            "film10",
        ];
        let mut sorted = names;
        sorted.sort_by_key(|name| order(name));
        assert_eq!(
            sorted,
            [
                "Ep 0",
                "ep 01b",
                "Ep 2",
                "ep 2 b",
                "EP 02c",
                "Ép 10",
                "ep 100",
                "ep 99999999999999999999",
                "ep a",
                "film",
                "film 3",
                "film-1",
                "film2",
                "film10",
            ]
        );
        assert_eq!(order("007"), order("7"));
        // More digits than a length of one byte counts.
        let digits = |count: usize| "9".repeat(count);
        assert!(order(&digits(254)) < order(&digits(255)));
        assert!(!order(&digits(300)).is_empty());
    }
}
