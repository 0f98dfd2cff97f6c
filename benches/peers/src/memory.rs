//! The memory of a server and of everything it has started.
//!
//! `RssAnon` is what a server has taken for itself: heap and stacks. `RssFile` are pages of
//! files that it has mapped, which it shares with the page cache and the kernel may take back.
//! The kernel's own memory for sockets is in neither; it is the same for every server.

use std::fs;
use std::io;
use std::ops::Sub;

use anyhow::{Context, Result};

use crate::tree;

/// Resident memory in KiB. Signed, since a difference may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub anon_kib: i64,
    pub file_kib: i64,
}

impl Sub for Memory {
    type Output = Memory;

    fn sub(self, earlier: Memory) -> Memory {
        Memory {
            anon_kib: self.anon_kib - earlier.anon_kib,
            file_kib: self.file_kib - earlier.file_kib,
        }
    }
}

/// Resident memory of the process `root` and all its descendants.
pub fn of_tree(root: u32) -> Result<Memory> {
    let mut sum = Memory::default();
    for status in each(root, |id| fs::read_to_string(format!("/proc/{id}/status")))? {
        // One that has ended, but was not waited for, has no memory.
        let memory = parse_status(&status).unwrap_or_default();
        sum.anon_kib += memory.anon_kib;
        sum.file_kib += memory.file_kib;
    }
    Ok(sum)
}

/// Sockets that the process `root` and all its descendants hold.
pub fn sockets_of_tree(root: u32) -> Result<usize> {
    Ok(each(root, sockets)?.into_iter().sum())
}

fn sockets(id: u32) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(format!("/proc/{id}/fd"))? {
        // A descriptor may be closed between the listing and this.
        let target = entry.and_then(|entry| fs::read_link(entry.path()));
        count += usize::from(target.is_ok_and(|to| to.to_string_lossy().starts_with("socket:")));
    }
    Ok(count)
}

/// What `read` gives for the process `root` and each of its descendants.
fn each<T>(root: u32, read: impl Fn(u32) -> io::Result<T>) -> Result<Vec<T>> {
    let mut found = vec![read(root).context("the server is gone")?];
    let descendants = tree::of(root)?.into_keys().filter(|&id| id != root);
    // A descendant may have ended since the listing.
    found.extend(descendants.filter_map(|id| read(id).ok()));
    Ok(found)
}

/// Reads proc_pid_status(5).
fn parse_status(status: &str) -> Option<Memory> {
    let kib = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(Memory { anon_kib: kib("RssAnon")?, file_kib: kib("RssFile")? })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn both_kinds_are_read_from_the_status() {
        let status = "Name:\tx\nVmRSS:\t  900 kB\nRssAnon:\t     600 kB\nRssFile:\t     300 kB\n";
        assert_eq!(parse_status(status), Some(Memory { anon_kib: 600, file_kib: 300 }));
        assert_eq!(parse_status("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn memory_may_shrink() {
        let (before, after) =
            (Memory { anon_kib: 5, file_kib: 0 }, Memory { anon_kib: 3, file_kib: 1 });
        assert_eq!(after - before, Memory { anon_kib: -2, file_kib: 1 });
    }

    #[test]
    fn this_process_has_memory_and_its_listeners_are_sockets() {
        let id = std::process::id();
        assert!(of_tree(id).unwrap().anon_kib > 0);
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        assert!(sockets_of_tree(id).unwrap() >= listeners.len());
    }
}
