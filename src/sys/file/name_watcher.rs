//! Watches the names in directories through inotify(7).

use std::{
    ffi::OsStr,
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::{Errno, Result},
};

use super::{NameEvent, WatchId};

/// The size of the event buffer, in bytes: some events, at least one with the longest name.
const BUFFER_BYTES: usize = 4096;

/// Reports renames, replacements and removals of names in watched directories, but no new names and no
/// writes to files.
#[derive(Debug)]
pub struct NameWatcher {
    inotify: OwnedFd,
}

impl NameWatcher {
    /// A watcher without watches.
    pub fn new() -> Result<Self> {
        Ok(Self { inotify: inotify::init(CreateFlags::CLOEXEC)? })
    }

    /// Watches an open directory. One directory has one watch, however often it is added.
    pub fn add(&self, directory: BorrowedFd<'_>) -> Result<WatchId> {
        // A path could lead to another directory by now; the link of the descriptor cannot.
        let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
        let flags = WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        Ok(WatchId(inotify::add_watch(&self.inotify, path, flags)?))
    }

    /// Ends a watch, which is an [event](NameEvent::Ended) too.
    pub fn remove(&self, watch: WatchId) {
        // An error means that the watch has ended already.
        let _ = inotify::remove_watch(&self.inotify, watch.0);
    }

    /// Causes an event, which wakes the thread that waits for events.
    pub fn wake(&self) {
        let flags = WatchFlags::DELETE_SELF | WatchFlags::ONLYDIR;
        if let Ok(watch) = inotify::add_watch(&self.inotify, "/", flags) {
            self.remove(WatchId(watch));
        }
    }

    /// Waits for events and passes them on, until `handle` returns `false` or the read fails.
    pub fn for_each_event(&self, mut handle: impl FnMut(NameEvent<'_>) -> bool) -> Result<()> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = Reader::new(self.inotify.as_fd(), &mut buffer);
        loop {
            let kernel_event = match events.next() {
                Err(Errno::INTR) => continue,
                event => event?,
            };
            let (directory, flags) = (WatchId(kernel_event.wd()), kernel_event.events());
            let event = if flags.intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::UNMOUNT) {
                NameEvent::Lost
            } else if flags.contains(ReadFlags::IGNORED) {
                NameEvent::Ended { directory }
            } else {
                let name = kernel_event.file_name().map_or(&[][..], |name| name.to_bytes());
                let name = OsStr::from_bytes(name);
                match flags.contains(ReadFlags::ISDIR) {
                    true => NameEvent::Directory { directory, name },
                    false => NameEvent::File { directory, name },
                }
            };
            if !handle(event) {
                return Ok(());
            }
        }
    }
}
