//! Paths of files in requests: decoded once, checked once, then a type of their own.

use std::{borrow::Borrow, ffi::OsStr, fmt, os::unix::ffi::OsStrExt, path::Path, sync::Arc};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::extent::disk::split_stem;

/// A relative path of plain, visible names. Names are bytes, as on the disk; one that is not UTF-8 is
/// reachable percent-encoded.
///
/// These checks hide hidden files and give each file one name. They do not confine reads to the library:
/// [`Root`](crate::extent::disk::Root) does.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MediaPath(Arc<[u8]>);

/// The longest name on the file systems of Linux, in bytes (`NAME_MAX`).
const NAME_BYTES_MAX: usize = 255;

/// The longest path that the kernel accepts, the final NUL included, in bytes (`PATH_MAX`).
const PATH_BYTES_MAX: usize = 4096;

/// The characters that a URL encodes: all but the unreserved of RFC 3986 section 2.3, and `/`.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The error of an invalid path. Clients get the same response as for a missing file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathRefused {
    /// A `%` without two hex digits after it.
    #[error("a percent sign without two hex digits")]
    Encoding,
    /// An empty name, as between two slashes.
    #[error("an empty name")]
    Empty,
    /// `.`, `..` or another name that begins with a dot: hidden files are not served.
    #[error("a name that begins with a dot")]
    Dot,
    /// NUL, which ends a path in the kernel, or a backslash, which is a slash elsewhere.
    #[error("a NUL or a backslash")]
    Byte,
    /// A name or a path longer than file systems allow.
    #[error("the name is too long")]
    TooLong,
}

impl MediaPath {
    /// Decodes the percent-encoded path of a request's target, exactly once: `%252e` is the name `%2e`. An
    /// encoded slash is a slash.
    pub fn decode(encoded: &str) -> Result<Self, PathRefused> {
        let mut decoded = Vec::with_capacity(encoded.len());
        let mut bytes = encoded.bytes();
        while let Some(byte) = bytes.next() {
            decoded.push(match byte {
                b'%' => hex_pair(bytes.next(), bytes.next()).ok_or(PathRefused::Encoding)?,
                plain => plain,
            });
        }
        Self::from_bytes(decoded)
    }

    /// Converts a relative path of the disk.
    pub fn from_path(path: &Path) -> Result<Self, PathRefused> {
        Self::from_bytes(path.as_os_str().as_bytes().to_vec())
    }

    fn from_bytes(bytes: Vec<u8>) -> Result<Self, PathRefused> {
        if bytes.len() >= PATH_BYTES_MAX {
            return Err(PathRefused::TooLong);
        }
        for name in bytes.split(|&byte| byte == b'/') {
            match name {
                [] => return Err(PathRefused::Empty),
                [b'.', ..] => return Err(PathRefused::Dot),
                _ if name.len() > NAME_BYTES_MAX => return Err(PathRefused::TooLong),
                _ if name.iter().any(|byte| matches!(byte, 0 | b'\\')) => {
                    return Err(PathRefused::Byte);
                }
                _ => {}
            }
        }
        Ok(Self(bytes.into()))
    }

    /// The path for the file system.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The last name.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// The last name, for display.
    pub fn display_name(&self) -> String {
        String::from_utf8_lossy(self.file_name()).into_owned()
    }

    /// The last name without its extension, for display: the name of a title.
    pub fn display_stem(&self) -> String {
        String::from_utf8_lossy(split_stem(self.file_name()).0).into_owned()
    }

    /// The folder; `None` if that is the top of the library.
    pub fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        Some(Self(self.0[..slash].into()))
    }

    /// The paths of all folders above, as bytes, from the top down.
    pub(super) fn folders(&self) -> impl Iterator<Item = &[u8]> {
        let slashes = self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.map(|(place, _)| &self.0[..place])
    }

    /// The names of the path, from the top down.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }

    /// The path of another name in the same folder.
    pub(super) fn sibling(&self, name: &[u8]) -> Result<Self, PathRefused> {
        let folder = &self.0[..self.0.len() - self.file_name().len()];
        Self::from_bytes([folder, name].concat())
    }

    /// The path of a name in the folder of this path.
    pub(super) fn child(&self, name: &[u8]) -> Result<Self, PathRefused> {
        Self::from_bytes([&self.0, &b"/"[..], name].concat())
    }

    /// The last name percent-encoded, for a URL.
    pub fn encoded_name(&self) -> impl fmt::Display {
        percent_encode(self.file_name(), ENCODED)
    }

    /// The path percent-encoded, for a URL.
    pub fn encoded(&self) -> impl fmt::Display {
        percent_encode(&self.0, ENCODED)
    }

    /// The path for display. Bytes that are not UTF-8 are replaced, so it identifies no file.
    pub fn display(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The first name, and the path below it; `None` if there is only one name.
    pub(super) fn split_first(&self) -> Option<(&[u8], &Path)> {
        let slash = self.0.iter().position(|&byte| byte == b'/')?;
        Some((&self.0[..slash], Path::new(OsStr::from_bytes(&self.0[slash + 1..]))))
    }
}

/// Finds the path of bytes in a map without another copy of them.
impl Borrow<[u8]> for MediaPath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MediaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_path(), f)
    }
}

fn hex_pair(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_once_and_only_once() {
        let path = MediaPath::decode("a%20b/%252e%252e/c%2Fd").expect("a plain path");
        assert_eq!(path.as_path(), Path::new("a b/%2e%2e/c/d"));
        assert_eq!(path.encoded().to_string(), "a%20b/%252e%252e/c/d");
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        use PathRefused::{Byte, Dot, Empty, Encoding, TooLong};
        let long = "a".repeat(256);
        for (encoded, refused) in [
            ("", Empty),
            ("a//b", Empty),
            ("/etc/passwd", Empty),
            ("%2fetc", Empty),
            ("a/", Empty),
            ("..", Dot),
            ("a/../b", Dot),
            ("a/%2e%2E/b", Dot),
            ("%2e", Dot),
            (".hidden", Dot),
            ("a/.git/b", Dot),
            ("a%00b", Byte),
            ("a%5c..", Byte),
            ("a\\b", Byte),
            ("%", Encoding),
            ("%4", Encoding),
            ("%zz", Encoding),
            ("%+1", Encoding),
            (long.as_str(), TooLong),
        ] {
            assert_eq!(MediaPath::decode(encoded), Err(refused), "{encoded}");
        }
        assert_eq!(MediaPath::decode(&"a/".repeat(3000)), Err(TooLong));
    }

    #[test]
    fn a_name_that_is_not_utf_8_survives_decoding_and_encoding() {
        let path = MediaPath::decode("caf%E9.mp4").expect("bytes are bytes");
        assert_eq!(path.file_name(), b"caf\xe9.mp4");
        let encoded = path.encoded().to_string();
        assert_eq!(MediaPath::decode(&encoded), Ok(path));
    }
}
