//! A process and everything it has started, as `/proc` lists them: nginx's worker, Node's
//! cluster. What a server costs is what all of them cost.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Length of the tick that `/proc` counts in. It is 1/100 s for programs on every
/// architecture that matters here, whatever the kernel's own tick.
pub const TICK: Duration = Duration::from_millis(10);

/// What is read of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
pub struct Stat {
    parent: u32,
    pub user: Duration,
    pub system: Duration,
    /// User and system time of children that have ended and were waited for.
    pub children: Duration,
}

/// The process `root` and all its living descendants. Empty if there is no such process.
pub fn of(root: u32) -> Result<HashMap<u32, Stat>> {
    let mut processes = processes()?;
    let members = members(root, &processes);
    processes.retain(|id, _| members.contains(id));
    Ok(processes)
}

/// Every process that can be read just now.
fn processes() -> Result<HashMap<u32, Stat>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end between the listing and this.
        let Ok(line) = fs::read_to_string(format!("/proc/{id}/stat")) else {
            continue;
        };
        let stat = parse_stat(&line).with_context(|| format!("/proc/{id}/stat: {line}"))?;
        found.insert(id, stat);
    }
    Ok(found)
}

/// `root` and all whose chain of parents leads to it.
fn members(root: u32, processes: &HashMap<u32, Stat>) -> HashSet<u32> {
    let mut members = HashSet::new();
    if processes.contains_key(&root) {
        members.insert(root);
    }
    loop {
        let before = members.len();
        for (&id, stat) in processes {
            if members.contains(&stat.parent) {
                members.insert(id);
            }
        }
        if members.len() == before {
            return members;
        }
    }
}

/// Reads a line of `/proc/PID/stat`, proc_pid_stat(5). The second field is the program's name
/// in parentheses and may itself contain spaces and parentheses, so counting starts behind
/// the last one.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, after_name) = line.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    // Numbered as in the manual, where the state behind the name is field 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<u32>().ok();
    Some(Stat {
        parent: field(4)?,
        user: TICK * field(14)?,
        system: TICK * field(15)?,
        children: TICK * (field(16)? + field(17)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "812 (a (strange) name) S 811 812 812 0 -1 4194560 211 9 0 0 \
                        150 250 3 4 20 0 1 0 5000 1000 200 18446744073709551615";

    #[test]
    fn a_stat_line_is_read_behind_the_programs_name() {
        let stat = parse_stat(STAT).unwrap();
        assert_eq!(stat.parent, 811);
        assert_eq!(stat.user, Duration::from_millis(1500));
        assert_eq!(stat.system, Duration::from_millis(2500));
        assert_eq!(stat.children, Duration::from_millis(70));
    }

    #[test]
    fn a_cut_stat_line_is_refused() {
        assert_eq!(parse_stat("812 (nginx) S 811 812"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn a_tree_holds_grandchildren_and_no_strangers() {
        let stat = |parent| Stat { parent, user: TICK, system: TICK, children: Duration::ZERO };
        let processes = [(10, 1), (11, 10), (12, 11), (20, 1), (1, 0)]
            .map(|(id, parent)| (id, stat(parent)))
            .into();
        assert_eq!(members(10, &processes), HashSet::from([10, 11, 12]));
        assert_eq!(members(99, &processes), HashSet::new());
    }
}
