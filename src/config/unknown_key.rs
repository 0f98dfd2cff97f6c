//! Errors of the parser of the file, for people: unknown keys with the known ones that were most likely meant, and no
//! secrets.

use super::root::NOT_SHOWN;

/// The least similarity of a name that is worth a proposal, from 0 to 1.
const SIMILARITY_MIN: f64 = 0.8;

/// The known name that an unknown one most resembles, if any is close.
pub fn similar<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let similarity = |name: &'a str| (strsim::jaro_winkler(unknown, name), name);
    let similar = known.into_iter().map(similarity).filter(|(how, _)| *how >= SIMILARITY_MIN);
    similar.max_by(|(how, _), (other, _)| how.total_cmp(other)).map(|(_, name)| name)
}

/// The text of an error of the parser, with a proposal in place of the list of all keys.
pub(super) fn explain(error: &toml::de::Error) -> String {
    let (text, message) = (error.to_string(), error.message());
    if message.contains(NOT_SHOWN) {
        // Without the line itself, which the parser shows, too.
        let place = text.lines().next().unwrap_or_default();
        return format!("{place}: {message}");
    }
    // serde: unknown field `a`, expected one of `b`, `c`
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return text;
    };
    let Some((unknown, expected)) = rest.split_once('`') else {
        return text;
    };
    let known = expected.split('`').skip(1).step_by(2);
    let next_step = match similar(unknown, known) {
        Some(name) => format!("did you mean {name}?"),
        None => "config/headwater.toml lists all keys".to_owned(),
    };
    text.replace(message, &format!("unknown key {unknown}; {next_step}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;

    #[test]
    fn an_unknown_key_is_named_with_the_one_that_was_meant() {
        for (text, expected) in [
            ("lisen = 1", "unknown key lisen; did you mean listen?"),
            ("[[root]]\ndirr = 'a'", "unknown key dirr; did you mean dir?"),
            ("image_slot = 1", "unknown key image_slot; did you mean image_slots?"),
            ("zzz = 1", "unknown key zzz; config/headwater.toml lists all keys"),
        ] {
            let error = toml::from_str::<Layer>(text).expect_err(text);
            let explained = explain(&error);
            assert!(explained.contains(expected), "{explained}");
            assert!(explained.contains("line ") && !explained.contains("expected"), "{explained}");
        }
    }

    #[test]
    fn the_line_of_a_secret_is_not_shown() {
        for text in
            ["bucket = 's3://key:hunter2@media'", "endpoint = 'https://key:hunter2@s3.example'"]
        {
            let table = format!("[[root]]\nbucket = 's3://media'\n{text}");
            let table =
                if text.starts_with("bucket") { format!("[[root]]\n\n{text}") } else { table };
            let explained = explain(&toml::from_str::<Layer>(&table).expect_err(text));
            assert!(
                explained.contains("line 3") && explained.contains("credentials"),
                "{explained}"
            );
            assert!(!explained.contains("hunter2"), "{explained}");
        }
    }

    #[test]
    fn other_errors_stay() {
        let error = toml::from_str::<Layer>("io_threads = 5000").expect_err("too many");
        assert_eq!(explain(&error), error.to_string());
    }
}
