//! The real program, as a child process.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tempfile::TempDir;

use crate::support::{
    client::{Client, Response},
    exposition,
    wait::until,
};

/// The program, which is also its sandbox helper.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_headwater");

/// A server in its own process; dropping it kills the process.
pub struct Program {
    child: Child,
    /// Its address, as it prints it.
    pub address: SocketAddr,
    printed: Arc<Mutex<String>>,
    logged: Arc<Mutex<String>>,
    unread_log: Option<ChildStderr>,
    _home: TempDir,
}

/// A command with these arguments, in an environment that holds only the search path of this
/// machine.
pub fn command<A: AsRef<OsStr>>(arguments: &[A]) -> (Command, TempDir) {
    let (mut command, home) = clean_command(PROGRAM);
    command.args(arguments);
    (command, home)
}

/// A shell that runs a script in the same environment; the command's further arguments are the script's.
fn shell_command(script: &str) -> (Command, TempDir) {
    let (mut command, home) = clean_command("/bin/sh");
    command.args(["-c", script, "sh"]);
    (command, home)
}

fn clean_command(program: &str) -> (Command, TempDir) {
    let home = TempDir::new().expect("a home");
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .stdin(Stdio::null());
    (command, home)
}

/// Runs the program to its end. Returns its exit status, output and log.
pub fn run<A: AsRef<OsStr>>(arguments: &[A]) -> (ExitStatus, String, String) {
    let (mut command, _home) = command(arguments);
    let output = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status, text(output.stdout), text(output.stderr))
}

impl Program {
    /// Starts `headwater serve`, by default on a free port of 127.0.0.1, and waits until it prints
    /// its address.
    pub fn serve<A: AsRef<OsStr>>(arguments: &[A], environment: &[(&str, &str)]) -> Self {
        let mut program = Self::serve_with_unread_log(arguments, environment);
        program.read_log();
        program
    }

    /// Like [`serve`](Self::serve), but its standard error has no reader.
    pub fn serve_with_unread_log<A: AsRef<OsStr>>(
        arguments: &[A],
        environment: &[(&str, &str)],
    ) -> Self {
        let (mut command, home) = command(&["serve"]);
        command.args(arguments).envs(environment.iter().copied());
        Self::start(command, home)
    }

    /// Starts `headwater` in a folder, with these arguments alone, and waits as [`serve`](Self::serve).
    pub fn start_in<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> Self {
        let (mut command, home) = command(arguments);
        command.current_dir(folder);
        let mut program = Self::start(command, home);
        program.read_log();
        program
    }

    /// As [`serve`](Self::serve), in a process that may open so many descriptors.
    pub fn serve_within<A: AsRef<OsStr>>(descriptors: u32, arguments: &[A]) -> Self {
        let (mut command, home) = shell_command(&format!("ulimit -n {descriptors}; exec \"$@\""));
        command.arg(PROGRAM).arg("serve").args(arguments);
        let mut program = Self::start(command, home);
        program.read_log();
        program
    }

    fn start(mut command: Command, home: TempDir) -> Self {
        let mut child = command
            .env("HEADWATER_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let printed = collect(child.stdout.take().expect("piped"));
        let mut unread_log = child.stderr.take();
        let mut address = None;
        until("the program prints the page's address", || {
            if let Some(status) = child.try_wait().expect("a child") {
                let mut logged = String::new();
                let _ = unread_log.as_mut().expect("piped").read_to_string(&mut logged);
                panic!("ended with {status}: {logged}");
            }
            let printed = text(&printed);
            let page = printed.lines().find_map(|line| line.trim().strip_prefix("page "));
            let url = page.and_then(|url| url.trim().strip_prefix("http://")?.strip_suffix('/'));
            address = url.and_then(|address| address.parse().ok());
            address.is_some()
        });
        let address = address.expect("just found");
        Self { child, address, printed, logged: Arc::default(), unread_log, _home: home }
    }

    /// Begins to read its standard error.
    pub fn read_log(&mut self) {
        self.logged = collect(self.unread_log.take().expect("not read yet"));
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits until it ends.
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        until("the program has ended", || {
            ended = self.child.try_wait().expect("a child");
            ended.is_some()
        });
        ended.expect("just seen")
    }

    /// Connects to it.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// A GET on a new connection.
    pub fn get(&self, target: &str, fields: &[&str]) -> Response {
        self.connect().request("GET", target, fields)
    }

    /// A metric, by its name with labels, or the sum over all labels.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let text = String::from_utf8(self.get("/metrics", &[]).body).expect("text");
        exposition::metric(&text, name)
    }

    /// The number of its open descriptors.
    pub fn descriptors(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        open.expect("a process").count()
    }

    /// Sets the most descriptors that it may have open from now on.
    pub fn limit_descriptors(&self, most: usize) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: Some(most as u64), maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit)
            .expect("one's own child, within the maximum");
    }

    /// The removed files that it has open.
    pub fn removed_files(&self) -> Vec<PathBuf> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("a process");
        let targets = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        let is_removed = |target: &PathBuf| target.to_string_lossy().ends_with(" (deleted)");
        targets.filter(|target| target.is_absolute() && is_removed(target)).collect()
    }

    /// Its CPU time, in ticks of 10 ms.
    pub fn cpu_ticks(&self) -> u64 {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("a process");
        // proc_pid_stat(5): behind the name, which may hold anything, utime and stime are 12th and
        // 13th.
        let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
        let times = fields.skip(11).take(2).map(|time| time.parse::<u64>().expect("a number"));
        times.sum()
    }

    /// Its peak memory since the last call, and its memory now, in KiB.
    pub fn memory_kib(&self) -> (u64, u64) {
        let process = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{process}/status")).expect("a process");
        let field = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            value.expect("a number")
        };
        // proc_pid_clear_refs(5): resets the peak.
        fs::write(format!("{process}/clear_refs"), "5").expect("one's own child");
        (field("VmHWM:"), field("VmRSS:"))
    }

    /// The number of its inotify watches.
    pub fn watches(&self) -> usize {
        let descriptors = fs::read_dir(format!("/proc/{}/fdinfo", self.child.id()));
        let texts = descriptors
            .expect("a process")
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path()).ok());
        texts.map(|text| text.lines().filter(|line| line.starts_with("inotify")).count()).sum()
    }

    /// Its standard output so far.
    pub fn printed(&self) -> String {
        text(&self.printed)
    }

    /// Its standard error so far.
    pub fn logged(&self) -> String {
        text(&self.logged)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(collected: &Mutex<String>) -> String {
    collected.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Reads all output, so that the program never waits for a reader.
fn collect(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let collected = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&collected);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            *into.lock().unwrap_or_else(PoisonError::into_inner) += &(line + "\n");
        }
    });
    collected
}
