//! Caddy as its package installs it, with `file_server` only.

use std::fs;
use std::net::SocketAddr;

use anyhow::Result;

use super::address;
use super::peer::{Peer, Role, Server, Site, quoted, version_of};
use crate::process::on_cores;

const BINARY: &str = "/usr/bin/caddy";

pub struct Caddy;

impl Peer for Caddy {
    fn name(&self) -> &str {
        "Caddy"
    }

    fn role(&self) -> Role {
        Role::Other
    }

    fn version(&self) -> Result<String> {
        version_of(BINARY.as_ref(), "version")
    }

    fn launch(&self, site: &Site) -> Result<Server> {
        let address = address::free()?;
        let config = site.state.join("Caddyfile");
        fs::write(&config, caddyfile(address, site)?)?;
        let mut command = on_cores(&site.cores, BINARY.as_ref());
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&config);
        // One thread per core, however Go counts cores.
        command.env("GOMAXPROCS", site.workers().to_string());
        // Its folders for certificates and the last configuration.
        command.env("XDG_DATA_HOME", &site.state).env("XDG_CONFIG_HOME", &site.state);
        site.spawn_on(address, &mut command)
    }
}

fn caddyfile(address: SocketAddr, site: &Site) -> Result<String> {
    let root = quoted(site.root()?);
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
