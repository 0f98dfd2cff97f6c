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
    /// The version of an object of a bucket, which its time does not decide.
    object: Option<Version>,
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
            object: None,
        }
    }

    /// Of an object in a bucket, by its address. The time has whole seconds: a listing has milliseconds, which
    /// the object's own header fields lack.
    pub fn of_object(
        bucket: &str,
        key: &str,
        etag: &str,
        size: u64,
        modified: Option<SystemTime>,
    ) -> Self {
        let since_epoch =
            modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let seconds = i64::try_from(since_epoch.unwrap_or_default().as_secs()).unwrap_or(i64::MAX);
        let version = Version::from_object(etag, size);
        Self {
            device: hash(bucket.as_bytes()),
            inode: hash(key.as_bytes()),
            size,
            modified: (seconds, 0),
            changed: (0, 0),
            attributes: (1, 0, 0, 0),
            object: Some(version),
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
        self.object.unwrap_or_else(|| Version::new(self.size, self.modified))
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

    /// The version of an object in a bucket: a hash of its ETag and its size. Its time is no part of it,
    /// because it differs between copies and between the bucket's own responses.
    pub fn from_object(etag: &str, size: u64) -> Self {
        // Some servers leave the quotes out of listings.
        Self(mix(hash(etag.trim_matches('"').as_bytes()) ^ mix(size)))
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

/// A hash of bytes that is published, as [`mix`] is.
fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let state = words.iter().fold(0, |state, word| mix(state ^ u64::from_le_bytes(*word)));
    let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u64::from(*byte));
    mix(mix(state ^ last) ^ bytes.len() as u64)
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
    fn the_version_of_an_object_never_changes_and_depends_on_nothing_but_etag_and_size() {
        let etag = "\"9b2cf535f27731c974343645a3985328-3\"";
        let golden = Version::from_object(etag, 1_234_567);
        assert_eq!(golden.to_string(), "7c25de49d9c3eb62");
        assert_eq!(golden, Version::from_object(etag.trim_matches('"'), 1_234_567));
        assert_ne!(golden, Version::from_object(etag, 1_234_568));
        assert_ne!(
            golden,
            Version::from_object("\"9b2cf535f27731c974343645a3985329-3\"", 1_234_567)
        );
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let of = |bucket, key, time| Identity::of_object(bucket, key, etag, 1_234_567, time);
        let one = of("http://s3/films", "a.mp4", Some(time));
        assert_eq!(one.version(), golden);
        assert_eq!(one, of("http://s3/films", "a.mp4", Some(time - Duration::from_millis(123))));
        for other in [of("http://s3/films", "b.mp4", None), of("http://s3/film", "a.mp4", None)] {
            assert!(other != one && !other.same_file(&one) && other.version() == golden);
        }
    }

    #[test]
    fn size_seconds_and_nanoseconds_each_make_another_version() {
        let version = Version::new(10, (20, 30));
        assert_ne!(version, Version::new(11, (20, 30)));
        assert_ne!(version, Version::new(10, (21, 30)));
        assert_ne!(version, Version::new(10, (20, 31)));
    }
}
