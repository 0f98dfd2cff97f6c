//! Caddy, as its package installs it: `file_server` and nothing else.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Peer, Role, Server, Site, address, quoted, version_of};
use crate::process::on_cores;

pub struct Caddy {
    pub binary: PathBuf,
}

impl Peer for Caddy {
    fn name(&self) -> &str {
        "Caddy"
    }

    fn role(&self) -> Role {
        Role::Other
    }

    fn version(&self) -> Result<String> {
        version_of(&self.binary, "version")
    }

    fn launch(&self, site: &Site) -> Result<Server> {
        let address = address::free()?;
        let config = site.state.join("Caddyfile");
        fs::write(&config, caddyfile(address, site)?)?;
        let mut command = on_cores(&site.cores, &self.binary);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&config);
        // Go counts the machine's cores, not the ones it may use by cgroup or by taskset alike.
        command.env("GOMAXPROCS", site.workers().to_string());
        // Where it keeps certificates and its last configuration.
        command.env("XDG_DATA_HOME", &site.state).env("XDG_CONFIG_HOME", &site.state);
        let group = site.spawn(&mut command)?;
        Ok(Server { group, address })
    }
}

fn caddyfile(address: SocketAddr, site: &Site) -> Result<String> {
    let root = quoted(site.media.parent().context("media lies in a folder")?);
    Ok(format!(
        "\
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
    servers {{
        protocols h1
        timeouts {{
            idle 10m
        }}
    }}
}}
http://{address} {{
    bind {}
    root * {root}
    file_server
}}
",
        address.ip()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_address_and_folder() {
        let (media, state) = ("/a b/media".into(), "/state".into());
        let site = Site { media, state, cores: vec![0], first: String::new() };
        let text = caddyfile("127.0.0.1:8080".parse().unwrap(), &site).unwrap();
        assert!(text.contains("\nhttp://127.0.0.1:8080 {\n    bind 127.0.0.1\n"), "{text}");
        assert!(text.contains("root * \"/a b\"\n"), "{text}");
    }
}
