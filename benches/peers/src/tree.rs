//! A process and its descendants: nginx's worker, Headwater's ffmpeg. The cost of a server is the cost
//! of all of them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use procfs::process::{Process, Stat, all_processes};

/// The tick of `/proc`: 1/100 s in user space on every architecture that matters here, independent of
/// the kernel's own tick.
pub const TICK: Duration = Duration::from_millis(10);

/// The process `root` and all its living descendants; fails if there is no such process.
pub fn of(root: u32) -> Result<Vec<(Process, Stat)>> {
    // A process may end between the listing and its reading.
    let read = |process: Process| process.stat().ok().map(|stat| (process, stat));
    let mut processes: Vec<_> = all_processes()?.flatten().filter_map(read).collect();
    let parents = processes.iter().map(|(_, stat)| (stat.pid, stat.ppid)).collect();
    let members = members(root.cast_signed(), &parents);
    ensure!(!members.is_empty(), "the server is gone");
    processes.retain(|(process, _)| members.contains(&process.pid));
    Ok(processes)
}

/// `root` and its descendants.
fn members(root: i32, parents: &HashMap<i32, i32>) -> HashSet<i32> {
    let mut members: HashSet<i32> = parents.keys().copied().filter(|&id| id == root).collect();
    loop {
        let before = members.len();
        for (&id, parent) in parents {
            if members.contains(parent) {
                members.insert(id);
            }
        }
        if members.len() == before {
            return members;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_includes_grandchildren_and_excludes_others() {
        let parents = [(10, 1), (11, 10), (12, 11), (20, 1), (1, 0)].into();
        assert_eq!(members(10, &parents), HashSet::from([10, 11, 12]));
        assert_eq!(members(99, &parents), HashSet::new());
    }
}
