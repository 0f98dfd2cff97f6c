//! Linux has a call for each.

use std::{
    io::IoSliceMut,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{self, Mode, OFlags, ResolveFlags, Stat},
    io::{Errno, ReadWriteFlags, Result},
};

use super::Wait;

/// How often an open that the kernel could not decide is tried.
const OPEN_TRIES: usize = 16;

/// Opens something below a directory. The empty path is the directory itself.
pub fn open_beneath(directory: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> Result<OwnedFd> {
    let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    let flags = flags | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let open = || fs::openat2(directory, relative, flags, Mode::empty(), resolve);
    // A rename somewhere in the system may race with a `..` in a link: the kernel then cannot be
    // sure that it stayed beneath, and asks to try again (openat2(2)).
    let is_settled = |opened: &Result<_>| !matches!(opened, Err(Errno::AGAIN));
    (1..OPEN_TRIES).map(|_| open()).find(is_settled).unwrap_or_else(open)
}

/// The status of something below a directory, links resolved.
pub fn status_beneath(directory: BorrowedFd<'_>, relative: &Path) -> Result<Stat> {
    fs::fstat(open_beneath(directory, relative, OFlags::PATH)?)
}

/// Reads at a place: at least a byte, unless that is the end.
pub fn read_at(fd: impl AsFd, into: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
    let flags = match wait {
        Wait::Allowed => ReadWriteFlags::empty(),
        Wait::Never => ReadWriteFlags::NOWAIT,
    };
    rustix::io::preadv2(fd, &mut [IoSliceMut::new(into)], offset, flags)
}

/// Whether `fstat` and `RWF_NOWAIT` on this file are answered from memory: true of the local file
/// systems below, whose inode of an open file is in memory; not of network and user-space ones,
/// where a status may ask a server that is gone.
pub fn answers_in_place(fd: impl AsFd) -> Result<bool> {
    // Numbers from linux/magic.h; XFS, ZFS and bcachefs keep theirs in their own headers.
    const LOCAL: [u64; 11] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // XFS
        0x9123_683e, // Btrfs
        0xf2f5_2010, // F2FS
        0x0102_1994, // tmpfs
        0x8584_58f6, // ramfs
        0x2fc1_2fc1, // ZFS
        0xca45_1a4e, // bcachefs
        0x794c_7630, // overlayfs
        0x7371_7368, // SquashFS
        0x4d44,      // FAT, exFAT's elder
    ];
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    let magic = fs::fstatfs(fd)?.f_type as u64;
    Ok(LOCAL.contains(&(magic & 0xffff_ffff)))
}
