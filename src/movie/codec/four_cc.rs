//! Four-character codes.

use std::fmt;

/// A four-character code: the type of a box, a codec, a handler (ISO/IEC 14496-12 section 4.2).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    /// The code as a codecs parameter (RFC 6381 section 3.2). `_` replaces characters that could end the
    /// parameter or its attribute.
    pub(super) fn as_codecs(self) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        self.0.map(|byte| if plain(byte) { char::from(byte) } else { '_' }).iter().collect()
    }
}

impl fmt::Display for FourCc {
    /// Escapes everything except printable ASCII, because a code from a file can reach logs and pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{self}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_characters_are_escaped() {
        assert_eq!(FourCc(*b"ac-3").to_string(), "ac-3");
        assert_eq!(FourCc([b'm', b's', 0, 0x55]).to_string(), r"ms\x00U");
        assert_eq!(format!("{:?}", FourCc(*b"hvc1")), "'hvc1'");
        assert_eq!(FourCc(*b"a\",\n").as_codecs(), "a___");
        assert_eq!(FourCc(*b"ac-3").as_codecs(), "ac-3");
    }
}
