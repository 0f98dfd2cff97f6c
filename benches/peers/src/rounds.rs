//! One cell: the bytes are verified, the peers take their turns, the bytes are verified again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cell::Cell;
use crate::clients::{curl, wrk};
use crate::dataset::Dataset;
use crate::options::Options;
use crate::peers::Server;
use crate::report::{CellResult, Report};
use crate::requests::Ranges;
use crate::turn::{self, Turn};
use crate::verify::{self, HeadLength};

/// Ranges compared byte for byte with the file, before and again after a cell's turns.
const SAMPLE: usize = 64;

/// Length of the run in which every answer's status and length are looked at.
const AUDIT: Duration = Duration::from_secs(1);

/// What all cells share. Servers are numbered as the report's peers are.
pub struct Rounds<'a> {
    pub options: &'a Options,
    /// One for each server, or one for all.
    pub datasets: &'a [Dataset],
    pub servers: &'a [Server],
    pub scratch: &'a Path,
}

impl Rounds<'_> {
    /// Measures all turns of `cell`, and adds them to the report.
    pub fn run(&self, cell: Cell, report: &mut Report) -> Result<()> {
        let heads = self.verify(cell, report)?;
        let count = self.servers.len();
        let mut turns = vec![Vec::new(); count];
        for number in 0..self.options.turns {
            // Each turn begins with another peer, so that none always follows the same one.
            for peer in (0..count).map(|step| (number as usize + step) % count) {
                let turn = self
                    .turn(cell, number, peer, heads[peer])
                    .with_context(|| report.peers[peer].name.clone())?;
                println!("{}", report.progress(number, peer, &turn));
                turns[peer].push(turn);
            }
        }
        self.verify(cell, report)?;
        report.cells.push(CellResult { cell, turns });
        Ok(())
    }

    /// One turn of one peer.
    fn turn(
        &self,
        cell: Cell,
        number: u64,
        peer: usize,
        heads: Option<HeadLength>,
    ) -> Result<Turn> {
        let server = &self.servers[peer];
        let ranges = self.ranges(cell, number)?;
        self.dataset(peer).warm(cell)?;
        turn::wait_for_rest(self.servers)?;
        turn::measure(server, self.options.server_core, || match ranges.as_ref().zip(heads) {
            Some((ranges, heads)) => {
                let duration = Duration::from_secs(self.options.seconds);
                wrk::measure(server, ranges, heads, duration, self.scratch)
            }
            None => curl::measure(server, self.options.whole_mib << 20),
        })
    }

    /// Checks the bytes of all peers; returns the lengths of their heads if the cell has ranges.
    fn verify(&self, cell: Cell, report: &Report) -> Result<Vec<Option<HeadLength>>> {
        let ranges = self.ranges(cell, 0)?;
        let verify = |peer: usize| match &ranges {
            Some(ranges) => self.verify_ranges(peer, ranges).map(Some),
            None => curl::check_digest(&self.servers[peer], self.dataset(peer)).map(|()| None),
        };
        let name = |peer: usize| &report.peers[peer].name;
        (0..self.servers.len())
            .map(|peer| verify(peer).with_context(|| format!("verifying {}", name(peer))))
            .collect()
    }

    fn verify_ranges(&self, peer: usize, ranges: &Ranges) -> Result<HeadLength> {
        let server = &self.servers[peer];
        let sample = &ranges.list[..SAMPLE];
        let heads = verify::ranges(server.address, self.dataset(peer), sample)?;
        wrk::audit(server, ranges, AUDIT, self.scratch)?;
        Ok(heads)
    }

    fn ranges(&self, cell: Cell, number: u64) -> Result<Option<Ranges>> {
        Ranges::of(cell, &self.dataset(0).shape, self.options.seed, number)
    }

    fn dataset(&self, peer: usize) -> &Dataset {
        &self.datasets[peer % self.datasets.len()]
    }
}
