//! actix-files, the usual way to serve files with actix-web: Headwater's cost without its own `wire`.
//!
//! There is no such program, so this one starts itself in that role, as a process with its own CPU
//! time and memory.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use actix_files::Files;
use actix_web::{App, HttpServer, rt};
use anyhow::{Context, Result};

use super::peer::{Peer, Role, Server, Site};
use crate::process::on_cores;

/// The listen backlog, the same as of the other peers.
const BACKLOG: u32 = 4096;

pub struct ActixFiles;

impl Peer for ActixFiles {
    fn name(&self) -> &str {
        "actix-files"
    }

    fn role(&self) -> Role {
        Role::Other
    }

    fn version(&self) -> Result<String> {
        // Cargo.lock has the compiled versions.
        let lock = include_str!("../../../../Cargo.lock");
        let version = |name| locked_version(lock, name).context("not in Cargo.lock");
        Ok(format!("{} on actix-web {}", version("actix-files")?, version("actix-web")?))
    }

    fn launch(&self, site: &Site) -> Result<Server> {
        let mut command = on_cores(&site.cores, &std::env::current_exe()?);
        command.arg("actix-files").arg(&site.media).arg(site.workers().to_string());
        site.spawn_printing(&mut command)
    }
}

/// The server: serves `media` under `/media/`, prints its URL, and ends by a signal.
pub fn serve(media: &Path, workers: usize) -> Result<()> {
    let media = media.to_owned();
    let app = move || App::new().service(Files::new("/media", media.clone()));
    rt::System::new().block_on(async {
        let server = HttpServer::new(app)
            .workers(workers)
            .backlog(BACKLOG)
            .keep_alive(Duration::from_secs(600))
            .bind((Ipv4Addr::LOCALHOST, 0))?;
        for address in server.addrs() {
            println!("http://{address}/");
        }
        server.run().await
    })?;
    Ok(())
}

/// The version of a package in a Cargo.lock.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split_once('"').map(|(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_locked_one() {
        let lock = "[[package]]\nname = \"actix\"\nversion = \"1.2\"\n\n\
                    [[package]]\nname = \"actix-files\"\nversion = \"0.7.3\"\n";
        assert_eq!(locked_version(lock, "actix-files"), Some("0.7.3"));
        assert_eq!(locked_version(lock, "files"), None);
    }
}
