//! A Headwater that runs alone, with its state in its own folder.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use super::headwater::Headwater;
use super::peer::{self, Server, Site};
use crate::dataset;
use crate::options::Options;

/// It ends before its state is deleted.
#[derive(Debug)]
pub struct Dedicated {
    pub server: Server,
    pub state: TempDir,
}

impl Dedicated {
    /// Starts it on the first `cores` cores for the folder `media`, of which one file is `first`.
    pub fn start(
        options: &Options,
        media: &Path,
        first: &str,
        cores: usize,
        scratch: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let mut headwater = Headwater::new(options);
        headwater.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let state = dataset::scratch(scratch)?;
        let site = Site {
            media: media.to_owned(),
            state: state.path().to_owned(),
            cores: options.all_cores().into_iter().take(cores).collect(),
            first: format!("/media/{first}"),
        };
        Ok(Dedicated { server: peer::start(&headwater, &site)?, state })
    }
}
