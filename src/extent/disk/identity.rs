//! The state of a file on this machine, and the version that every node derives from it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use rustix::fs::Stat;

use crate::extent::Validator;

/// The last second of the year 9999, since 1970.
const END_OF_9999_S: u64 = 253_402_300_799;

/// A file in one state on this machine. Keys caches and never leaves the process.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Identity {
    device: u64,
    inode: u64,
    /// The length in bytes.
    pub size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// Link count, mode and owners, whose changes move ctime without a write.
    attributes: (u64, u32, u32, u32),
}

/// The version of a file as every node with the same copy sees it: a hash of its size and its
/// modification time in nanoseconds, and of nothing that differs between machines.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Version(u64);

impl Identity {
    /// From the result of `fstat`. Field types differ between architectures, hence the casts.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn from_stat(status: &Stat) -> Self {
        Self {
            device: status.st_dev as u64,
            inode: status.st_ino as u64,
            size: status.st_size as u64,
            modified: (status.st_mtime as i64, status.st_mtime_nsec as i64),
            changed: (status.st_ctime as i64, status.st_ctime_nsec as i64),
            attributes: (
                status.st_nlink as u64,
                status.st_mode as u32,
                status.st_uid,
                status.st_gid,
            ),
        }
    }

    /// The time of the last write. Times before 1970 count as 1970, and those after 9999, which
    /// neither HTTP nor RFC 3339 can express, as the end of 9999.
    pub fn modified(&self) -> SystemTime {
        let (seconds, nanos) = self.modified;
        let since_epoch = match (u64::try_from(seconds), u32::try_from(nanos)) {
            (Ok(seconds), Ok(nanos)) => Duration::new(seconds.min(END_OF_9999_S), nanos),
            _ => Duration::ZERO,
        };
        SystemTime::UNIX_EPOCH + since_epoch
    }

    /// The version of the file in this state.
    pub fn version(&self) -> Version {
        Version::new(self.size, self.modified)
    }

    /// Whether the file, its names and its attributes have not changed for this long. Programs can set
    /// mtime but not ctime, so ctime decides; a ctime in the future counts as now.
    pub(super) fn is_quiet_for(&self, quiet_period: Duration) -> bool {
        if quiet_period.is_zero() {
            return true;
        }
        let (seconds, nanos) = self.changed;
        let since_epoch = match (u64::try_from(seconds), u32::try_from(nanos)) {
            (Ok(seconds), Ok(nanos)) => Duration::new(seconds, nanos),
            _ => Duration::ZERO,
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(since_epoch) >= quiet_period
    }

    /// A hash that hardly any other file shares: for tables that tolerate a collision.
    pub fn key(&self) -> u64 {
        mix(self.device ^ mix(self.inode))
    }

    /// Whether the file has lost its last name.
    pub(super) fn is_removed(&self) -> bool {
        self.attributes.0 == 0
    }

    /// Whether both are the same file, in any state.
    pub fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether the file in the state `now` still has the bytes of this state.
    ///
    /// A file that is deleted, or that another is renamed over, loses a link, which moves its ctime too;
    /// running responses still get it whole. The same holds for changes of links, modes and owners. Any
    /// other change of ctime reveals a writer that set mtime back.
    pub(super) fn still_holds(&self, now: &Self) -> bool {
        let is_untouched = self.changed == now.changed || self.attributes != now.attributes;
        is_untouched && (self.size, self.modified) == (now.size, now.modified)
    }
}

impl Version {
    fn new(size: u64, (seconds, nanos): (i64, i64)) -> Self {
        let words = [size, seconds.cast_unsigned(), nanos.cast_unsigned()];
        Self(words.into_iter().fold(0, |state, word| mix(state ^ word)))
    }

    /// The version of a result derived from the file in this version with a parameter.
    #[must_use]
    pub fn with(self, parameter: u64) -> Self {
        Self(mix(self.0 ^ mix(parameter)))
    }

    /// The version of a result derived from two files in these versions.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.with(other.0)
    }

    /// The validator of the file's bytes in this version.
    pub fn validator(self) -> Validator {
        Validator::new(&self.to_string())
    }
}

/// The finalizer of `SplitMix64` with its increment: a bijection that spreads every bit. Versions are
/// published, so this must never change; a test pins it.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl fmt::Display for Version {
    /// 16 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_once_published_never_changes() {
        let golden = Version::new(1_234_567, (1_700_000_000, 123_456_789));
        assert_eq!(golden.to_string(), "2cb989f8817e1c77");
        assert_eq!(golden.validator().as_bytes(), "\"2cb989f8817e1c77\"");
    }

    #[test]
    fn size_seconds_and_nanoseconds_each_make_another_version() {
        let version = Version::new(10, (20, 30));
        assert_ne!(version, Version::new(11, (20, 30)));
        assert_ne!(version, Version::new(10, (21, 30)));
        assert_ne!(version, Version::new(10, (20, 31)));
    }
}
