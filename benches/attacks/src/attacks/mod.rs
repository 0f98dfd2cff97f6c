//! The attacks, a file for each family. An attack is what one client does, and how many do it.

mod connections;
mod costly;
mod http2;
mod logs;
mod responses;

use std::fmt;
use std::io;
use std::pin::Pin;

use crate::hostile::Hostile;

/// A way to hurt a server.
pub struct Attack {
    pub name: &'static str,
    /// What its clients do, in one sentence.
    pub what: &'static str,
    /// What it did before there were limits against it.
    pub seen: &'static str,
    /// Clients that attack at the same time.
    pub clients: usize,
    pub setup: Setup,
    /// How long innocents may wait, besides what holds for all attacks.
    pub bound: Bound,
    /// One client, from its first byte to the end of its connection. It then begins again.
    pub client: fn(Hostile) -> Client,
}

/// The work of a hostile client.
pub type Client = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// How the server is started.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Further arguments of `headwater serve`.
    pub arguments: &'static [&'static str],
    /// Limit of open files.
    pub descriptors: Option<u64>,
    /// Standard error is a pipe without a reader.
    pub unread_stderr: bool,
    /// Not root, who may read every file.
    pub unprivileged: bool,
}

impl Setup {
    /// As an operator starts it.
    pub const DEFAULT: Setup =
        Setup { arguments: &[], descriptors: None, unread_stderr: false, unprivileged: false };
}

/// Where an address may have fewer connections than there are.
const FEW_FOR_EACH: Setup = Setup {
    arguments: &["--connections-per-address", "64", "--max-connections", "2000"],
    ..Setup::DEFAULT
};

/// How long innocents may wait under an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Ten times as long as in quiet, or 50 ms, for a range.
    Tolerable,
    /// Twice as long as in quiet for a range, a page and a poster.
    Hardly,
}

impl fmt::Debug for Attack {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Attack").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All attacks.
pub fn all() -> impl Iterator<Item = &'static Attack> {
    [
        responses::ATTACKS,
        costly::ATTACKS,
        connections::ATTACKS,
        http2::heads::ATTACKS,
        http2::data::ATTACKS,
        http2::streams::ATTACKS,
        http2::control::ATTACKS,
        http2::silent::ATTACKS,
        logs::ATTACKS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_sentences_end() {
        let names: HashSet<_> = all().map(|attack| attack.name).collect();
        assert_eq!(names.len(), all().count());
        for attack in all() {
            assert!(attack.what.ends_with('.'), "{}", attack.name);
            assert!((1..=16_000).contains(&attack.clients), "{}", attack.name);
        }
    }
}
