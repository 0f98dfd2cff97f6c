//! The program as it is installed, in a process of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use tempfile::TempDir;

use crate::harness::until;

/// The program, with nothing of ours in its environment.
pub fn headwater() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HEADWATER_") {
            command.env_remove(name);
        }
    }
    command
}

/// A server in a process that ends with the test.
pub struct Program {
    child: Child,
    said: Arc<Mutex<String>>,
    _data: TempDir,
}

impl Program {
    /// Serves folders on a free port, with flags.
    pub fn serve(roots: &[&Path], flags: &[&str]) -> Self {
        let data = TempDir::new().expect("a data folder");
        let mut child = headwater()
            .arg("serve")
            .args(roots)
            .args(["--listen", "127.0.0.1:0", "--log", "info", "--data"])
            .arg(data.path())
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        // Read to the end, or the program would wait for that.
        thread::spawn(move || {
            while let Some(Ok(line)) = lines.next() {
                heard.lock().expect("no panic").push_str(&(line + "\n"));
            }
        });
        Self { child, said, _data: data }
    }

    /// Waits until it has said this on standard error.
    pub fn until_said(&self, words: &str) {
        let has_said = || self.said.lock().expect("no panic").contains(words);
        until(&format!("it says {words:?}"), has_said);
    }

    /// How many directories and files it watches.
    pub fn watches(&self) -> usize {
        let descriptors = format!("/proc/{}/fdinfo", self.child.id());
        let descriptors = fs::read_dir(descriptors).expect("a running process");
        let texts = descriptors.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
        texts.map(|text| text.lines().filter(|line| line.starts_with("inotify")).count()).sum()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().expect("a child");
    }
}
