//! The CPU time of a server and of everything it has started.
//!
//! A process is read by its CPU-time clock, clock_getcpuclockid(3): nanoseconds, user and
//! system together, threads that have ended included. The alternatives lose something:
//! `/proc/PID/stat` counts in ticks of 10 ms, which is 5 % of a turn of three downloads, and
//! `/proc/PID/task/*/schedstat` is as fine but forgets a thread when it ends, as the threads
//! of a blocking pool do. The ticks are kept for the split into user and system time.
//!
//! What no way of counting by process shows: what the kernel does for a connection on the
//! *client's* core (taking in acknowledgements), and in interrupts while the server sleeps
//! (giving back pages that the client has consumed). It falls on all peers alike; [`of_core`]
//! shows the second part.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// Length of the tick that `/proc` counts in. It is 1/100 s for programs on every
/// architecture that matters here, whatever the kernel's own tick.
const TICK: Duration = Duration::from_millis(10);

/// CPU time since some start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// User and system time together, in nanoseconds.
    pub total: Duration,
    /// User time alone, to 10 ms.
    pub user: Duration,
    /// System time alone, to 10 ms.
    pub system: Duration,
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, earlier: Cpu) -> Cpu {
        Cpu {
            total: self.total.saturating_sub(earlier.total),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

/// CPU time so far of the process `root` and all its living descendants, plus the children
/// that they have waited for.
pub fn of_tree(root: u32) -> Result<Cpu> {
    let processes = processes()?;
    let mut cpu = Cpu::default();
    for id in tree(root, &processes) {
        let stat = &processes[&id];
        let clock = clock_getcpuclockid(Pid::from_raw(id.cast_signed()));
        match clock.and_then(|clock| clock.now()) {
            Ok(now) => cpu.total += Duration::from(now) + stat.children,
            Err(error) if id == root => return Err(error).context("the server is gone"),
            // A descendant that ended since the listing; its parent counts it from now on.
            Err(_) => continue,
        }
        cpu.user += stat.user;
        cpu.system += stat.system;
    }
    Ok(cpu)
}

/// Time that `core` has been busy, whoever kept it busy; to 10 ms.
pub fn of_core(core: usize) -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    core_busy(&stat, core).with_context(|| format!("/proc/stat does not list core {core}"))
}

/// What is read of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    user: Duration,
    system: Duration,
    /// User and system time of children that have ended and were waited for.
    children: Duration,
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
fn tree(root: u32, processes: &HashMap<u32, Stat>) -> HashSet<u32> {
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

/// The busy time of one core from `/proc/stat`: user, nice, system, irq and softirq, but
/// neither idle nor waiting for a disk.
fn core_busy(stat: &str, core: usize) -> Option<Duration> {
    let name = format!("cpu{core}");
    let fields: Vec<&str> = stat
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name.as_str()))?;
    let mut busy = Duration::ZERO;
    for number in [1, 2, 3, 6, 7] {
        busy += TICK * fields.get(number)?.parse::<u32>().ok()?;
    }
    Some(busy)
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
        assert_eq!(tree(10, &processes), HashSet::from([10, 11, 12]));
        assert_eq!(tree(99, &processes), HashSet::new());
    }

    #[test]
    fn a_busy_core_is_neither_idle_nor_waiting() {
        let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 900 800 4 5 700 0 0\ncpu10 1 0 0 0 0 0 0";
        assert_eq!(core_busy(stat, 0), Some(TICK * 15));
        assert_eq!(core_busy(stat, 10), Some(TICK));
        assert_eq!(core_busy(stat, 1), None);
    }

    #[test]
    fn this_process_has_used_some_cpu() {
        assert!(of_tree(std::process::id()).unwrap().total > Duration::ZERO);
    }
}
