//! The processes of a deployment.

use std::{
    fs,
    path::Path,
    process::{Child, ExitStatus},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A process, by /proc.
#[derive(Debug)]
pub struct Process {
    /// Its process id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// Its command line, environment and working directory.
    facts: Vec<u8>,
}

impl Process {
    /// All processes but this one.
    pub fn all() -> Vec<Self> {
        let own = std::process::id();
        let entries = fs::read_dir("/proc").expect("Linux").flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        ids.filter(|id| id.cast_unsigned() != own).map(Self::from_pid).collect()
    }

    fn from_pid(id: i32) -> Self {
        let read = |what: &str| fs::read(format!("/proc/{id}/{what}")).unwrap_or_default();
        let folder = fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default();
        let facts =
            [read("cmdline"), read("environ"), folder.into_os_string().into_encoded_bytes()];
        let name = String::from_utf8_lossy(&read("comm")).trim_end().to_owned();
        Self { id, name, facts: facts.concat() }
    }

    /// Whether its command line, environment or folder names a data folder.
    pub fn is_about(&self, data: &Path) -> bool {
        let data = data.as_os_str().as_encoded_bytes();
        self.facts.windows(data.len()).any(|window| window == data)
    }

    /// Sends it a signal, if it still exists.
    pub fn signal(&self, signal: Signal) -> bool {
        Pid::from_raw(self.id).is_some_and(|id| kill_process(id, signal).is_ok())
    }
}

/// A worker process; dropping it kills the process.
pub struct Worker {
    child: Child,
    #[expect(dead_code, reason = "dropping it removes the home folder of the worker")]
    home: TempDir,
}

impl Worker {
    /// Takes a child process and its home folder.
    pub fn new(child: Child, home: TempDir) -> Self {
        Self { child, home }
    }

    /// Its process id.
    pub fn id(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits until it ends.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a child")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
