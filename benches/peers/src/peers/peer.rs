//! The interface of a peer, and what all peers share.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::address;
use crate::process::{Group, wait_for};
use crate::verify;

/// Longest start of a server, until its first response.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The purpose of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The subject of the run.
    Ours,
    /// Ratios are to it. Of several references the best in a cell counts.
    Reference,
    /// For scale; it takes part in fewer turns and cells.
    Other,
}

/// A file server that can be measured.
pub trait Peer {
    /// Unique name in the table.
    fn name(&self) -> &str;

    fn role(&self) -> Role;

    /// One line: program and version.
    fn version(&self) -> Result<String>;

    /// Starts it, serving the files of [`Site::media`] under `/media/` on a port of 127.0.0.1.
    /// [`start`] waits for its first response.
    fn launch(&self, site: &Site) -> Result<Server>;
}

/// A server's files and cores.
#[derive(Debug)]
pub struct Site {
    /// The folder with the media files; its name is `media`.
    pub media: PathBuf,
    /// An empty folder for configuration, logs and state.
    pub state: PathBuf,
    pub cores: Vec<usize>,
    /// The path of a URL that the server serves once it is ready, with at least one byte.
    pub first: String,
}

impl Site {
    /// Workers of the server: one for each core.
    pub fn workers(&self) -> usize {
        self.cores.len()
    }

    /// The document root.
    pub fn root(&self) -> Result<&Path> {
        self.media.parent().context("media has a parent folder")
    }

    /// The file of the server's output.
    fn log(&self) -> PathBuf {
        self.state.join("output.log")
    }

    /// Starts `command` with its output in the log: a full pipe would block a talkative
    /// server.
    fn spawn(&self, command: &mut Command) -> Result<Group> {
        let log = File::create(self.log())?;
        command.stdout(log.try_clone()?).stderr(log);
        Group::spawn(command)
    }

    /// Starts a server that listens on `address`.
    pub fn spawn_on(&self, address: SocketAddr, command: &mut Command) -> Result<Server> {
        Ok(Server { group: self.spawn(command)?, address, http2: None })
    }

    /// Starts a server that prints its URL.
    pub fn spawn_printing(&self, command: &mut Command) -> Result<Server> {
        let mut group = self.spawn(command)?;
        let address = wait_for("the server's URL in its output", START_TIMEOUT, || {
            group.check_alive(&self.log())?;
            Ok(address::printed(&fs::read_to_string(self.log())?))
        })?;
        Ok(Server { group, address, http2: None })
    }
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    group: Group,
    pub address: SocketAddr,
    /// The address for HTTP/2 in cleartext, if the server has one.
    pub http2: Option<SocketAddr>,
}

impl Server {
    /// Process id of the root of its process tree.
    pub fn id(&self) -> u32 {
        self.group.id()
    }

    /// The same server, which speaks HTTP/2 in cleartext on this address.
    pub fn with_http2(self, address: SocketAddr) -> Self {
        Server { http2: Some(address), ..self }
    }

    /// URL of a media file by its name.
    pub fn url(&self, file: &str) -> String {
        format!("http://{}/media/{file}", self.address)
    }
}

/// Starts a peer and waits until it serves its first file.
pub fn start(peer: &dyn Peer, site: &Site) -> Result<Server> {
    start_unnamed(peer, site).with_context(|| peer.name().to_owned())
}

fn start_unnamed(peer: &dyn Peer, site: &Site) -> Result<Server> {
    let mut server = peer.launch(site)?;
    wait_for("the first response", START_TIMEOUT, || {
        server.group.check_alive(&site.log())?;
        Ok(verify::is_ready(server.address, &site.first).then_some(()))
    })?;
    Ok(server)
}

/// The first line of a program's version, from either output stream.
pub fn version_of(binary: &Path, argument: &str) -> Result<String> {
    let output = Command::new(binary)
        .arg(argument)
        .output()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next();
    Ok(line.context("it prints no version")?.trim().to_owned())
}

/// A path as a quoted string of the configuration languages of nginx and Caddy.
pub fn quoted(path: &Path) -> String {
    let escaped = path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted() {
        let path = Path::new("/a b/\"c\"");
        assert_eq!(quoted(path), r#""/a b/\"c\"""#);
    }
}
