//! Preconditions (RFC 9110 section 13): whether the response is the representation, 304 or 412.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::{
    Method,
    header::{
        HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    },
};

use super::fields::Fields;
use crate::extent::Validator;

/// The current state of a representation.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// The strong validator.
    pub validator: Option<&'a Validator>,
    /// The time of the last change, in whole seconds as in HTTP.
    pub last_modified: Option<SystemTime>,
}

/// The outcome of the preconditions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Respond as without preconditions.
    Proceed,
    /// 304: the client has the representation already.
    NotModified,
    /// 412: the representation has changed.
    Failed,
}

/// Evaluates the preconditions in the order of section 13.2.2, except If-Range.
pub fn evaluate(method: &Method, fields: &impl Fields, state: State<'_>) -> Verdict {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if fields.has(&IF_MATCH) {
        // Strong comparison (13.1.1); a date beside it is ignored.
        if !any_tag(fields, &IF_MATCH, |tag| tag.matches_strongly(state.validator)) {
            return Verdict::Failed;
        }
    } else if let Some((since, modified)) =
        date(fields, &IF_UNMODIFIED_SINCE).zip(state.last_modified)
        && modified > since
    {
        return Verdict::Failed;
    }
    if fields.has(&IF_NONE_MATCH) {
        // Weak comparison (13.1.2), and again a date beside it is ignored.
        if any_tag(fields, &IF_NONE_MATCH, |tag| tag.matches_weakly(state.validator)) {
            return if is_read { Verdict::NotModified } else { Verdict::Failed };
        }
    } else if is_read
        && let Some((since, modified)) = date(fields, &IF_MODIFIED_SINCE).zip(state.last_modified)
        && modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether Range applies, as far as If-Range decides it (section 13.1.5).
///
/// A tag must match strongly. A date must be exactly Last-Modified, which must be at least a
/// second before `now`: else the file could have changed twice within it (8.8.2.2).
pub fn range_applies(fields: &impl Fields, state: State<'_>, now: SystemTime) -> bool {
    let Some(field) = fields.only(&IF_RANGE) else {
        return !fields.has(&IF_RANGE);
    };
    let field = field.trim_ascii();
    if let Some((tag, [])) = Tag::parse(field) {
        return tag.matches_strongly(state.validator);
    }
    let date =
        std::str::from_utf8(field).ok().and_then(|date| httpdate::parse_http_date(date).ok());
    date.zip(state.last_modified).is_some_and(|(date, modified)| {
        let is_settled = modified + Duration::from_secs(1) <= now;
        date == modified && is_settled
    })
}

/// A time in whole seconds, as in HTTP; `None` if it is in the future, when it must not be sent
/// (section 8.8.2.1).
pub fn http_time(time: SystemTime, now: SystemTime) -> Option<SystemTime> {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let whole = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    (whole <= now).then_some(whole)
}

/// One member of a list of entity tags.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tag<'a> {
    /// `*`: any representation.
    Any,
    /// `"…"` or `W/"…"`, with quotes and without `W/`.
    Exact { quoted: &'a [u8], is_weak: bool },
}

impl<'a> Tag<'a> {
    /// The tag at the start of a field's value, and the rest (section 8.8.3).
    fn parse(field: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (is_weak, quoted) = match field {
            [b'W', b'/', quoted @ ..] => (true, quoted),
            quoted => (false, quoted),
        };
        let opaque = quoted.strip_prefix(b"\"")?;
        let end = opaque.iter().position(|&byte| byte == b'"')?;
        let is_valid = |&byte: &u8| byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
        opaque[..end].iter().all(is_valid).then(|| {
            let (quoted, rest) = quoted.split_at(end + 2);
            (Self::Exact { quoted, is_weak }, rest)
        })
    }

    fn matches_strongly(self, validator: Option<&Validator>) -> bool {
        match self {
            Self::Any => true,
            Self::Exact { quoted, is_weak } => {
                !is_weak && validator.is_some_and(|validator| validator.as_bytes() == quoted)
            }
        }
    }

    /// All validators of this server are strong, so weak comparison only ignores the client's `W/`.
    fn matches_weakly(self, validator: Option<&Validator>) -> bool {
        match self {
            Self::Any => true,
            Self::Exact { quoted, .. } => {
                Self::Exact { quoted, is_weak: false }.matches_strongly(validator)
            }
        }
    }
}

/// Whether any tag of a list matches, over all of the field's lines (section 5.3). The rest of a line after
/// a syntax error is ignored.
fn any_tag(fields: &impl Fields, name: &HeaderName, fits: impl Fn(Tag<'_>) -> bool) -> bool {
    fields.lines(name).any(|line| {
        let mut rest = line.trim_ascii();
        if rest == b"*" {
            return fits(Tag::Any);
        }
        loop {
            let separators = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','));
            rest = &rest[separators.unwrap_or(rest.len())..];
            match Tag::parse(rest) {
                Some((tag, after)) if matches!(after.trim_ascii_start(), [] | [b',', ..]) => {
                    if fits(tag) {
                        return true;
                    }
                    rest = after;
                }
                _ => return false,
            }
        }
    })
}

/// The date in a field that occurs once; an invalid field is ignored (section 13.1.3).
fn date(fields: &impl Fields, name: &HeaderName) -> Option<SystemTime> {
    let text = std::str::from_utf8(fields.only(name)?).ok()?;
    httpdate::parse_http_date(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderValue};

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            map.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        map
    }

    fn verdict(lines: &[(&str, &str)]) -> Verdict {
        let validator = Validator::new("abc");
        let state = State { validator: Some(&validator), last_modified: Some(at(NOW - 100)) };
        evaluate(&Method::GET, &fields(lines), state)
    }

    fn date_text(seconds: u64) -> String {
        httpdate::fmt_http_date(at(seconds))
    }

    #[test]
    fn tags_are_found_in_lists_however_they_are_written() {
        use Verdict::{Failed, NotModified, Proceed};
        for (line, if_match, if_none_match) in [
            ("\"abc\"", Proceed, NotModified),
            ("W/\"abc\"", Failed, NotModified),
            ("*", Proceed, NotModified),
            (" \"x\" , \"abc\"", Proceed, NotModified),
            (",,\"a,b\",,\"abc\",", Proceed, NotModified),
            ("\"x\"", Failed, Proceed),
            ("abc", Failed, Proceed),
            ("\"abc", Failed, Proceed),
            ("\"x\" \"abc\"", Failed, Proceed),
            ("\"x\", *", Failed, Proceed),
            ("", Failed, Proceed),
        ] {
            assert_eq!(verdict(&[("if-match", line)]), if_match, "If-Match: {line}");
            assert_eq!(verdict(&[("if-none-match", line)]), if_none_match, "If-None-Match: {line}");
        }
        let two_lines = [("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")];
        assert_eq!(verdict(&two_lines), NotModified);
    }

    #[test]
    fn dates_count_only_without_a_tag_and_only_if_valid() {
        use Verdict::{Failed, NotModified, Proceed};
        let (old, same) = (date_text(NOW - 101), date_text(NOW - 100));
        assert_eq!(verdict(&[("if-modified-since", &same)]), NotModified);
        assert_eq!(verdict(&[("if-modified-since", &old)]), Proceed);
        assert_eq!(verdict(&[("if-modified-since", "yesterday")]), Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", &same)]), Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", &old)]), Failed);
        assert_eq!(verdict(&[("if-unmodified-since", "soon")]), Proceed);
        let both = [("if-none-match", "\"x\""), ("if-modified-since", same.as_str())];
        assert_eq!(verdict(&both), Proceed);
        let both = [("if-match", "\"abc\""), ("if-unmodified-since", old.as_str())];
        assert_eq!(verdict(&both), Proceed);
    }

    #[test]
    fn if_range_needs_a_strong_match_or_the_exact_settled_date() {
        let validator = Validator::new("abc");
        let applies = |value: &str, modified| {
            let state = State { validator: Some(&validator), last_modified: Some(at(modified)) };
            range_applies(&fields(&[("if-range", value)]), state, at(NOW))
        };
        let old = NOW - 100;
        assert!(applies("\"abc\"", old));
        assert!(!applies("W/\"abc\"", old));
        assert!(!applies("\"x\"", old));
        assert!(!applies("\"abc\", \"x\"", old));
        assert!(!applies("*", old));
        assert!(applies(&date_text(old), old));
        assert!(!applies(&date_text(old + 1), old), "later than Last-Modified is not exactly it");
        assert!(!applies(&date_text(NOW), NOW), "changed within this very second");
        assert!(!applies("gibberish", old));
    }

    #[test]
    fn a_time_in_the_future_is_not_sent() {
        assert_eq!(http_time(at(NOW + 1), at(NOW)), None);
        assert_eq!(http_time(at(NOW) + Duration::from_millis(999), at(NOW + 1)), Some(at(NOW)));
    }
}
