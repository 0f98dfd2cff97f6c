//! What Headwater makes, written to files: curl asks for it once.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};

use crate::clients::curl::{LIMIT, curl};
use crate::dataset;
use crate::peers::Server;
use crate::process::Group;
use crate::requests::Target;

/// Downloads some paths into the document root `root`, each to the file of the same path, and
/// leaves none of them in the page cache: a file that was written is cheaper to send than one that
/// was read, which is the usual case.
pub fn fetch(server: &Server, root: &Path, paths: &[String]) -> Result<Vec<Target>> {
    let list = root.join("fetch.txt");
    fs::write(&list, config(server, root, paths)?)?;
    let mut command = curl(LIMIT);
    command.arg("--create-dirs").arg("--config").arg(&list);
    let fetched = Group::spawn(&mut command)?.finish(LIMIT);
    fetched.context("fetching what Headwater makes")?;
    let target = |path: &String| {
        let file = File::open(root.join(path.trim_start_matches('/')))
            .with_context(|| format!("{path} was not fetched"))?;
        // Otherwise writing back would run beside the first turns.
        file.sync_all()?;
        dataset::evict(&file)?;
        Ok(Target { path: path.clone(), length: file.metadata()?.len() })
    };
    paths.iter().map(target).collect()
}

/// What curl is to do, curl(1), `--config`.
fn config(server: &Server, root: &Path, paths: &[String]) -> Result<String> {
    let mut text = String::new();
    for path in paths {
        let file = root.join(path.trim_start_matches('/'));
        let file = file.to_str().context("the scratch folder's name is no text")?;
        let file = file.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(text, "url = \"http://{}{path}\"\noutput = \"{file}\"", server.address)?;
    }
    Ok(text)
}
