//! A whole run: sets the machine up, starts the peers, has every cell measured, reports.
//!
//! What is set up is held by guards in local variables. They are dropped in the reverse order
//! of their making, on every way out: servers end first, then the files go, and the machine's
//! congestion control is put back last.

use std::path::Path;

use anyhow::{Context, Result};

use crate::cell::Cell;
use crate::clients::curl;
use crate::congestion::Congestion;
use crate::dataset::{Dataset, Scratch, Shape};
use crate::machine::{self, fact};
use crate::options::Options;
use crate::peers::{self, Peer, Server, Site};
use crate::report::{PeerName, Report};
use crate::rounds::Rounds;

/// Runs every cell and prints what comes out.
pub fn run(options: &Options) -> Result<()> {
    let mut report = Report { facts: machine::facts(), ..Report::default() };
    let chosen = peers::chosen(options);
    for peer in &chosen {
        let version = peer.version()?;
        report.facts.push(fact(peer.name(), &version));
        report
            .peers
            .push(PeerName { name: peer.name().to_owned(), is_reference: peer.is_reference() });
    }
    machine::raise_file_limit()?;
    machine::pin(options.client_core)?;
    let congestion = Congestion::set(&options.congestion);
    report.facts.push(fact("congestion control", &congestion.describe()));
    report.facts.push(fact("method", &method(options)));
    for (name, value) in &report.facts {
        println!("{name}: {value}");
    }

    let scratch = Scratch::create(&options.scratch)?;
    let datasets = datasets(options, &chosen, scratch.path())?;
    let servers = start(options, &chosen, &datasets, scratch.path())?;
    if options.own_copies {
        for (server, dataset) in servers.iter().zip(&datasets) {
            curl::fetch(server, &dataset.names())?;
        }
    }
    let rounds =
        Rounds { options, datasets: &datasets, servers: &servers, scratch: scratch.path() };
    for &cell in &options.cells {
        println!("\n{cell}");
        rounds.run(cell, &mut report)?;
        print!("{}", report.last_cell());
    }

    println!("\n{}", report.markdown());
    if let Some(file) = &options.json {
        report.write_json(file)?;
    }
    Ok(())
}

/// How it was measured, in one line.
fn method(options: &Options) -> String {
    let Options { server_core, client_core, turns, seconds, files, file_mib, whole_mib, .. } =
        options;
    let cached = match options.own_copies {
        true => "a copy for each peer, brought into the page cache by itself",
        false => "in the page cache by plain reads",
    };
    format!(
        "servers on core {server_core}, clients on core {client_core}; {turns} turns of \
         {seconds} s; ranges of {files} files of {file_mib} MiB, whole file of {whole_mib} MiB, \
         {cached}; medians, ratios per turn (min–max)"
    )
}

/// Makes the files: one copy for all peers, or one for each.
fn datasets(options: &Options, peers: &[Box<dyn Peer>], scratch: &Path) -> Result<Vec<Dataset>> {
    let shape = Shape {
        files: options.files,
        file_length: options.file_mib << 20,
        whole_length: options.cells.contains(&Cell::Whole).then_some(options.whole_mib << 20),
    };
    let copies = if options.own_copies { peers.len() } else { 1 };
    (0..copies)
        .map(|copy| {
            let folder = scratch.join(format!("copy-{copy}")).join("media");
            Dataset::create(folder, shape, options.seed)
        })
        .collect()
}

/// Starts all peers. They run at the same time, but rest while they are not asked.
fn start(
    options: &Options,
    peers: &[Box<dyn Peer>],
    datasets: &[Dataset],
    scratch: &Path,
) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    for (index, peer) in peers.iter().enumerate() {
        let site = Site {
            media: datasets[index % datasets.len()].folder.clone(),
            state: scratch.join(format!("peer-{index}")),
            core: options.server_core,
        };
        std::fs::create_dir(&site.state)?;
        let server = peers::start(peer.as_ref(), &site);
        servers.push(server.with_context(|| peer.name().to_owned())?);
    }
    Ok(servers)
}
