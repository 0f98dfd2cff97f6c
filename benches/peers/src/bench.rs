//! A whole run: sets the machine up, starts the peers, measures every cell, reports.
//!
//! Guards in local variables hold the setup. They are dropped in reverse order on every way out:
//! servers end first, then the files go, and the machine's congestion control is restored last.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::cell::{Files, Work};
use crate::clients::curl;
use crate::congestion::Congestion;
use crate::dataset::{self, Dataset};
use crate::disk::Throttle;
use crate::library::{self, Library};
use crate::machine::{self, fact};
use crate::options::Options;
use crate::paused;
use crate::peers::{self, Dedicated, Peer, Role, Server, Site};
use crate::queue::{JobSources, rendition, responsive, storyboard};
use crate::report::{self, JobResult, PausedResult, PeerInfo, Results, chart, progress};
use crate::rounds::{Entrant, Rounds};
use crate::served::Served;
use crate::stage::{self, Stage};

/// Measures every cell and prints the tables.
pub fn run(options: &Options) -> Result<()> {
    let mut results = Results { facts: machine::facts()?, ..Results::default() };
    let peers = peers::chosen(options);
    for peer in &peers {
        let version = peer.version()?;
        results.facts.push(fact(peer.name(), &version));
        results.peers.push(PeerInfo { name: peer.name().to_owned(), role: peer.role() });
    }
    machine::raise_file_limit()?;
    machine::pin(options.client_core)?;
    let congestion = Congestion::set(&options.congestion)?;
    results.facts.push(fact("congestion control", &congestion.name));
    results.facts.push(fact("method", &method(options)));
    for (name, value) in &results.facts {
        println!("{name}: {value}");
    }

    let scratch = dataset::scratch(&options.scratch)?;
    let throttle = options.disk_mib_s.map(|mib_per_s| Throttle::new(scratch.path(), mib_per_s));
    let bench = Bench { options, peers, throttle: throttle.transpose()? };
    let mut library = Library::new(options, scratch.path());
    for stage in stage::of(&options.cells) {
        bench.run(&stage, &mut library, scratch.path(), &mut results)?;
    }
    println!("\n{}", report::markdown(&results));
    if let Some(file) = &options.svg {
        chart::write(&[results], file)?;
    }
    Ok(())
}

/// The method in one line.
fn method(options: &Options) -> String {
    let Options { server_core, client_core, turns, others_turns, seconds, .. } = options;
    let Options { files, file_mib, whole_mib, titles, title_s, .. } = options;
    let disk = options.disk_mib_s.map(|mib| format!("; a disk of {mib} MiB/s")).unwrap_or_default();
    format!(
        "servers on core {server_core}, clients on core {client_core}; {turns} turns of {seconds} s, \
         {others_turns} for peers other than Headwater and nginx; ranges of {files} files of \
         {file_mib} MiB, whole file of {whole_mib} MiB, {titles} titles of {title_s} s, in the page \
         cache by plain reads unless stated otherwise; medians, ratios per turn (min–max){disk}"
    )
}

/// What all stages share.
struct Bench<'a> {
    options: &'a Options,
    peers: Vec<Box<dyn Peer>>,
    throttle: Option<Throttle>,
}

impl Bench<'_> {
    /// Starts the servers of a stage, measures its cells, and ends the servers.
    fn run(
        &self,
        stage: &Stage,
        library: &mut Library,
        scratch: &Path,
        results: &mut Results,
    ) -> Result<()> {
        let scratch = dataset::scratch(scratch)?;
        if let &[cell] = &stage.cells[..]
            && cell.starts_servers()
        {
            println!("\n{cell}");
            match cell.work {
                Work::Paused { viewers } => {
                    self.paused(stage, viewers, library.shared()?, scratch.path(), results)?;
                }
                _ => self.jobs(cell.work, library.sources()?, scratch.path(), results)?,
            }
            return self.save(results);
        }

        // One copy for all, or one for each peer.
        let own = self.own_copies(stage, scratch.path())?;
        let served: Vec<Served> = match stage.files {
            Files::Own => own.iter().map(Served::Random).collect(),
            files => vec![library.served(files)?],
        };
        let mut entrants = Vec::new();
        for (peer, &served) in self.entrants(stage).zip(served.iter().cycle()) {
            let server = self.start(peer, served, scratch.path())?;
            if let (Files::Own, Served::Random(dataset)) = (stage.files, served) {
                dataset.evict(&dataset.names())?;
                curl::fetch(&server, &dataset.names())?;
            }
            entrants.push(Entrant { peer, role: self.peers[peer].role(), server, served });
        }
        ensure!(!entrants.is_empty(), "these cells are for Headwater and nginx only");
        let rounds = Rounds { options: self.options, entrants, scratch: scratch.path() };
        for &cell in &stage.cells {
            println!("\n{cell}");
            rounds.run(cell, results)?;
            let last = results.cells.last();
            print!("{}", report::cell_tables(results, last.map_or(&[], std::slice::from_ref)));
            self.save(results)?;
        }
        Ok(())
    }

    /// Writes the results so far: a later failure must not lose a long run.
    fn save(&self, results: &Results) -> Result<()> {
        self.options.json.as_ref().map_or(Ok(()), |file| results.write(file))
    }

    /// Creates a copy of the files for each peer of a stage of own copies.
    fn own_copies(&self, stage: &Stage, scratch: &Path) -> Result<Vec<Dataset>> {
        self.entrants(stage)
            .filter(|_| stage.files == Files::Own)
            .map(|peer| library::copy(self.options, scratch, &format!("own-{peer}"), &stage.cells))
            .collect()
    }

    /// Measures jobs, or responses beside them.
    fn jobs(
        &self,
        work: Work,
        sources: &JobSources,
        scratch: &Path,
        results: &mut Results,
    ) -> Result<()> {
        let Options { storyboard_s, rendition_s, .. } = *self.options;
        let start = |arguments: &[&str]| {
            let (media, first) = (sources.media(), JobSources::SHORT);
            self.throttled(|| Dedicated::start(self.options, media, first, 2, scratch, arguments))
        };
        let result = match work {
            Work::Storyboard => {
                let mut samples = Vec::new();
                for number in 0..self.options.others_turns {
                    let server = &start(&[])?.server;
                    let sample = storyboard::sample(server, sources, storyboard_s, scratch)?;
                    println!("  turn {:<2} {} tiles", number + 1, sample.tiles.count);
                    samples.push(sample);
                }
                JobResult::Storyboard(samples)
            }
            Work::Rendition => {
                let start = |slots: usize| start(&["--encode-slots", &slots.to_string()]);
                JobResult::Rendition(rendition::sample(sources, rendition_s, scratch, start)?)
            }
            _ => {
                let server = &start(&[])?.server;
                let options = self.options;
                let samples = responsive::samples(server, sources, options, scratch)?;
                JobResult::Responsive(samples)
            }
        };
        print!("{}", report::job_tables(std::slice::from_ref(&result)));
        results.jobs.push(result);
        Ok(())
    }

    /// Samples the memory of paused viewers. One server runs at a time, and each start gives one
    /// sample. Peers that hold two descriptors per viewer would exceed the limit of open files.
    fn paused(
        &self,
        stage: &Stage,
        viewers: usize,
        dataset: &Dataset,
        scratch: &Path,
        results: &mut Results,
    ) -> Result<()> {
        let cell = stage.cells[0];
        let mut grown_kib = vec![Vec::new(); self.peers.len()];
        for number in 0..self.options.others_turns {
            for peer in self.entrants(stage) {
                dataset.warm(&dataset.hot_files(cell.work))?;
                let scratch = dataset::scratch(scratch)?;
                let server = self.start(peer, Served::Random(dataset), scratch.path())?;
                let kib = paused::sample(&server, viewers)
                    .with_context(|| self.peers[peer].name().to_owned())?;
                let per_viewer = kib as f64 / viewers as f64;
                println!("{}", progress::paused(results, number, peer, per_viewer));
                grown_kib[peer].push(kib);
            }
        }
        results.paused.push(PausedResult { cell, viewers, grown_kib });
        let last = results.paused.last();
        print!("{}", report::paused_table(results, last.map_or(&[], std::slice::from_ref)));
        Ok(())
    }

    /// The indices of the peers that take part in a stage. The others have no own copies, which would
    /// not fit into the page cache of most machines; and nginx represents all servers of files beside
    /// segments.
    fn entrants(&self, stage: &Stage) -> impl Iterator<Item = usize> {
        let is_for_all = stage.files == Files::Shared && !stage.cells[0].starts_servers();
        let is_in = move |&peer: &usize| is_for_all || self.peers[peer].role() != Role::Other;
        (0..self.peers.len()).filter(is_in)
    }

    /// Starts a peer. Those of a stage run at the same time, but are idle outside their turns.
    fn start(&self, peer: usize, served: Served, scratch: &Path) -> Result<Server> {
        let site = Site {
            media: served.media(),
            state: scratch.join(format!("peer-{peer}")),
            cores: vec![self.options.server_core],
            first: served.first(),
        };
        std::fs::create_dir(&site.state)?;
        self.throttled(|| peers::start(self.peers[peer].as_ref(), &site))
    }

    /// Runs a call whose child processes have a slower disk, if the options say so.
    fn throttled<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        match &self.throttle {
            Some(throttle) => throttle.within(call),
            None => call(),
        }
    }
}
