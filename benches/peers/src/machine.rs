//! The machine: what a reader must know to judge the figures, and what is set up before.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// A name and what it is on this machine.
pub type Fact = (String, String);

/// Files that a process should be able to hold open.
const FILES: u64 = 65_536;

/// Processor, kernel and clients. To be asked before this program is pinned to one core.
pub fn facts() -> Vec<Fact> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    vec![
        fact("CPU", &cpu_model(&cpuinfo)),
        fact("cores", &cores.to_string()),
        fact("kernel", &format!("Linux {}", kernel.trim())),
        fact("wrk", &version("wrk")),
        fact("curl", &version("curl")),
    ]
}

pub fn fact(name: &str, value: &str) -> Fact {
    (name.to_owned(), value.to_owned())
}

/// Pins this program, and the clients that it will start, to one core.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("cannot run on core {core}"))
}

/// Lets the clients and servers open many files: the usual 1,024 is too few for 1,000
/// connections, and some peers hold two descriptors for each of 10,000 viewers. Root may have
/// more than the machine allows others; without it, that must do. Returns the limit.
pub fn raise_file_limit() -> Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.max(FILES);
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_err() {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        return Ok(hard);
    }
    Ok(wanted)
}

fn cpu_model(cpuinfo: &str) -> String {
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    // Not every architecture names a model.
    model.map_or(std::env::consts::ARCH, |(_, name)| name.trim()).to_owned()
}

/// The second word that `program --version` prints. wrk ends with a failure after it.
fn version(program: &str) -> String {
    let Ok(output) = Command::new(program).arg("--version").output() else {
        return "not installed".to_owned();
    };
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().nth(1).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_if_there_is_one() {
        let x86 = "processor\t: 0\nmodel\t\t: 167\nmodel name\t: Some CPU @ 3 GHz\n";
        assert_eq!(cpu_model(x86), "Some CPU @ 3 GHz");
        assert_eq!(cpu_model("processor\t: 0\n"), std::env::consts::ARCH);
    }
}
