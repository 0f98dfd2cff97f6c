//! A cell of paused viewers: what memory does a server keep for each?
//!
//! Every sample is one of a server that was just started. One that has had viewers before
//! keeps memory that it took for them, and the next ones would seem to cost nothing.

use anyhow::{Context, Result, ensure};

use crate::clients::viewers::Viewers;
use crate::memory::{self, Memory};
use crate::peers::Server;
use crate::turn;

/// Lets `count` viewers come to a fresh server, and returns what its memory has grown by.
pub fn sample(server: &Server, count: usize) -> Result<Memory> {
    let rest = || turn::wait_for_rest(std::iter::once(server));
    rest()?;
    let (before, sockets) = (memory::of_tree(server.id())?, memory::sockets_of_tree(server.id())?);
    let viewers = Viewers::arrive(server, count)?;
    rest()?;
    let grown = memory::of_tree(server.id())? - before;
    let held = memory::sockets_of_tree(server.id())?.saturating_sub(sockets);
    ensure!(held >= count, "the server holds {held} connections of {count}");
    viewers.check().context("after the measurement")?;
    Ok(grown)
}
