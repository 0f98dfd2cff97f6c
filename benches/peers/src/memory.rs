//! The memory of a server and of all its descendants: `RssAnon`, which is heap and stacks. Pages of
//! mapped files are shared with the page cache, and the kernel's memory for sockets is the same for
//! every server; neither counts.

use anyhow::Result;
use procfs::process::FDTarget;

use crate::tree;

/// Resident memory of the process `root` and all its descendants, in KiB.
pub fn of_tree(root: u32) -> Result<u64> {
    // A process that has ended has no memory.
    let anon = |process: procfs::process::Process| process.status().ok()?.rssanon;
    Ok(tree::of(root)?.into_iter().filter_map(|(process, _)| anon(process)).sum())
}

/// Open sockets of the process `root` and all its descendants.
pub fn sockets_of_tree(root: u32) -> Result<usize> {
    let descriptors = tree::of(root)?.into_iter().filter_map(|(process, _)| process.fd().ok());
    // A descriptor may be closed after the listing.
    let sockets = descriptors.flatten().flatten();
    Ok(sockets.filter(|fd| matches!(fd.target, FDTarget::Socket(_))).count())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn this_process_has_memory_and_its_listeners_are_sockets() {
        let id = std::process::id();
        assert!(of_tree(id).unwrap() > 0);
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        assert!(sockets_of_tree(id).unwrap() >= listeners.len());
    }
}
