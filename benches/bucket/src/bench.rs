//! A whole run: makes titles, starts the bucket and the server, measures every cell, reports.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Result;
use peers::congestion::Congestion;
use peers::dataset::{self, Dataset, Shape};
use peers::machine;
use peers::stats::Spread;
use peers::titles::video;

use crate::cell::Cell;
use crate::cost::{self, Cost, Titles};
use crate::hedge::{self, Hedging};
use crate::memory::{self, CacheDisk, Memory};
use crate::moto::Moto;
use crate::options::Options;
use crate::origin::{self, Origin, Root};

/// The files for slow downloads. moto reads all of an object for each request, so they are short.
const SLOW_FILES: Shape =
    Shape { files: 8, file_length: 8 << 20, whole_length: None, cold_length: None };

/// Measures every cell and prints the tables.
pub fn run(options: &Options) -> Result<()> {
    machine::raise_file_limit()?;
    machine::pin(options.client_core)?;
    for (name, value) in machine::facts()? {
        println!("{name}: {value}");
    }
    let congestion = Congestion::set(&options.congestion)?;
    println!("congestion control: {}", congestion.name);
    let scratch = dataset::scratch(&options.scratch)?;
    let has_cost = |cell: &Cell| !matches!(cell, Cell::Memory | Cell::Hedge);
    let cells: Vec<Cell> = options.cells.iter().copied().filter(has_cost).collect();
    if !cells.is_empty() {
        run_cells(options, &cells, scratch.path())?;
    }
    if options.cells.contains(&Cell::Memory) {
        run_memory(options, scratch.path())?;
    }
    if options.cells.contains(&Cell::Hedge) {
        run_hedge(options, scratch.path())?;
    }
    Ok(())
}

/// Measures CPU per byte: with shelves as they were fetched, and after a restart, read in from the disk as the
/// files of the folder are.
fn run_cells(options: &Options, cells: &[Cell], scratch: &Path) -> Result<()> {
    let document_root = dataset::scratch(scratch)?;
    let media = document_root.path().join("media");
    let folder = media.join(Root::Folder.name());
    fs::create_dir_all(&folder)?;
    symlink(Root::Folder.name(), media.join(Root::Bucket.name()))?;
    let files = make_titles(options, document_root.path(), &folder)?;
    let titles = Titles { document_root: document_root.path(), files };
    let names = titles.names();
    let moto = Moto::start(&options.python)?;
    moto.put_folder(&folder)?;

    let state = dataset::scratch(scratch)?;
    let origin = Origin::new(options, &moto);
    let mut costs: Vec<(Cell, [Cost; 2])> = Vec::new();
    let mut fetched = Vec::new();
    for is_restarted in [false, true] {
        origin::evict(&folder)?;
        if is_restarted {
            origin::evict(&state.path().join("data/cache"))?;
        }
        let server = origin.start(&folder, state.path(), &names[0], options.server_core)?;
        origin::read_in(&server, &names)?;
        for &cell in cells {
            println!("\n{cell}, {}", if is_restarted { "after a restart" } else { "as fetched" });
            let cost = cost::measure(options, &server, &titles, cell)?;
            match is_restarted {
                false => fetched.push(cost),
                true => costs.push((cell, [fetched.remove(0), cost])),
            }
        }
    }
    print_costs(&costs);
    Ok(())
}

/// Makes titles, and returns their names and lengths.
fn make_titles(options: &Options, scratch: &Path, folder: &Path) -> Result<Vec<(String, u64)>> {
    println!("\nmaking {} titles of {} s", options.titles, options.title_s);
    let short = scratch.join("short.mp4");
    video::encode(&short)?;
    let name = |number| format!("title-{number:03}.mp4");
    let first = folder.join(name(0));
    video::repeat(&short, options.title_s, &first)?;
    let mut files = Vec::new();
    for number in 0..options.titles {
        let file = folder.join(name(number));
        if file != first {
            fs::copy(&first, &file)?;
        }
        dataset::sync_and_evict(&File::open(&file)?)?;
        files.push((name(number), fs::metadata(&file)?.len()));
    }
    dataset::wait_for_quiet(files.iter().map(|(name, _)| folder.join(name)))?;
    Ok(files)
}

fn print_costs(costs: &[(Cell, [Cost; 2])]) {
    println!(
        "\n| load | folder, CPU s/GiB | bucket ÷ folder, as fetched | after a restart | disturbed |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (cell, [fetched, restarted]) in costs {
        let turns = fetched.folder.len() * 4;
        println!(
            "| {cell} | {:.3} | {} | {} | {} of {turns} turns |",
            Spread::of(fetched.folder.iter().copied()).median,
            fetched.ratio(),
            restarted.ratio(),
            fetched.disturbed + restarted.disturbed,
        );
    }
}

/// Measures the memory of slow downloads.
fn run_memory(options: &Options, scratch: &Path) -> Result<()> {
    let files = Dataset::create(scratch.join("media"), SLOW_FILES, options.seed)?;
    let names = files.names().into_iter().map(|name| (name, SLOW_FILES.file_length));
    let names: Vec<(String, u64)> = names.collect();
    dataset::wait_for_quiet(names.iter().map(|(name, _)| files.path(name)))?;
    let moto = Moto::start(&options.python)?;
    moto.put_folder(&files.folder)?;
    println!("\n| {} slow downloads | idle | peak of RSS | of heap and stacks |", options.viewers);
    println!("| --- | ---: | ---: | ---: |");
    for disk in [CacheDisk::Free, CacheDisk::Full] {
        let memory = memory::measure(options, &moto, &files.folder, &names, scratch, disk)?;
        let Memory { idle, peak, peak_anonymous } = memory;
        let what = match disk {
            CacheDisk::Free => "a cache of 100 GiB",
            CacheDisk::Full => "its disk is full",
        };
        let mib = |kib: u64| kib as f64 / 1024.0;
        println!(
            "| {what} | {:.1} MiB | {:.1} MiB | {:.1} MiB |",
            mib(idle),
            mib(peak),
            mib(peak_anonymous)
        );
    }
    Ok(())
}

/// Measures cold requests without hedges and with them.
fn run_hedge(options: &Options, scratch: &Path) -> Result<()> {
    let shape =
        Shape { files: options.objects, file_length: hedge::OBJECT_BYTES, ..Shape::default() };
    let files = Dataset::create(scratch.join("objects"), shape, options.seed)?;
    let names = files.names();
    dataset::wait_for_quiet(names.iter().map(|name| files.path(name)))?;
    let moto = Moto::start(&options.python)?;
    moto.put_folder(&files.folder)?;
    println!("\n| hedges | median | 99 of 100 | requests per object |");
    println!("| --- | ---: | ---: | ---: |");
    let mut p99s = Vec::new();
    for is_hedging in [false, true] {
        let measured = hedge::measure(options, &moto, &files.folder, &names, scratch, is_hedging)?;
        let Hedging { median, p99, gets, objects } = measured;
        println!(
            "| {} | {:.0} ms | {:.0} ms | {:.3} |",
            if is_hedging { "on" } else { "off" },
            median.as_secs_f64() * 1000.0,
            p99.as_secs_f64() * 1000.0,
            gets as f64 / objects as f64
        );
        p99s.push(p99.as_secs_f64());
    }
    println!("\n99 of 100, with hedges ÷ without: {:.2}", p99s[1] / p99s[0]);
    Ok(())
}
