//! nginx, set up as well as it goes for static files on one core.
//!
//! It is measured twice. With `tcp_nopush on` it sends head and body in full packets and
//! saves a packet per answer, but over loopback some sizes then wait 40 ms for an
//! acknowledgement; with `off` they do not. The better one of a cell is the reference, or a
//! lead over it would be false.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::geteuid;

use super::{Peer, Server, Site, version_of};
use crate::process::on_core;

pub struct Nginx {
    pub binary: PathBuf,
    /// Whether `tcp_nopush` is on.
    pub nopush: bool,
}

impl Peer for Nginx {
    fn name(&self) -> &str {
        match self.nopush {
            true => "nginx nopush on",
            false => "nginx nopush off",
        }
    }

    fn is_reference(&self) -> bool {
        true
    }

    fn version(&self) -> Result<String> {
        let line = version_of(&self.binary, "-v")?;
        Ok(line.trim_start_matches("nginx version: ").to_owned())
    }

    fn launch(&self, site: &Site) -> Result<Server> {
        let address = free_address()?;
        let config = site.state.join("nginx.conf");
        fs::write(&config, self.config(address, site)?)?;
        let mut command = on_core(site.core, &self.binary);
        // -e: without it nginx opens its system-wide error log before it reads the rest.
        command.args(["-e", "stderr", "-p"]).arg(&site.state);
        command.arg("-c").arg(&config);
        let group = site.spawn(&mut command)?;
        Ok(Server { group, address })
    }
}

impl Nginx {
    fn config(&self, address: SocketAddr, site: &Site) -> Result<String> {
        let root = site.media.parent().context("media lies in a folder")?;
        let root = quoted(root);
        let nopush = if self.nopush { "on" } else { "off" };
        // As root, nginx would give up its rights and then could not read the scratch folder.
        let user = if geteuid().is_root() { "user root;" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("    {kind}_temp_path temp-{kind};\n"))
            .concat();
        Ok(format!(
            "\
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
error_log stderr warn;
pid nginx.pid;
events {{ worker_connections 16384; }}
http {{
{temporary}
    access_log off;
    default_type video/mp4;
    sendfile on;
    tcp_nopush {nopush};
    tcp_nodelay on;
    keepalive_timeout 600;
    keepalive_requests 1000000000;
    open_file_cache max=4096 inactive=600s;
    open_file_cache_valid 600s;
    open_file_cache_min_uses 1;
    server {{
        # The default backlog of 511 would refuse some of 1,000 clients that come at once.
        listen {address} backlog=4096;
        root {root};
    }}
}}
"
        ))
    }
}

/// A path as a quoted string of nginx's configuration language.
fn quoted(path: &Path) -> String {
    let escaped = path.display().to_string();
    let escaped = escaped.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// An address whose port was free a moment ago; nginx cannot choose one by itself and tell.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted() {
        let path = Path::new("/a b/\"c\"");
        assert_eq!(quoted(path), r#""/a b/\"c\"""#);
    }

    #[test]
    fn the_two_settings_differ_in_one_line_only() {
        let site = Site { media: "/scratch/media".into(), state: "/scratch/nginx".into(), core: 0 };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let config = |nopush| {
            let binary = PathBuf::new();
            Nginx { binary, nopush }.config(address, &site).unwrap()
        };
        let (on, off) = (config(true), config(false));
        let differing = on.lines().zip(off.lines()).filter(|(on, off)| on != off);
        let expected = ("    tcp_nopush on;", "    tcp_nopush off;");
        assert_eq!(differing.collect::<Vec<_>>(), [expected]);
    }
}
