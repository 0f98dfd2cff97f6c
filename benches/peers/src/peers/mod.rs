//! The servers, one file each. A new one implements [`Peer`] and joins the list in [`chosen`].

pub mod actix_files;
mod address;
mod caddy;
mod dedicated;
mod headwater;
mod nginx;
mod node;
mod peer;

use crate::options::{Family, Options};

pub use dedicated::Dedicated;
pub use peer::{Peer, Role, Server, Site, start, version_of};

/// The peers that the options name, in the order of their turns.
pub fn chosen(options: &Options) -> Vec<Box<dyn Peer>> {
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    for family in &options.peers {
        match family {
            Family::Headwater => peers.push(Box::new(headwater::Headwater::new(options))),
            Family::Nginx => peers.extend([true, false].map(|nopush| -> Box<dyn Peer> {
                Box::new(nginx::Nginx { binary: options.nginx.clone(), nopush })
            })),
            Family::Caddy => peers.push(Box::new(caddy::Caddy)),
            Family::ActixFiles => peers.push(Box::new(actix_files::ActixFiles)),
            Family::Node => peers.push(Box::new(node::Node)),
        }
    }
    peers
}
