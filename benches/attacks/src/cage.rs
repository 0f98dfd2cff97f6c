//! A control group that bounds the memory of a server, its worker and ffmpeg together.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Where control groups are, in version 2 and for memory in version 1.
const V2: &str = "/sys/fs/cgroup";
const V1: &str = "/sys/fs/cgroup/memory";

/// Time for killed processes to leave the group.
const EMPTY_TIMEOUT: Duration = Duration::from_secs(5);

/// How the memory of a server is bounded. Dropping it kills what is left in it.
#[derive(Debug)]
pub struct Cage {
    pub limit_bytes: u64,
    group: Option<Group>,
}

#[derive(Debug)]
struct Group {
    folder: PathBuf,
    /// The file that counts the kills for lack of memory.
    events: PathBuf,
    version: &'static str,
}

impl Cage {
    /// A new control group, or none where this process may not create any: then [`Cage::kind`] says
    /// so, and [`crate::server`] ends a server that is too large.
    pub fn new(limit_bytes: u64) -> Self {
        let name = format!("headwater-attacks-{}", std::process::id());
        let limit = limit_bytes.to_string();
        let v2 = || {
            let limits = [("memory.max", limit.as_str()), ("memory.swap.max", "0")];
            Group::create(&Path::new(V2).join(&name), &limits, "memory.events", "cgroup v2")
        };
        let v1 = || {
            let limits = [("memory.limit_in_bytes", limit.as_str())];
            Group::create(&Path::new(V1).join(&name), &limits, "memory.oom_control", "cgroup v1")
        };
        Cage { limit_bytes, group: v2().or_else(v1) }
    }

    /// What bounds the memory, for people.
    pub fn kind(&self) -> &'static str {
        self.group
            .as_ref()
            .map_or("no control group: the program kills at the limit", |g| g.version)
    }

    /// Whether the kernel keeps the limit.
    pub fn is_kept_by_kernel(&self) -> bool {
        self.group.is_some()
    }

    /// The file to which a process writes its id to enter.
    pub fn entrance(&self) -> Option<PathBuf> {
        self.group.as_ref().map(|group| group.folder.join("cgroup.procs"))
    }

    /// Processes killed for lack of memory so far.
    pub fn kills(&self) -> u64 {
        let Some(group) = &self.group else { return 0 };
        let events = fs::read_to_string(&group.events).unwrap_or_default();
        let count = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
        events.lines().find_map(count).unwrap_or(0)
    }
}

impl Group {
    fn create(
        folder: &Path,
        limits: &[(&str, &str)],
        events: &str,
        version: &'static str,
    ) -> Option<Self> {
        fs::create_dir(folder).ok()?;
        let group = Group { folder: folder.to_owned(), events: folder.join(events), version };
        // The first limit is the one that counts; swap may not be there at all.
        let (&(name, limit), others) = limits.split_first()?;
        set(&folder.join(name), limit).ok()?;
        for (name, limit) in others {
            let _ = set(&folder.join(name), limit);
        }
        Some(group)
    }
}

/// Writes into a file of the kernel's. It must be there: where no control groups are mounted, the
/// folder is an ordinary one.
fn set(file: &Path, value: &str) -> io::Result<()> {
    File::options().write(true).open(file)?.write_all(value.as_bytes())
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + EMPTY_TIMEOUT;
        while fs::remove_dir(&self.folder).is_err() && Instant::now() < deadline {
            let left = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
            for id in left.lines().filter_map(|id| Pid::from_raw(id.parse().ok()?)) {
                let _ = kill_process(id, Signal::KILL);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
