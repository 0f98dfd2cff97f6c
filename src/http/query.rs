//! Query strings: one reader, with one rule for booleans.
//!
//! Unknown keys are ignored, because analytics tools add theirs to URLs; the API refuses them. Values are coded
//! as by HTML forms: a plus is a space.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::Error;

/// The query string of a request.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// The query string behind the `?` of a target.
    pub fn new(query: &'a str) -> Self {
        Self(query)
    }

    /// The decoded value of a key, the last one if it is repeated; empty for a key without `=`.
    pub fn get(self, key: &str) -> Option<Cow<'a, str>> {
        Some(match self.bytes(key)? {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        })
    }

    /// The decoded value of a key as bytes, as of a name that is not UTF-8.
    pub fn bytes(self, key: &str) -> Option<Cow<'a, [u8]>> {
        let mut pairs = self.0.rsplit('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let (_, value) = pairs.find(|(name, _)| *name == key)?;
        Some(match value.contains('+') {
            true => percent_decode_str(&value.replace('+', " ")).collect::<Vec<_>>().into(),
            false => percent_decode_str(value).into(),
        })
    }

    /// Fails for a key that is not in a list.
    pub fn check_keys(self, known: &[&str]) -> Result<(), Error> {
        let names = self.0.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        match names.filter(|name| !name.is_empty()).find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(unknown) => {
                let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
                let known = known.join(", ");
                Err(Error::BadRequest(format!("unknown key `{unknown}`; the keys are {known}")))
            }
        }
    }

    /// All values of a key as they are in the query: percent-encoded.
    pub fn encoded(self, key: &str) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter_map(move |(name, value)| (name == key).then_some(value))
    }

    /// A boolean: `key`, `key=`, `key=1` and `key=true` are true, `key=0` and `key=false` are false; without
    /// the key the value is `default`.
    pub fn flag(self, key: &str, default: bool) -> Result<bool, Error> {
        match self.get(key).as_deref() {
            None => Ok(default),
            Some("" | "1" | "true") => Ok(true),
            Some("0" | "false") => Ok(false),
            Some(_) => Err(Error::BadRequest(format!("{key} must be true, 1, false or 0"))),
        }
    }

    /// A time in decimal seconds, as milliseconds.
    pub fn milliseconds(self, key: &str) -> Result<Option<u64>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        milliseconds(&value).map(Some).ok_or_else(|| {
            Error::BadRequest(format!("{key} must be a time in seconds, such as 90 or 12.5"))
        })
    }

    /// A decimal number.
    pub fn number(self, key: &str) -> Result<Option<u64>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        value
            .parse()
            .map(Some)
            .map_err(|_| Error::BadRequest(format!("{key} must be a whole number from 0 on")))
    }

    /// A list whose members are separated by commas.
    pub fn list(self, key: &str) -> Vec<String> {
        let value = self.get(key).unwrap_or_default();
        value.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect()
    }
}

/// Decimal seconds as milliseconds, exactly.
fn milliseconds(seconds: &str) -> Option<u64> {
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
    let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_plain(whole) || !is_plain(part) {
        return None;
    }
    let thousandths = part.bytes().chain(*b"000").take(3);
    let part_ms = thousandths.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(part_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal_seconds() {
        for (text, ms) in [
            ("0", Some(0)),
            ("90", Some(90_000)),
            ("12.5", Some(12_500)),
            ("0.0019", Some(1)),
            ("1.", Some(1000)),
            ("", None),
            (".5", None),
            ("-1", None),
            ("1e3", None),
            ("1:30", None),
            ("99999999999999999999", None),
            ("18446744073709552", None),
        ] {
            assert_eq!(milliseconds(text), ms, "{text}");
            let query = format!("time={text}");
            assert_eq!(Query::new(&query).milliseconds("time").ok(), ms.map(Some), "{text}");
        }
        assert_eq!(Query::new("").milliseconds("time").expect("no time"), None);
    }

    #[test]
    fn numbers_are_digits() {
        for (query, number) in
            [("from=0", Some(0)), ("from=12", Some(12)), ("from=", None), ("from=-1", None)]
        {
            assert_eq!(Query::new(query).number("from").ok(), number.map(Some), "{query}");
        }
        assert_eq!(Query::new("").number("from").expect("no number"), None);
    }

    #[test]
    fn booleans_have_one_rule() {
        for (query, flag) in [
            ("exact", Some(true)),
            ("exact=", Some(true)),
            ("exact=1", Some(true)),
            ("exact=true", Some(true)),
            ("exact=tru%65", Some(true)),
            ("exact=0", Some(false)),
            ("exact=false", Some(false)),
            ("a=b&exact=0&c", Some(false)),
            ("exact=1&exact=0", Some(false)),
            ("exact=no", None),
            ("exact=2", None),
            ("exact=True", None),
        ] {
            assert_eq!(Query::new(query).flag("exact", false).ok(), flag, "{query}");
            assert_eq!(Query::new(query).flag("exact", true).ok(), flag, "{query}");
        }
        for query in ["", "inexact", "exactly=1", "&&", "a=exact"] {
            assert!(!Query::new(query).flag("exact", false).expect("no flag"), "{query}");
            assert!(Query::new(query).flag("exact", true).expect("no flag"), "{query}");
        }
    }

    #[test]
    fn values_are_decoded() {
        let query = Query::new("tracks=video-1%2Caudio-2&utm=x&fit=c%6fver");
        assert_eq!(query.list("tracks"), ["video-1", "audio-2"]);
        assert_eq!(query.get("fit").as_deref(), Some("cover"));
        assert_eq!(query.get("width"), None);
        assert!(query.list("none").is_empty());
        let paths = Query::new("path=a%20b&x&path=%FF");
        assert!(paths.encoded("path").eq(["a%20b", "%FF"]));
        let query = Query::new("search=a+b%2Bc&folder=caf%E9+x");
        assert_eq!(query.get("search").as_deref(), Some("a b+c"));
        assert_eq!(query.bytes("folder").as_deref(), Some(&b"caf\xe9 x"[..]));
        assert!(query.check_keys(&["folder", "search"]).is_ok());
        let refused = query.check_keys(&["folder"]).expect_err("an unknown key");
        assert_eq!(refused.to_string(), "unknown key `search`; the keys are `folder`");
    }
}
