//! One cell: the bytes are verified, the peers take their turns, the bytes are verified again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cell::{Cell, Work};
use crate::clients::{cold, curl, drain, h2load, wrk};
use crate::options::Options;
use crate::peers::{Role, Server};
use crate::report::{CellResult, Results, progress};
use crate::requests::Requests;
use crate::served::Served;
use crate::turn::{self, Turn};
use crate::verify;

/// Responses that are compared byte for byte with the file, before and after a cell's turns.
const SAMPLE: usize = 64;

/// Duration of the audit, a run in which the draining client checks status and length of every
/// response under the cell's load. wrk could do so only with a copy of every body.
const AUDIT: Duration = Duration::from_secs(1);

/// A server that takes part, and its files.
pub struct Entrant<'a> {
    /// Its index among the peers of the results.
    pub peer: usize,
    pub role: Role,
    pub server: Server,
    pub served: Served<'a>,
}

/// What all cells with the same servers share.
pub struct Rounds<'a> {
    pub options: &'a Options,
    pub entrants: Vec<Entrant<'a>>,
    pub scratch: &'a Path,
}

impl Rounds<'_> {
    /// Measures all turns of `cell`, and adds them to the results.
    pub fn run(&self, cell: Cell, results: &mut Results) -> Result<()> {
        self.verify(cell, results)?;
        let mut turns = vec![Vec::new(); results.peers.len()];
        for number in 0..self.options.turns {
            for entrant in self.order(cell, number) {
                let turn = self
                    .turn(cell, number, entrant)
                    .with_context(|| results.peers[entrant.peer].name.clone())?;
                println!("{}", progress::turn(results, number, entrant.peer, &turn));
                turns[entrant.peer].push(turn);
            }
        }
        self.verify(cell, results)?;
        results.cells.push(CellResult { cell, turns });
        Ok(())
    }

    /// The entrants of turn `number` in their order. Each turn begins with another peer, so that none
    /// always follows the same one.
    fn order(&self, cell: Cell, number: u64) -> impl Iterator<Item = &Entrant<'_>> {
        let others_turns = if cell.drain || cell.http2 { 0 } else { self.options.others_turns };
        let first = number as usize % self.entrants.len();
        let (end, start) = self.entrants.split_at(first);
        let entrants = start.iter().chain(end);
        entrants.filter(move |entrant| entrant.role != Role::Other || number < others_turns)
    }

    /// One turn of one peer.
    fn turn(&self, cell: Cell, number: u64, entrant: &Entrant) -> Result<Turn> {
        let Entrant { server, served, role, .. } = entrant;
        let Options { server_core, client_core, seconds, whole_mib, .. } = *self.options;
        let requests = self.requests(cell, number)?;
        let duration = Duration::from_secs(seconds);
        let load = || match &requests {
            Some(requests) if cell.drain => drain::measure(server.address, requests, duration),
            Some(requests) if cell.http2 => {
                let address = server.http2.context("this peer does not speak HTTP/2")?;
                h2load::measure(address, requests, duration, self.scratch)
            }
            Some(requests) => wrk::measure(server, requests, duration, self.scratch),
            None => curl::measure(server, whole_mib << 20),
        };
        served.prepare(cell, server, *role)?;
        turn::wait_for_rest(self.entrants.iter().map(|entrant| &entrant.server))?;
        match cell.work {
            Work::Ranges { .. } | Work::Segments { .. } | Work::Whole => {
                turn::measure(server, Some((server_core, client_core)), load)
            }
            Work::BesideCold => {
                let hot = || turn::measure(server, None, load);
                let (turn, cold) = cold::beside(server, served.dataset()?, duration, hot)?;
                Ok(Turn { cold: Some(cold), ..turn })
            }
            _ => bail!("{cell} has no turns"),
        }
    }

    /// Verifies the bytes of all peers.
    fn verify(&self, cell: Cell, results: &Results) -> Result<()> {
        let requests = self.requests(cell, 0)?;
        let verify = |entrant: &Entrant| {
            let Entrant { server, served, role, .. } = entrant;
            served.prepare(cell, server, *role)?;
            served.check_whole(cell.work, server)?;
            if let Some(requests) = &requests {
                verify::responses(server.address, served.root(), &requests.list[..SAMPLE])?;
                drain::measure(server.address, requests, AUDIT)?;
            }
            anyhow::Ok(())
        };
        let name = |entrant: &Entrant| &results.peers[entrant.peer].name;
        self.entrants.iter().try_for_each(|entrant| {
            verify(entrant).with_context(|| format!("verifying {}", name(entrant)))
        })
    }

    fn requests(&self, cell: Cell, number: u64) -> Result<Option<Requests>> {
        self.entrants[0].served.requests(cell.work, self.options.seed, number)
    }
}
