//! Undoes double encoding: UTF-8 that a tool took for windows-1252 and encoded again (`Ã©` for `é`).

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;

/// The number of sequences that can be undone which outweigh one that cannot. `Ã©` alone may be meant.
const UNDONE_PER_KEPT: usize = 4;

/// The fewest characters that show double encoding: a single `é` before two spaces that do not break is one by
/// chance.
const UNDONE_MIN: usize = 3;

/// The most times that a text was encoded in excess.
const ROUNDS_MAX: usize = 2;

/// The text as it was meant. Text that was encoded once is returned as it is: its characters beyond ASCII
/// are hardly ever valid UTF-8 in windows-1252.
pub(super) fn undo(text: Cow<'_, str>) -> Cow<'_, str> {
    (0..ROUNDS_MAX)
        .try_fold(text, |text, _| match undo_once(&text) {
            Some(undone) => Ok(undone.into()),
            None => Err(text),
        })
        .unwrap_or_else(|text| text)
}

/// Undoes one encoding; `None` if the text has none in excess.
fn undo_once(text: &str) -> Option<String> {
    // The first byte of a sequence of two or more in UTF-8 is one of these in windows-1252.
    if !text
        .contains(['Ã', 'Â', 'â', 'Å', 'Ä', 'Ð', 'Ñ', 'Î', 'Ï', 'ã', 'ä', 'å', 'æ', 'ç', 'è', 'é'])
    {
        return None;
    }
    let mut undone = String::with_capacity(text.len());
    let (mut characters, mut count, mut kept) = (0_usize, 0_usize, 0_usize);
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, after) =
            rest.split_at(rest.find(|letter: char| !letter.is_ascii()).unwrap_or(rest.len()));
        undone.push_str(plain);
        let (run, after) =
            after.split_at(after.find(|letter: char| letter.is_ascii()).unwrap_or(after.len()));
        match decode_run(run) {
            Some(decoded) => {
                undone.push_str(&decoded);
                characters += decoded.chars().count();
                count += 1;
            }
            None => {
                undone.push_str(run);
                kept += usize::from(!run.is_empty());
            }
        }
        rest = after;
    }
    (characters >= UNDONE_MIN && count / UNDONE_PER_KEPT >= kept).then_some(undone)
}

/// Consecutive characters beyond ASCII, as the UTF-8 that they are in windows-1252.
fn decode_run(run: &str) -> Option<String> {
    let (bytes, _, has_other) = WINDOWS_1252.encode(run);
    if run.is_empty() || has_other {
        return None;
    }
    String::from_utf8(bytes.into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes once more, as a tool that takes UTF-8 for windows-1252.
    fn twice(text: &str) -> String {
        WINDOWS_1252.decode_without_bom_handling(text.as_bytes()).0.into_owned()
    }

    #[test]
    fn text_that_was_encoded_twice_is_readable_again() {
        for text in [
            "Où êtes-vous allé, garçon ? J’étais là…",
            "Größe, Straße und Übermut",
            "Съешь ещё этих мягких французских булок",
            "明日は東京へ行きます。",
            "— «oui»",
        ] {
            assert_eq!(undo(twice(text).into()), text);
            assert_eq!(undo(twice(&twice(text)).into()), text, "three times");
        }
    }

    #[test]
    fn text_that_was_encoded_once_stays() {
        for text in [
            "",
            "plain",
            "Où êtes-vous allé, garçon ? J’étais là…",
            "São Paulo, AÇÃO, Ã, NÃO",
            "Ång, Ärlig, Öl, é",
            "明日は東京へ行きます。",
            "élan Ã© été où naïve",
        ] {
            assert_eq!(undo(text.into()), text);
        }
    }
}
