//! Linux: `openat2`, `preadv2` and the list of local file systems.

use std::{
    io::IoSliceMut,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{self, Mode, OFlags, ResolveFlags, SeekFrom, Stat},
    io::{Errno, ReadWriteFlags, Result},
};

use super::{Links, Wait};

/// The most attempts at an open that fails with EAGAIN.
const OPEN_TRIES: usize = 16;

/// Opens an entry below a directory. The empty path is the directory itself.
pub fn open_beneath(
    directory: BorrowedFd<'_>,
    relative: &Path,
    flags: OFlags,
    links: Links,
) -> Result<OwnedFd> {
    match open_without_links(directory, relative, flags) {
        // The kernel would follow a link to a hidden name, too.
        Err(Errno::LOOP) if links == Links::Followed => {
            super::beneath::open(directory, relative, flags)
        }
        opened => opened,
    }
}

fn open_without_links(
    directory: BorrowedFd<'_>,
    relative: &Path,
    flags: OFlags,
) -> Result<OwnedFd> {
    let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    let flags = flags | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let open = || fs::openat2(directory, relative, flags, Mode::empty(), resolve);
    // If a rename anywhere in the system races with a `..`, the kernel cannot be sure that it stayed beneath
    // the directory, and the caller has to try again (openat2(2)).
    let is_decided = |opened: &Result<_>| !matches!(opened, Err(Errno::AGAIN));
    (1..OPEN_TRIES).map(|_| open()).find(is_decided).unwrap_or_else(open)
}

/// The status of an entry below a directory.
pub fn status_beneath(directory: BorrowedFd<'_>, relative: &Path, links: Links) -> Result<Stat> {
    match open_without_links(directory, relative, OFlags::PATH) {
        Err(Errno::LOOP) if links == Links::Followed => super::beneath::status(directory, relative),
        opened => fs::fstat(opened?),
    }
}

/// Reads at an offset: at least a byte, except at the end.
pub fn read_at(fd: impl AsFd, into: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
    let flags = match wait {
        Wait::Allowed => ReadWriteFlags::empty(),
        Wait::Never => ReadWriteFlags::NOWAIT,
    };
    rustix::io::preadv2(fd, &mut [IoSliceMut::new(into)], offset, flags)
}

/// Waits until each write(2) to a file that has begun is over. Blocks as long as that takes.
///
/// A write sets mtime when it begins and changes the last byte when it ends, under the inode's lock. To look
/// for data takes that lock too, on ext4, Btrfs, F2FS and tmpfs; on XFS each read waits for the write itself.
pub fn wait_for_writes(fd: impl AsFd) {
    // The offset is of no use: all reads have their own.
    let _ = fs::seek(fd, SeekFrom::Data(0));
}

/// Whether `fstat`, and reads with `RWF_NOWAIT`, never block on this file: true on the local file systems
/// below, which keep the inode of an open file in memory; false on network and user-space ones, where a
/// status may need a server that is gone.
pub fn is_nonblocking(fd: impl AsFd) -> Result<bool> {
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
        FAT,
    ];
    Ok(LOCAL.contains(&magic(fd)?))
}

/// Whether inotify reports every change of a name in this directory, as the name was spelled. On a network
/// file system it reports changes of this machine only; where names ignore case, an event may spell a name
/// in another way.
pub fn reports_names(directory: impl AsFd) -> Result<bool> {
    // FS_CASEFOLD_FL of linux/fs.h.
    const CASEFOLD: u32 = 0x4000_0000;
    let directory = directory.as_fd();
    let ignores_case = magic(directory)? == FAT
        || fs::ioctl_getflags(directory).is_ok_and(|flags| flags.bits() & CASEFOLD != 0);
    Ok(is_nonblocking(directory)? && !ignores_case)
}

/// FAT, and exFAT's predecessor.
const FAT: u64 = 0x4d44;

/// The type of a file system, by its magic number.
fn magic(fd: impl AsFd) -> Result<u64> {
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    let magic = fs::fstatfs(fd)?.f_type as u64;
    Ok(magic & 0xffff_ffff)
}
