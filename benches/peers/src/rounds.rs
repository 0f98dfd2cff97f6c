//! One cell: the bytes are verified, the peers take their turns, the bytes are verified again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cell::{Cell, Work};
use crate::clients::{cold, curl, wrk};
use crate::options::Options;
use crate::peers::{Role, Server};
use crate::report::{CellResult, Report};
use crate::requests::Requests;
use crate::served::Served;
use crate::trace;
use crate::turn::{self, Turn};
use crate::verify::{self, HeadLength};

/// Answers compared byte for byte with the file, before and again after a cell's turns.
const SAMPLE: usize = 64;

/// Length of the run in which every answer's status and length are looked at.
const AUDIT: Duration = Duration::from_secs(1);

/// A server that takes part, and what it serves.
pub struct Entrant<'a> {
    /// Its number among the report's peers.
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
    /// Measures all turns of `cell`, and adds them to the report.
    pub fn run(&self, cell: Cell, report: &mut Report) -> Result<()> {
        let heads = self.verify(cell, report)?;
        let mut turns = vec![Vec::new(); report.peers.len()];
        for number in 0..self.options.turns {
            for (entrant, heads) in self.order(number, &heads) {
                let turn = self
                    .turn(cell, number, entrant, heads)
                    .with_context(|| report.peers[entrant.peer].name.clone())?;
                println!("{}", report.progress(number, entrant.peer, &turn));
                turns[entrant.peer].push(turn);
            }
        }
        self.verify(cell, report)?;
        report.cells.push(CellResult { cell, turns });
        Ok(())
    }

    /// Counts every peer's system calls in `cell`, and prints them.
    pub fn trace(&self, cell: Cell, report: &Report) -> Result<()> {
        let heads = self.verify(cell, report)?;
        let duration = Duration::from_secs(self.options.seconds);
        for (entrant, heads) in self.order(0, &heads) {
            let Entrant { server, peer, .. } = entrant;
            let (asked, heads) =
                self.requests(cell, 0)?.zip(heads).context("whole files cannot be traced")?;
            let calls = trace::trace(server, self.scratch, || {
                wrk::measure(server, &asked, heads, duration, self.scratch)
            })
            .with_context(|| report.peers[*peer].name.clone())?;
            println!("  {:16}  {calls}", report.peers[*peer].name);
        }
        Ok(())
    }

    /// Who has turn `number`, and in which order. Each turn begins with another peer, so that
    /// none always follows the same one.
    fn order<'a>(
        &'a self,
        number: u64,
        heads: &'a [Option<HeadLength>],
    ) -> impl Iterator<Item = (&'a Entrant<'a>, Option<HeadLength>)> {
        let count = self.entrants.len();
        (0..count)
            .map(move |step| (number as usize + step) % count)
            .map(move |index| (&self.entrants[index], heads[index]))
            .filter(move |(entrant, _)| {
                entrant.role != Role::Other || number < self.options.others_turns
            })
    }

    /// One turn of one peer.
    fn turn(
        &self,
        cell: Cell,
        number: u64,
        entrant: &Entrant,
        heads: Option<HeadLength>,
    ) -> Result<Turn> {
        let Entrant { server, served, role, .. } = entrant;
        let requests = self.requests(cell, number)?.zip(heads);
        let duration = Duration::from_secs(self.options.seconds);
        let core = (cell.cores == 1).then_some(self.options.server_core);
        let wrk = || match &requests {
            Some((asked, heads)) => wrk::measure(server, asked, *heads, duration, self.scratch),
            None => bail!("{cell} has no requests"),
        };
        served.prepare(cell, server, *role)?;
        turn::wait_for_rest(self.entrants.iter().map(|entrant| &entrant.server))?;
        match cell.work {
            Work::Ranges { .. } | Work::Made { .. } => turn::measure(server, core, wrk),
            Work::Whole => {
                turn::measure(server, core, || curl::measure(server, self.options.whole_mib << 20))
            }
            Work::BesideCold => {
                let hot = || turn::measure(server, None, wrk);
                let (turn, cold) = cold::beside(server, served.dataset()?, duration, hot)?;
                Ok(Turn { cold: Some(cold), ..turn })
            }
            _ => bail!("{cell} has no turns"),
        }
    }

    /// Checks the bytes of all peers; returns the lengths of their heads if the cell has requests for wrk.
    fn verify(&self, cell: Cell, report: &Report) -> Result<Vec<Option<HeadLength>>> {
        let requests = self.requests(cell, 0)?;
        let verify = |entrant: &Entrant| {
            let Entrant { server, served, role, .. } = entrant;
            served.prepare(cell, server, *role)?;
            served.check_digest(cell.work, server)?;
            requests.as_ref().map(|asked| self.verify_answers(entrant, asked)).transpose()
        };
        let name = |entrant: &Entrant| &report.peers[entrant.peer].name;
        self.entrants
            .iter()
            .map(|entrant| verify(entrant).with_context(|| format!("verifying {}", name(entrant))))
            .collect()
    }

    fn verify_answers(&self, entrant: &Entrant, asked: &Requests) -> Result<HeadLength> {
        let Entrant { server, served, .. } = entrant;
        let heads = verify::answers(server.address, served.root(), &asked.list[..SAMPLE])?;
        wrk::audit(server, asked, AUDIT, self.scratch)?;
        Ok(heads)
    }

    fn requests(&self, cell: Cell, number: u64) -> Result<Option<Requests>> {
        self.entrants[0].served.requests(cell.work, self.options.seed, number)
    }
}
