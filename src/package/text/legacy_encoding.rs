//! Chooses between encodings of Latin text that a detector for web pages does not tell apart: windows-1252
//! and its kin, ISO 8859-15, and Mac Roman, in which no web page was written.
//!
//! Each candidate reads the same bytes, and the most plausible reading wins: letters belong to words, and
//! symbols and capital letters do not stand within them.

use std::borrow::Cow;

use encoding_rs::{
    Encoding, ISO_8859_2, ISO_8859_15, MACINTOSH, WINDOWS_1250, WINDOWS_1252, WINDOWS_1254,
    WINDOWS_1257, WINDOWS_1258,
};

/// Encodings of Latin text that the detector may guess in place of a candidate.
const LATIN: [&Encoding; 6] =
    [WINDOWS_1252, WINDOWS_1250, WINDOWS_1254, WINDOWS_1257, WINDOWS_1258, ISO_8859_2];

/// The encodings that the detector does not guess.
const CANDIDATES: [&Encoding; 2] = [ISO_8859_15, MACINTOSH];

/// Latin text has at least this many bytes beyond ASCII for each two in a row.
const OTHERS_PER_PAIR: usize = 3;

/// The most bytes that are compared: enough for hundreds of cues.
const COMPARED_BYTES_MAX: usize = 256 * 1024;

/// Decodes bytes in the guessed encoding, or in a candidate that reads them more plausibly.
pub(super) fn decode<'a>(bytes: &'a [u8], guess: &'static Encoding) -> Cow<'a, str> {
    choose(bytes, guess).decode_without_bom_handling(bytes).0
}

fn choose(bytes: &[u8], guess: &'static Encoding) -> &'static Encoding {
    let sample = &bytes[..bytes.len().min(COMPARED_BYTES_MAX)];
    if !may_be_latin(sample) {
        return guess;
    }
    // The detector may take Mac Roman for anything; other candidates are in doubt with Latin ones only.
    let is_latin = LATIN.contains(&guess);
    let candidates = CANDIDATES.iter().filter(|&&candidate| is_latin || candidate == MACINTOSH);
    let readings = [guess].into_iter().chain(candidates.copied());
    let ranked = readings.map(|encoding| (plausibility(sample, encoding), encoding));
    // Of equals the first wins: the guess.
    let best = ranked.reduce(|best, other| if other.0 > best.0 { other } else { best });
    best.map_or(guess, |(_, encoding)| encoding)
}

/// Whether most letters are ASCII, and the others stand alone.
fn may_be_latin(bytes: &[u8]) -> bool {
    let letters = bytes.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let others = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let pairs = bytes.windows(2).filter(|pair| pair.iter().all(|byte| !byte.is_ascii())).count();
    letters >= others && pairs <= others / OTHERS_PER_PAIR
}

/// How plausible a reading is: the sum over all characters beyond ASCII.
fn plausibility(bytes: &[u8], encoding: &'static Encoding) -> i64 {
    let text = encoding.decode_without_bom_handling(bytes).0;
    let mut sum = 0;
    let mut before = '\n';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if !letter.is_ascii() {
            let after = letters.peek().copied().unwrap_or('\n');
            sum += plausibility_between(before, letter, after);
        }
        before = letter;
    }
    sum
}

fn plausibility_between(before: char, letter: char, after: char) -> i64 {
    let is_in_word = before.is_alphabetic() && after.is_alphabetic();
    let is_beside_ascii = before.is_ascii_alphabetic() || after.is_ascii_alphabetic();
    match letter {
        '\u{80}'..='\u{9f}' | '\u{fffd}' => -3,
        '’' | '´' | '\u{ad}' | '·' => i64::from(is_in_word),
        // In no sentence, but at the places of € and of letters.
        '¤' | '¨' | '¸' | '¼' | '½' | '¾' if before.is_alphabetic() || after.is_alphabetic() => {
            -2
        }
        '¤' | '¦' => -1,
        '€' | '…' | '“' | '”' | '„' | '«' | '»' | '–' | '—' | '¿' | '¡' if !is_in_word => {
            1
        }
        // Another script within a word of Latin letters.
        '\u{250}'.. if letter.is_alphabetic() && is_beside_ascii => -2,
        'ª' | 'º' | '°' if !after.is_alphabetic() => 0,
        lower if lower.is_lowercase() => i64::from(before.is_alphabetic() || after.is_alphabetic()),
        _ if letter.is_uppercase() && before.is_lowercase() => -2,
        _ if letter.is_uppercase() => i64::from(after.is_alphabetic()),
        _ if letter.is_alphabetic() => 0,
        _ if is_in_word => -2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes text as Mac Roman, which the crate cannot.
    fn mac_roman(text: &str) -> Vec<u8> {
        let byte = |letter: char| {
            (0..=u8::MAX)
                .find(|byte| MACINTOSH.decode_without_bom_handling(&[*byte]).0.starts_with(letter))
                .expect("a letter of Mac Roman")
        };
        text.chars().map(byte).collect()
    }

    const SPOKEN: [&str; 6] = [
        "Où êtes-vous allé, garçon ? Je l’ai cherché à la fenêtre.",
        "Größe, Straße und für mich: schöne Äpfel, Öl und Übermut.",
        "¿Dónde está el niño? Mañana habrá más música aquí.",
        "Perché è così? Non c’è più nessuno in città.",
        "Não, a lição é fácil: três irmãos e avós.",
        "På øen bor en gårdejer, sagde Søren.",
    ];

    #[test]
    fn mac_roman_wins_where_it_makes_words() {
        for text in SPOKEN {
            for guess in [WINDOWS_1252, WINDOWS_1250, encoding_rs::KOI8_U, encoding_rs::WINDOWS_874]
            {
                assert_eq!(decode(&mac_roman(text), guess), text, "{}", guess.name());
            }
        }
    }

    #[test]
    fn windows_1252_stays() {
        for text in SPOKEN {
            let (bytes, ..) = WINDOWS_1252.encode(text);
            assert_eq!(decode(&bytes, WINDOWS_1252), text);
        }
        for text in ["It’s 5½ inches", "“Yes…” – he said", "l´amour", "100 £ – 20 %", "¼ cup"]
        {
            let (bytes, ..) = WINDOWS_1252.encode(text);
            assert_eq!(decode(&bytes, WINDOWS_1252), text);
        }
    }

    #[test]
    fn iso_8859_15_wins_where_it_makes_words() {
        for text in ["mon œil, ton cœur", "Œuvre et sœur", "100 € pour ça"] {
            let (bytes, ..) = ISO_8859_15.encode(text);
            assert_eq!(decode(&bytes, WINDOWS_1252), text);
        }
    }

    #[test]
    fn text_that_is_not_latin_keeps_the_guess() {
        for (encoding, text) in [
            (encoding_rs::WINDOWS_1251, "Съешь ещё этих мягких французских булок"),
            (encoding_rs::GBK, "我们明天去看电影 We are going to the movies tomorrow, you know"),
            (encoding_rs::SHIFT_JIS, "東京へ行きました。I went to Tokyo yesterday"),
            (WINDOWS_1250, "Příliš žluťoučký kůň úpěl ďábelské ódy, řekl všem."),
            (WINDOWS_1254, "Pijamalı hasta yağız şoföre çabucak güvendi"),
        ] {
            let (bytes, _, has_lost) = encoding.encode(text);
            assert!(!has_lost, "{text}");
            assert_eq!(decode(&bytes, encoding), text);
        }
    }
}
