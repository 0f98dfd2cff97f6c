//! A whole run: sets the machine up, starts the peers, has every cell measured, reports.
//!
//! What is set up is held by guards in local variables. They are dropped in the reverse order
//! of their making, on every way out: servers end first, then the files go, and the machine's
//! congestion control is put back last.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::cell::{Cell, Files, Work};
use crate::clients::curl;
use crate::congestion::Congestion;
use crate::dataset::{Dataset, Scratch};
use crate::disk::Throttle;
use crate::library::{self, Library};
use crate::long::{Long, first_byte, index_memory};
use crate::machine::{self, fact};
use crate::options::Options;
use crate::paused;
use crate::peers::{self, Peer, Role, Server, Site, headwater::Headwater};
use crate::queue::{Films, rendition, responsive, storyboard};
use crate::report::alone::{self, FirstByte, IndexMemory};
use crate::report::queued;
use crate::report::{Paused, PausedResult, PeerName, Report, chart};
use crate::rounds::{Entrant, Rounds};
use crate::served::Served;
use crate::stage::{self, Stage};

/// Runs every cell and prints what comes out.
pub fn run(options: &Options) -> Result<()> {
    let mut report = Report { facts: machine::facts(), ..Report::default() };
    let chosen = peers::chosen(options);
    for peer in &chosen {
        let version = peer.version()?;
        report.facts.push(fact(peer.name(), &version));
        report.peers.push(PeerName { name: peer.name().to_owned(), role: peer.role() });
    }
    let file_limit = machine::raise_file_limit()?;
    machine::pin(options.client_core)?;
    let congestion = Congestion::set(&options.congestion);
    report.facts.push(fact("congestion control", &congestion.describe()));
    report.facts.push(fact("method", &method(options)));
    for (name, value) in &report.facts {
        println!("{name}: {value}");
    }

    let scratch = Scratch::create(&options.scratch)?;
    let throttle = options.disk_mib_s.map(|mib_per_s| Throttle::new(scratch.path(), mib_per_s));
    let bench = Bench { options, peers: chosen, file_limit, throttle: throttle.transpose()? };
    let mut library = Library::new(options, scratch.path());
    for stage in stage::of(&options.cells) {
        bench.run(&stage, &mut library, scratch.path(), &mut report)?;
    }

    if options.strace {
        return Ok(());
    }
    println!("\n{}", report.markdown());
    if let Some(file) = &options.svg {
        chart::write(&[report.json()], file)?;
    }
    Ok(())
}

/// How it was measured, in one line.
fn method(options: &Options) -> String {
    let Options { server_core, client_core, turns, others_turns, seconds, .. } = options;
    let Options { files, file_mib, whole_mib, titles, title_s, .. } = options;
    let disk = options.disk_mib_s.map(|mib| format!("; a disk of {mib} MiB/s")).unwrap_or_default();
    format!(
        "servers on core {server_core} (with 2 cores: on {client_core} too), clients on core \
         {client_core}; {turns} turns of {seconds} s, for peers other than Headwater and nginx \
         {others_turns}; ranges of {files} files of {file_mib} MiB, whole file of {whole_mib} \
         MiB, {titles} titles of {title_s} s, in the page cache by plain reads if not said otherwise; medians, ratios per turn \
         (min–max){disk}"
    )
}

/// What all stages share.
struct Bench<'a> {
    options: &'a Options,
    peers: Vec<Box<dyn Peer>>,
    /// Files that a process may hold open.
    file_limit: u64,
    /// What makes the servers' disk slower.
    throttle: Option<Throttle>,
}

impl Bench<'_> {
    /// Starts the servers of a stage, has its cells measured, and ends the servers.
    fn run(
        &self,
        stage: &Stage,
        library: &mut Library,
        scratch: &Path,
        report: &mut Report,
    ) -> Result<()> {
        let scratch = Scratch::create(scratch)?;
        if let &[cell] = &stage.cells[..]
            && cell.is_alone()
        {
            println!("\n{cell}");
            self.run_alone(cell, stage, library, scratch.path(), report)?;
            return self.save(report);
        }

        // The one copy of all, or each peer's own.
        let own = self.own_copies(stage, scratch.path())?;
        let served: Vec<Served> = match stage.files {
            Files::Own => own.iter().map(Served::Random).collect(),
            files => vec![library.served(files)?],
        };
        let mut entrants = Vec::new();
        for (peer, &served) in self.entering(stage).zip(served.iter().cycle()) {
            let server = self.start(peer, served, stage, scratch.path())?;
            if let (Files::Own, Served::Random(dataset)) = (stage.files, served) {
                dataset.evict(&dataset.names())?;
                curl::fetch(&server, &dataset.names())?;
            }
            entrants.push(Entrant { peer, role: self.peers[peer].role(), server, served });
        }
        ensure!(!entrants.is_empty(), "only Headwater and nginx take part in these cells");
        let rounds = Rounds { options: self.options, entrants, scratch: scratch.path() };
        for &cell in &stage.cells {
            println!("\n{cell}");
            if self.options.strace {
                rounds.trace(cell, report)?;
                continue;
            }
            rounds.run(cell, report)?;
            print!("{}", report.last_cell());
            self.save(report)?;
        }
        Ok(())
    }

    /// Writes what was measured so far: what follows may fail, and a long run is not to be lost
    /// with it.
    fn save(&self, report: &Report) -> Result<()> {
        self.options.json.as_ref().map_or(Ok(()), |file| report.write_json(file))
    }

    /// Makes a copy for each peer of a stage, if the stage is one of own copies.
    fn own_copies(&self, stage: &Stage, scratch: &Path) -> Result<Vec<Dataset>> {
        self.entering(stage)
            .filter(|_| stage.files == Files::Own)
            .map(|peer| library::copy(self.options, scratch, &format!("own-{peer}"), &stage.cells))
            .collect()
    }

    /// Measures a cell whose servers serve nothing else.
    fn run_alone(
        &self,
        cell: Cell,
        stage: &Stage,
        library: &mut Library,
        scratch: &Path,
        report: &mut Report,
    ) -> Result<()> {
        if self.options.strace {
            println!("  its system calls are not counted");
            return Ok(());
        }
        match cell.work {
            Work::Paused { viewers } => {
                let peers = self.paused(stage, viewers, library.shared()?, scratch, report)?;
                report.paused.push(PausedResult { cell, peers });
                print!("{}", report.last_paused());
            }
            Work::IndexMemory { budget_mib } => {
                let long = library.long()?;
                let mut samples = Vec::new();
                for number in 0..self.options.others_turns {
                    let titles = self.options.long_titles;
                    let sample = self
                        .alone(
                            &long_site(long),
                            1,
                            scratch,
                            &["--index-cache-mib", &budget_mib.to_string()],
                        )
                        .and_then(|alone| {
                            index_memory::sample(&alone.server, titles, self.options.seed)
                        })?;
                    println!("{}", alone::index_progress(number, &sample));
                    samples.push(sample);
                }
                report.index_memory.push(IndexMemory { cell, samples });
                print!("{}", report.last_index_memory());
            }
            work if work.is_queued() => {
                self.queued(cell, library.films()?, scratch, report)?;
                print!("{}", report.last_queued());
            }
            _ if !first_byte::may_drop_caches() => {
                println!("! left out: it takes root to empty the page cache");
            }
            _ => {
                let alone = self.alone(&long_site(library.long()?), 1, scratch, &[])?;
                let sample = first_byte::sample(&alone.server)?;
                report.first_byte.push(FirstByte { cell, sample });
                print!("{}", report.last_first_byte());
            }
        }
        Ok(())
    }

    /// Measures what the queue makes, or what is noticed of it.
    fn queued(&self, cell: Cell, films: &Films, scratch: &Path, report: &mut Report) -> Result<()> {
        let Options { storyboard_s, rendition_s, .. } = *self.options;
        let site = (films.media(), Films::FILM.to_owned());
        let start = |arguments: &[&str]| self.alone(&site, 2, scratch, arguments);
        let result = match cell.work {
            Work::Storyboard => {
                let mut samples = Vec::new();
                for number in 0..self.options.others_turns {
                    let alone = start(&[])?;
                    let sample = storyboard::sample(&alone.server, films, storyboard_s, scratch)?;
                    println!("{}", queued::storyboard_progress(number, &sample));
                    samples.push(sample);
                }
                queued::Samples::Storyboard(samples)
            }
            Work::Rendition => {
                let start = |slots: usize| start(&["--encode-slots", &slots.to_string()]);
                queued::Samples::Rendition(rendition::sample(films, rendition_s, scratch, start)?)
            }
            _ => {
                let (alone, cores) = (start(&[])?, self.options.cores(2));
                let heard =
                    |number, sample: &_| println!("{}", queued::turn_progress(number, sample));
                let (options, server) = (self.options, &alone.server);
                let samples = responsive::samples(server, films, options, &cores, scratch, heard)?;
                queued::Samples::Responsive(samples)
            }
        };
        report.queued.push(queued::Queued { cell, samples: result });
        Ok(())
    }

    /// Starts a Headwater of its own on a folder, of which one title is named.
    fn alone(
        &self,
        (media, first): &(&Path, String),
        cores: usize,
        scratch: &Path,
        arguments: &[&str],
    ) -> Result<Alone> {
        let mut headwater = Headwater::of(self.options);
        headwater.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let state = Scratch::create(scratch)?;
        let site = Site {
            media: media.to_path_buf(),
            state: state.path().to_owned(),
            cores: self.options.cores(cores),
            first: format!("/media/{first}"),
        };
        let start = || peers::start(&headwater, &site).with_context(|| headwater.name().to_owned());
        let server =
            self.throttle.as_ref().map_or_else(start, |throttle| throttle.within(start))?;
        Ok(Alone { server, state })
    }

    /// Samples the memory of paused viewers. One server runs at a time, and each is started for
    /// one sample.
    fn paused(
        &self,
        stage: &Stage,
        viewers: usize,
        dataset: &Dataset,
        scratch: &Path,
        report: &Report,
    ) -> Result<Vec<Paused>> {
        let mut paused: Vec<Paused> = (0..self.peers.len())
            .map(|peer| Paused { viewers: self.viewers(peer, viewers), samples: Vec::new() })
            .collect();
        for number in 0..self.options.others_turns {
            for peer in self.entering(stage) {
                dataset.warm(&dataset.hot_files(Work::Paused { viewers }))?;
                let scratch = Scratch::create(scratch)?;
                let served = Served::Random(dataset);
                let server = self.start(peer, served, stage, scratch.path())?;
                let paused = &mut paused[peer];
                let sample = paused::sample(&server, paused.viewers)
                    .with_context(|| self.peers[peer].name().to_owned())?;
                println!("{}", report.paused_progress(number, peer, sample, paused.viewers));
                paused.samples.push(sample);
            }
        }
        Ok(paused)
    }

    /// How many viewers a peer has, if `wanted` are wanted. The others open the file anew for
    /// each and need two descriptors; if they may not have so many, fewer viewers must do.
    fn viewers(&self, peer: usize, wanted: usize) -> usize {
        let most = (self.file_limit.saturating_sub(1000) / 2) as usize;
        match self.peers[peer].role() {
            Role::Other => wanted.min(most),
            Role::Ours | Role::Reference => wanted,
        }
    }

    /// The numbers of the peers that take part in a stage. Where each needs its own copy, the
    /// others do not: all those copies would not fit into the page cache of most machines. Nor do
    /// they where films are: nginx stands for all servers of files.
    fn entering(&self, stage: &Stage) -> impl Iterator<Item = usize> {
        let is_for_all = stage.files == Files::Shared;
        let is_in = move |&peer: &usize| is_for_all || self.peers[peer].role() != Role::Other;
        (0..self.peers.len()).filter(is_in)
    }

    /// Starts a peer. Those of a stage run at the same time, but rest while they are not asked.
    fn start(&self, peer: usize, served: Served, stage: &Stage, scratch: &Path) -> Result<Server> {
        let site = Site {
            media: served.media(),
            state: scratch.join(format!("peer-{peer}")),
            cores: self.options.cores(stage.cores),
            first: served.first(),
        };
        std::fs::create_dir(&site.state)?;
        let peer = self.peers[peer].as_ref();
        let start = || peers::start(peer, &site).with_context(|| peer.name().to_owned());
        self.throttle.as_ref().map_or_else(start, |throttle| throttle.within(start))
    }
}

/// The folder of long titles, and the first of them.
fn long_site(long: &Long) -> (&Path, String) {
    (long.media(), Long::name(0))
}

/// A Headwater that no other server is beside; it ends before its state is deleted.
pub struct Alone {
    pub server: Server,
    pub state: Scratch,
}
