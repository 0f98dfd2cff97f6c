//! A cell of paused viewers: the memory that a server keeps for each.
//!
//! Every sample is from a freshly started server. A server keeps memory that it took for earlier
//! viewers, so that the next ones would seem to cost nothing.

use anyhow::{Context, Result, ensure};

use crate::clients::viewers::Viewers;
use crate::memory;
use crate::peers::Server;
use crate::turn;

/// Connects `count` viewers to a fresh server, and returns the growth of its memory in KiB.
pub fn sample(server: &Server, count: usize) -> Result<i64> {
    let rest = || turn::wait_for_rest(std::iter::once(server));
    rest()?;
    let (before, sockets) = (memory::of_tree(server.id())?, memory::sockets_of_tree(server.id())?);
    let viewers = Viewers::connect(server, count)?;
    rest()?;
    let after = memory::of_tree(server.id())?;
    let held = memory::sockets_of_tree(server.id())?.saturating_sub(sockets);
    ensure!(held >= count, "the server holds {held} connections of {count}");
    viewers.check().context("after the measurement")?;
    Ok(after.cast_signed() - before.cast_signed())
}
