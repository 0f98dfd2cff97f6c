//! The server: one Headwater with two roots, a folder and a bucket with the same files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Result;
use peers::clients::curl;
use peers::dataset;
use peers::peers::{Peer, Role, Server, Site, start, version_of};
use peers::process::on_cores;

use crate::moto::{BUCKET, Moto};
use crate::options::Options;

/// A root of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    Folder,
    Bucket,
}

impl Root {
    /// Its name in paths: `/media/<name>/…`, `/v/<name>/…`.
    pub fn name(self) -> &'static str {
        match self {
            Root::Folder => "folder",
            Root::Bucket => "bucket",
        }
    }

    /// The path of a title in URLs, below `/media/` and `/v/`.
    pub fn title(self, name: &str) -> String {
        format!("{}/{name}", self.name())
    }
}

/// How to start the server.
#[derive(Debug)]
pub struct Origin<'a> {
    binary: PathBuf,
    moto: &'a Moto,
    /// More variables of its environment: settings.
    settings: Vec<(&'static str, String)>,
}

impl<'a> Origin<'a> {
    pub fn new(options: &Options, moto: &'a Moto) -> Self {
        Origin { binary: options.headwater.clone(), moto, settings: Vec::new() }
    }

    /// With another setting, as a variable of the environment.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.settings.push((name, value.to_string()));
        self
    }

    /// Starts the server, whose data folder is below `state`. `first` is one of the files.
    pub fn start(&self, media: &Path, state: &Path, first: &str, core: usize) -> Result<Server> {
        let site = Site {
            media: media.to_owned(),
            state: state.to_owned(),
            cores: vec![core],
            first: format!("/media/{}", Root::Bucket.title(first)),
        };
        start(self, &site)
    }
}

impl Peer for Origin<'_> {
    fn name(&self) -> &str {
        "Headwater"
    }

    fn role(&self) -> Role {
        Role::Ours
    }

    fn version(&self) -> Result<String> {
        version_of(&self.binary, "--version")
    }

    fn launch(&self, site: &Site) -> Result<Server> {
        let folder = format!("{}={}", Root::Folder.name(), site.media.display());
        let bucket = format!("{}=s3://{BUCKET}", Root::Bucket.name());
        let mut command = on_cores(&site.cores, &self.binary);
        command
            .args(["serve", &folder, &bucket, "--listen", "127.0.0.1:0", "--data"])
            .arg(site.state.join("data"))
            .arg("--local-worker=false")
            .env("HEADWATER_IO_THREADS", site.workers().to_string())
            .envs(self.moto.environment())
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        site.spawn_printing(&mut command)
    }
}

/// Has the server read all of some files from both roots, into the page cache: what is missing in its cache
/// of the bucket, it fetches.
pub fn read_in(server: &Server, names: &[String]) -> Result<()> {
    for root in [Root::Folder, Root::Bucket] {
        let titles: Vec<String> = names.iter().map(|name| root.title(name)).collect();
        curl::fetch(server, &titles)?;
    }
    Ok(())
}

/// Drops all files of a folder, and of those below it, from the page cache.
pub fn evict(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => evict(&entry.path())?,
            false => dataset::sync_and_evict(&File::open(entry.path())?)?,
        }
    }
    Ok(())
}
