//! File descriptors: what the process may have, and what they are for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Settings;

/// Descriptors for all else: logs, the database, watches, the worker, and files on their way into a cache.
const RESERVED: u64 = 256;

/// Descriptors of a connection: its socket, and the file that it sends.
const PER_CONNECTION: u64 = 2;

/// How many descriptors go where. Without this plan a full server would take the last descriptor for a
/// connection, and then open no file for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct DescriptorPlan {
    /// The most connections.
    pub(super) connections: usize,
    /// The most files that each root keeps open.
    pub(super) open_files: usize,
}

impl DescriptorPlan {
    /// A plan within the process's present limit.
    pub(super) fn new(settings: &Settings) -> Self {
        // The roots, and the folder of artifacts.
        let roots = settings.roots.len() as u64 + 1;
        let (connections, files) = (settings.max_connections.get(), settings.open_files.get());
        Self::within(limit(), connections, files, roots)
    }

    /// The open files of all roots, and one of each connection.
    pub(super) fn files(&self, settings: &Settings) -> usize {
        let roots = settings.roots.len() + 1;
        self.open_files.saturating_mul(roots).saturating_add(self.connections)
    }

    /// A plan for at most `limit` descriptors. Where that is too few, open files get a quarter of it, and
    /// connections the rest.
    fn within(limit: u64, connections: u64, open_files: u64, roots: u64) -> Self {
        let free = limit - RESERVED.min(limit / 4);
        let files = open_files.saturating_mul(roots).min(free / 4);
        let connections = connections.min((free - files) / PER_CONNECTION).max(1);
        let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Self { connections: count(connections), open_files: count((files / roots).max(1)) }
    }
}

/// Raises the limit of open descriptors to the most that the process may have, and returns it.
pub(super) fn raise_limit() -> u64 {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // If the call fails, the lower limit holds.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    limit()
}

fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_high_limit_changes_nothing() {
        let plan = DescriptorPlan::within(524_288, 16_000, 1024, 3);
        assert_eq!(plan, DescriptorPlan { connections: 16_000, open_files: 1024 });
    }

    #[test]
    fn all_descriptors_in_use_are_within_the_limit() {
        for limit in [64, 256, 1024, 4096, 20_000, u64::MAX] {
            for roots in [2, 10] {
                let plan = DescriptorPlan::within(limit, 10_000_000, 1_000_000, roots);
                let connections = plan.connections as u64 * PER_CONNECTION;
                let used = connections + plan.open_files as u64 * roots;
                assert!(used <= limit - RESERVED.min(limit / 4), "{limit}, {roots}: {plan:?}");
                assert!(plan.connections > 0 && plan.open_files > 0);
            }
        }
    }
}
