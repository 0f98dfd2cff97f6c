//! nginx, tuned for static files, with a worker for each core.
//!
//! There are two of it. With `tcp_nopush on` it sends head and body in full packets and saves a packet
//! per response, but over loopback some sizes then wait 40 ms for an acknowledgement; with `off` they do
//! not. The better one of a cell is the reference, or a lead over it would be false.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use nix::unistd::geteuid;

use super::address;
use super::peer::{Peer, Role, Server, Site, quoted, version_of};
use crate::process::on_cores;

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

    fn role(&self) -> Role {
        Role::Reference
    }

    fn version(&self) -> Result<String> {
        let line = version_of(&self.binary, "-v")?;
        Ok(line.trim_start_matches("nginx version: ").to_owned())
    }

    fn launch(&self, site: &Site) -> Result<Server> {
        let (address, http2) = (address::free()?, address::free()?);
        let config = site.state.join("nginx.conf");
        fs::write(&config, self.config(address, http2, site)?)?;
        let mut command = on_cores(&site.cores, &self.binary);
        // Without -e, nginx opens its system-wide error log before it reads the configuration.
        command.args(["-e", "stderr", "-p"]).arg(&site.state);
        command.arg("-c").arg(&config);
        Ok(site.spawn_on(address, &mut command)?.with_http2(http2))
    }
}

impl Nginx {
    fn config(&self, address: SocketAddr, http2: SocketAddr, site: &Site) -> Result<String> {
        let root = quoted(site.root()?);
        let workers = site.workers();
        let nopush = if self.nopush { "on" } else { "off" };
        // As root, nginx would drop its privileges and then could not read the scratch folder.
        let user = if geteuid().is_root() { "user root;" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("    {kind}_temp_path temp-{kind};\n"))
            .concat();
        Ok(format!(
            "\
{user}
daemon off;
worker_processes {workers};
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
    open_file_cache max=8192 inactive=600s;
    open_file_cache_valid 600s;
    open_file_cache_min_uses 1;
    server {{
        # The default backlog of 511 would refuse some of 1,000 concurrent clients.
        listen {address} backlog=4096;
        listen {http2} http2 backlog=4096;
        root {root};
    }}
}}
"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(nopush: bool, cores: usize) -> String {
        let (media, state) = ("/scratch/media".into(), "/scratch/nginx".into());
        let first = String::new();
        let site = Site { media, state, cores: (0..cores).collect(), first };
        let [address, http2] = [8080, 8081].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        Nginx { binary: PathBuf::new(), nopush }.config(address, http2, &site).unwrap()
    }

    #[test]
    fn each_core_has_a_worker() {
        assert!(config(true, 2).contains("\nworker_processes 2;\n"));
    }

    #[test]
    fn the_two_settings_differ_in_one_line_only() {
        let (on, off) = (config(true, 1), config(false, 1));
        let differing = on.lines().zip(off.lines()).filter(|(on, off)| on != off);
        let expected = ("    tcp_nopush on;", "    tcp_nopush off;");
        assert_eq!(differing.collect::<Vec<_>>(), [expected]);
    }
}
