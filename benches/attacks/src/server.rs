//! A Headwater of one's own, with its defaults, in a [`Cage`].

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::attacks::Setup;
use crate::cage::Cage;
use crate::interrupt;
use crate::options::Options;
use crate::usage::Usage;

/// Longest start of a server, until it prints its URL.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Time for a server to end after SIGTERM.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause of a polling loop.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A user without rights, on every system: nobody.
const NOBODY: &str = "65534";

/// A running server; dropping it ends it, its worker and their children.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    cage: Cage,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Server {
    /// Serves the folder `library`, with its state in a new folder `state`.
    pub fn start(options: &Options, setup: &Setup, library: &Path, state: &Path) -> Result<Self> {
        fs::create_dir(state)?;
        fs::set_permissions(state, Permissions::from_mode(0o777))?;
        let (output, log) = (state.join("output"), state.join("log"));
        let cage = Cage::new(options.memory_mib << 20);
        let mut words = cage.entrance().map_or_else(Vec::new, |file| enter(&file));
        words.extend(limits(setup));
        words.push(options.headwater.as_os_str().to_owned());
        words.extend(["serve".into(), library.into()]);
        // BBR would pace connections on loopback. A server that drains for long only delays the run.
        words.extend(["--listen", "127.0.0.1:0", "--drain-s", "1", "--data"].map(OsString::from));
        words.push(state.join("data").into());
        words.extend(["--tcp-congestion", "cubic"].map(OsString::from));
        words.extend(setup.arguments.iter().map(OsString::from));
        words.extend(options.headwater_arg.iter().map(OsString::from));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(File::create(&output)?);
        match setup.unread_stderr {
            true => command.stderr(Stdio::piped()),
            false => command.stderr(File::create(&log)?),
        };
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", words[0].display()))?;
        let mut server =
            Server { child, address: ([127, 0, 0, 1], 0).into(), cage, log, ended: None };
        server.address = server.await_address(&output)?;
        Ok(server)
    }

    fn await_address(&mut self, output: &Path) -> Result<SocketAddr> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(address) = printed(&fs::read_to_string(output)?) {
                return Ok(address);
            }
            if let Some(status) = self.poll()? {
                bail!("the server ended ({status}): {}", self.last_words());
            }
            if Instant::now() > deadline {
                bail!("the server did not start in {} s", START_TIMEOUT.as_secs());
            }
            interrupt::sleep(POLL_INTERVAL)?;
        }
    }

    /// What the server uses; `None` once it has ended. Without a control group, a server that is
    /// larger than the limit ends here.
    pub fn usage(&mut self) -> Result<Option<Usage>> {
        if self.poll()?.is_some() {
            return Ok(None);
        }
        let Ok(usage) = Usage::of(self.child.id()) else {
            // A large process takes a while to end, and has no memory meanwhile.
            self.ended = Some(self.child.wait()?);
            return Ok(None);
        };
        let is_too_large = usage.rss_mib * 1024.0 * 1024.0 > self.cage.limit_bytes as f64;
        if is_too_large && !self.cage.is_kept_by_kernel() {
            self.signal(Signal::KILL);
        }
        Ok(Some(usage))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What bounds its memory.
    pub fn cage(&self) -> &Cage {
        &self.cage
    }

    /// How the server ended, if it did.
    pub fn poll(&mut self) -> Result<Option<ExitStatus>> {
        // A process that was reaped has given its id away.
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Lines that the server has logged.
    pub fn log_lines(&self) -> usize {
        let Ok(mut log) = File::open(&self.log) else { return 0 };
        let (mut lines, mut buffer) = (0, vec![0; 1 << 20]);
        while let Ok(read @ 1..) = log.read(&mut buffer) {
            lines += buffer[..read].iter().filter(|&&byte| byte == b'\n').count();
        }
        lines
    }

    /// The end of the log.
    pub fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let start = log.len().saturating_sub(600);
        String::from_utf8_lossy(&log[start..]).trim().to_owned()
    }

    fn signal(&self, signal: Signal) {
        if self.ended.is_none()
            && let Some(group) = Pid::from_raw(self.child.id().cast_signed())
        {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + END_TIMEOUT;
        while matches!(self.poll(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL_INTERVAL);
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A shell that enters a control group and becomes the program that follows.
fn enter(entrance: &Path) -> Vec<OsString> {
    let script = "echo $$ > \"$0\" && exec \"$@\"";
    vec!["sh".into(), "-c".into(), script.into(), entrance.into()]
}

/// Programs that limit what follows.
fn limits(setup: &Setup) -> Vec<OsString> {
    let mut words = Vec::new();
    if let Some(descriptors) = setup.descriptors {
        words.push("prlimit".into());
        words.push(format!("--nofile={descriptors}:{descriptors}").into());
        words.push("--".into());
    }
    if setup.unprivileged && rustix::process::geteuid().is_root() {
        words.extend(["setpriv", "--reuid", NOBODY, "--regid", NOBODY].map(OsString::from));
        words.extend(["--clear-groups", "--"].map(OsString::from));
    }
    words
}

/// The address in the first URL of a text. The character behind the port must be there, too: the text
/// may be incomplete.
fn printed(text: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once("http://127.0.0.1:")?;
    let (port, _) = rest.split_once(|c: char| !c.is_ascii_digit())?;
    Some(([127, 0, 0, 1], port.parse().ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_parsed_from_the_printed_url() {
        assert_eq!(printed("page  http://127.0.0.1:41234/\n").unwrap().port(), 41234);
        assert_eq!(printed("page  http://127.0.0.1:412"), None);
    }
}
