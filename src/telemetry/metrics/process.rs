//! What the process uses, under the names that all clients of Prometheus have.

/// The use of resources by this process. `None` where the system does not report it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUse {
    /// CPU time of user and system, in seconds.
    pub cpu_s: Option<f64>,
    /// Resident memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// Virtual memory, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// The most descriptors.
    pub max_fds: Option<u64>,
    /// The start of the process, in seconds since 1970.
    pub start_time_s: Option<f64>,
}

impl ProcessUse {
    /// The use now. Reads files of /proc: not for I/O threads.
    pub fn read() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Self { max_fds: limit, ..Self::from_proc().unwrap_or_default() }
    }

    #[cfg(not(target_os = "linux"))]
    fn from_proc() -> Option<Self> {
        None
    }

    #[cfg(target_os = "linux")]
    fn from_proc() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // proc_pid_stat(5): behind the name, which may hold anything; the field after it has number 3.
        let fields: Vec<u64> = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let ticks_per_s = rustix::param::clock_ticks_per_second() as f64;
        let system = std::fs::read_to_string("/proc/stat").ok()?;
        let boot_s: f64 =
            system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())?;
        let open = std::fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
        Some(Self {
            cpu_s: Some((field(14)? + field(15)?) as f64 / ticks_per_s),
            resident_bytes: Some(field(24)? * rustix::param::page_size() as u64),
            virtual_bytes: field(23),
            // One of them reads the folder.
            open_fds: open.map(|open| open.saturating_sub(1) as u64),
            start_time_s: Some(boot_s + field(22)? as f64 / ticks_per_s),
            max_fds: None,
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_use_of_this_process_is_plausible() {
        let used = ProcessUse::read();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let start = used.start_time_s.expect("a time");
        assert!(start <= now + 1.0 && now - start < 86_400.0, "{start} and {now}");
        assert!(used.resident_bytes.expect("memory") > 1 << 20);
        assert!(used.virtual_bytes >= used.resident_bytes);
        assert!((3..10_000).contains(&used.open_fds.expect("descriptors")));
        assert!(used.cpu_s.expect("a time") >= 0.0);
    }
}
