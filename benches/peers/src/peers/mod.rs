//! The servers that are compared, each as its own file.
//!
//! A new peer implements [`Peer`] and joins the list in [`chosen`].

pub mod actix_files;
mod address;
mod caddy;
pub mod headwater;
mod nginx;
mod node;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::options::{Family, Options};
use crate::process::{Group, wait_for};
use crate::verify;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(20);

/// What a peer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is what the run is about.
    Ours,
    /// Others are measured against it. Of several references the best in a cell counts.
    Reference,
    /// It gives a sense of scale, and takes part in fewer turns and cells.
    Other,
}

/// A file server that can be measured.
pub trait Peer {
    /// Unique name, as it stands in the table.
    fn name(&self) -> &str;

    fn role(&self) -> Role;

    /// One line: program and version.
    fn version(&self) -> Result<String>;

    /// Starts it, serving the files of [`Site::media`] under `/media/` on a port of 127.0.0.1.
    /// [`start`] waits until it answers.
    fn launch(&self, site: &Site) -> Result<Server>;
}

/// Where a server finds its files and leaves its own.
#[derive(Debug)]
pub struct Site {
    /// The folder with the media files; its name is `media`.
    pub media: PathBuf,
    /// An empty folder for configuration, logs and state.
    pub state: PathBuf,
    /// The cores to run on.
    pub cores: Vec<usize>,
    /// The path of a URL that it answers with at least one byte once it is ready.
    pub first: String,
}

impl Site {
    /// How many workers a server is to have: one for each core.
    fn workers(&self) -> usize {
        self.cores.len()
    }

    /// File that takes what the server prints.
    pub fn log(&self) -> PathBuf {
        self.state.join("output.log")
    }

    /// Starts `command` with its output in the log: a pipe would have to be emptied all the
    /// time, or a talkative server would stop.
    fn spawn(&self, command: &mut Command) -> Result<Group> {
        let log = File::create(self.log())?;
        command.stdout(log.try_clone()?).stderr(log);
        Group::spawn(command)
    }
}

/// A server that runs; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    group: Group,
    pub address: SocketAddr,
}

impl Server {
    /// Process id of the root of its process tree.
    pub fn id(&self) -> u32 {
        self.group.id()
    }

    /// URL of a media file by its name.
    pub fn url(&self, file: &str) -> String {
        format!("http://{}/media/{file}", self.address)
    }
}

/// The peers that the options ask for, in the order of their turns.
pub fn chosen(options: &Options) -> Vec<Box<dyn Peer>> {
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    for family in &options.peers {
        match family {
            Family::Headwater => peers.push(Box::new(headwater::Headwater::of(options))),
            Family::Nginx => peers.extend([true, false].map(|nopush| -> Box<dyn Peer> {
                Box::new(nginx::Nginx { binary: options.nginx.clone(), nopush })
            })),
            Family::Caddy => {
                peers.push(Box::new(caddy::Caddy { binary: options.caddy.clone() }));
            }
            Family::ActixFiles => peers.push(Box::new(actix_files::ActixFiles)),
            Family::Node => peers.push(Box::new(node::Node { binary: options.node.clone() })),
        }
    }
    peers
}

/// Starts a peer and waits until it answers for its first file.
pub fn start(peer: &dyn Peer, site: &Site) -> Result<Server> {
    let mut server = peer.launch(site)?;
    wait_for("its first answer", START, || {
        server.group.check_alive(&site.log())?;
        Ok(verify::is_ready(server.address, &site.first).then_some(()))
    })?;
    Ok(server)
}

/// First line that a program prints about its version, on whichever stream.
fn version_of(binary: &Path, argument: &str) -> Result<String> {
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
fn quoted(path: &Path) -> String {
    let escaped = path.display().to_string();
    let escaped = escaped.replace('\\', "\\\\").replace('"', "\\\"");
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
