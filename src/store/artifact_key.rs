//! The names of artifacts.

use std::fmt;

/// Maximum length of a key, which is a file name.
const KEY_BYTES_MAX: usize = 160;

/// Names an artifact by all that decides its bytes: the version of its source and the parameters.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Key(String);

impl Key {
    /// Checks a key. `None` unless it consists of lower-case letters, digits and hyphens, so that it is a
    /// plain file name.
    pub fn new(key: impl Into<String>) -> Option<Self> {
        let key = key.into();
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_key = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(is_plain);
        is_key.then_some(Self(key))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_plain_name() {
        assert!(Key::new("00ff-poster-w640").is_some());
        for other in ["", ".", "..", "a/b", "A", "a b", "a\0", &"a".repeat(161)] {
            assert!(Key::new(other).is_none(), "{other}");
        }
    }
}
