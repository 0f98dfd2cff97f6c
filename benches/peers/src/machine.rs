//! The machine: facts that a reader needs to judge the figures, and its limits for this run.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use procfs::{CpuInfo, Current};

/// A name and its value on this machine.
pub type Fact = (String, String);

/// Files that a process may open.
const FILES: u64 = 65_536;

/// Processor, kernel and clients.
pub fn facts() -> Result<Vec<Fact>> {
    let cpus = CpuInfo::current()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(vec![
        // Not every architecture names a model.
        fact("CPU", cpus.model_name(0).unwrap_or(std::env::consts::ARCH)),
        fact("cores", &cpus.num_cores().to_string()),
        fact("kernel", &format!("Linux {}", kernel.trim())),
        fact("wrk", &version("wrk")),
        fact("h2load", &version("h2load")),
        fact("curl", &version("curl")),
    ])
}

pub fn fact(name: &str, value: &str) -> Fact {
    (name.to_owned(), value.to_owned())
}

/// Pins this program, and the clients that it starts, to one core.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("cannot run on core {core}"))
}

/// Raises the limit of open files for clients and servers: the usual 1,024 is too few for 1,000
/// connections and 10,000 viewers. Only root may raise the hard limit, and not everywhere.
pub fn raise_file_limit() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.max(FILES);
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_err() {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

/// The second word of `program --version`. wrk exits with a failure after it.
fn version(program: &str) -> String {
    let Ok(output) = Command::new(program).arg("--version").output() else {
        return "not installed".to_owned();
    };
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().nth(1).unwrap_or("unknown").to_owned()
}
