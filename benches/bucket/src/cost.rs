//! CPU per byte: equal requests for the files of both roots, in turns.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use peers::cell::Track;
use peers::clients::drain;
use peers::peers::Server;
use peers::random::rng;
use peers::requests::{Requests, Target};
use peers::stats::Spread;
use peers::titles::hls;
use peers::turn;
use peers::verify::{self, Client};

use crate::cell::Cell;
use crate::options::Options;
use crate::origin::Root;

/// Responses that are compared byte for byte with the file, before the turns.
const SAMPLE: usize = 64;

/// The files of both roots.
#[derive(Debug)]
pub struct Titles<'a> {
    /// The folder whose `media/folder` has the files, and `media/bucket` leads to the same.
    pub document_root: &'a Path,
    /// Their names and lengths.
    pub files: Vec<(String, u64)>,
}

/// The figures of a cell.
#[derive(Debug)]
pub struct Cost {
    /// CPU seconds per GiB from the folder, by turn.
    pub folder: Vec<f64>,
    /// CPU seconds per GiB from the bucket, by turn.
    pub bucket: Vec<f64>,
    /// The turns of both in which other programs ran on the server's core.
    pub disturbed: usize,
}

impl Cost {
    /// Bucket ÷ folder.
    pub fn ratio(&self) -> Spread {
        Spread::of_ratios(&self.bucket, &self.folder)
    }
}

/// Measures one cell.
pub fn measure(options: &Options, server: &Server, titles: &Titles, cell: Cell) -> Result<Cost> {
    let targets = [Root::Folder, Root::Bucket].map(|root| titles.targets(server, cell, root));
    let [folder, bucket] = targets;
    let targets = [folder?, bucket?];
    if cell == Cell::Segments {
        compare_segments(server, &targets)?;
    }
    let mut cost = Cost { folder: Vec::new(), bucket: Vec::new(), disturbed: 0 };
    for number in 0..options.turns {
        let mut order = [Root::Folder, Root::Bucket];
        if number % 2 == 1 {
            order.reverse();
        }
        for root in order {
            let requests = requests(options, &targets[root as usize], cell, number)?;
            if number == 0 && cell != Cell::Segments {
                let sample = &requests.list[..SAMPLE];
                verify::responses(server.address, titles.document_root, sample)?;
            }
            turn::wait_for_rest(std::iter::once(server))?;
            let load =
                || drain::measure(server.address, &requests, Duration::from_secs(options.seconds));
            let cores = (options.server_core, options.client_core);
            let turn = turn::measure(server, Some(cores), load)?;
            println!(
                "  turn {:<2} {:<6} {:.4} CPU s/GiB, {:.0} MiB/s{}",
                number + 1,
                root.name(),
                turn.cpu_s_per_gib(),
                turn.mib_per_s(),
                if turn.is_disturbed() { ", disturbed" } else { "" }
            );
            cost.disturbed += usize::from(turn.is_disturbed());
            match root {
                Root::Folder => cost.folder.push(turn.cpu_s_per_gib()),
                Root::Bucket => cost.bucket.push(turn.cpu_s_per_gib()),
            }
        }
    }
    Ok(cost)
}

/// The requests of a turn: the same ones of both roots.
fn requests(options: &Options, targets: &[Target], cell: Cell, number: u64) -> Result<Requests> {
    let connections = usize::from(options.connections);
    match cell {
        Cell::Ranges(length) => {
            Requests::parts(targets, length, connections, rng(options.seed, length << 16 | number))
        }
        _ => Requests::whole(targets, connections, rng(options.seed, number)),
    }
}

impl Titles<'_> {
    /// The names of the files.
    pub fn names(&self) -> Vec<String> {
        self.files.iter().map(|(name, _)| name.clone()).collect()
    }

    /// What a cell requests of a root.
    fn targets(&self, server: &Server, cell: Cell, root: Root) -> Result<Vec<Target>> {
        if cell != Cell::Segments {
            let target = |(name, length): &(String, u64)| Target {
                path: format!("/media/{}", root.title(name)),
                length: *length,
            };
            return Ok(self.files.iter().map(target).collect());
        }
        let mut client = Client::connect(server.address)?;
        let mut targets = Vec::new();
        for (name, _) in &self.files {
            let paths = hls::segments(&mut client, &root.title(name), Track::Video)?;
            // A player requests an init segment once: it is no load.
            for path in paths.into_iter().filter(|path| path.ends_with(".m4s")) {
                let length = client.whole(&path, hls::LIMIT)?.len() as u64;
                targets.push(Target { path, length });
            }
        }
        Ok(targets)
    }
}

/// Compares all segments of both roots: each is in the same place of its list.
fn compare_segments(server: &Server, [folder, bucket]: &[Vec<Target>; 2]) -> Result<()> {
    ensure!(folder.len() == bucket.len(), "{} segments and {}", folder.len(), bucket.len());
    let mut client = Client::connect(server.address)?;
    for (one, other) in folder.iter().zip(bucket) {
        let is_same =
            client.whole(&one.path, hls::LIMIT)? == client.whole(&other.path, hls::LIMIT)?;
        ensure!(is_same, "{} is not {}", other.path, one.path);
    }
    Ok(())
}
