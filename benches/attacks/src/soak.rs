//! All attacks at once, for minutes: does anything grow?
//!
//! A few attacks run beside each other, each for a while and with an eighth of its clients, and then
//! the next ones: so that each meets the state that the others left.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::attacks::{Attack, Setup};
use crate::bench::prepare;
use crate::hostile::Attackers;
use crate::innocent::{Experience, Innocents};
use crate::options::Options;
use crate::server::Server;
use crate::trial::WARM_UP;
use crate::usage::{Usage, forget_peak};
use crate::{interrupt, report};

/// Attacks that run beside each other.
const BESIDE: usize = 6;

/// Time between two changes: the oldest attack ends, another begins.
const TURN: Duration = Duration::from_secs(5);

/// Rows of the table.
const ROWS: u32 = 20;

/// Time for everything to come back.
const SETTLE: Duration = Duration::from_secs(30);

/// By how much the second half may exceed the first: a fifth, and a little in absolute terms, because
/// attacks differ.
const GROWTH: f64 = 1.2;
const NOISE_MIB: f64 = 24.0;
const NOISE_THREADS: u64 = 8;

/// A row of the table.
#[derive(Debug, Serialize)]
struct Row {
    minutes: f64,
    usage: Usage,
    innocents: Experience,
}

/// Mixes attacks for some minutes; `true` if the server lives and has not grown.
pub fn run(options: &Options, attacks: &[&'static Attack], minutes: u64) -> Result<bool> {
    let (scratch, library) = prepare(options)?;
    let state = scratch.path().join("state");
    let mut server = Server::start(options, &Setup::DEFAULT, &library.folder, &state)?;
    let innocents = Innocents::start(server.address, &library)?;
    interrupt::sleep(WARM_UP)?;

    let time = Duration::from_secs(60 * minutes);
    let begun = Instant::now();
    let mut next = attacks.iter().copied().filter(|attack| is_mixable(attack)).cycle();
    let mut running = VecDeque::new();
    let mut rows: Vec<Row> = Vec::new();
    println!("| minute | RSS MiB | peak MiB | descriptors | threads | innocents |");
    println!("| -----: | ------: | -------: | ----------: | ------: | --------- |");
    let (mut row_due, mut row_from) = (begun + time / ROWS, begun);
    while begun.elapsed() < time {
        if running.len() == BESIDE {
            running.pop_front().map_or(Ok(Default::default()), Attackers::stop)?;
        }
        let attack = next.next().context("no attack can be mixed")?;
        running.push_back(Attackers::start(attack, attack.clients.div_ceil(8), server.address)?);
        interrupt::sleep(TURN)?;
        if Instant::now() >= row_due {
            rows.push(look(&mut server, &innocents, begun, row_from)?);
            forget_peak(server.id());
            (row_due, row_from) = (row_due + time / ROWS, Instant::now());
        }
    }
    drop(running);
    interrupt::sleep(SETTLE)?;
    let last = look(&mut server, &innocents, begun, Instant::now() - SETTLE)?;
    let (grown, kills) = (growth(&rows, &last), server.cage().kills());
    rows.push(last);
    report::write_json(options.json.as_deref(), &rows)?;
    println!(
        "\ngrown: {}; {kills} killed for lack of memory",
        match grown.is_empty() {
            true => "nothing".to_owned(),
            false => grown.join(", "),
        }
    );
    Ok(grown.is_empty() && kills == 0)
}

/// Only attacks on a server as an operator starts it share one.
fn is_mixable(attack: &Attack) -> bool {
    let Setup { arguments, descriptors, unread_stderr, unprivileged } = attack.setup;
    arguments.is_empty() && descriptors.is_none() && !unread_stderr && !unprivileged
}

/// Measures, and prints the row.
fn look(server: &mut Server, innocents: &Innocents, begun: Instant, from: Instant) -> Result<Row> {
    let usage = server.usage()?.with_context(|| format!("it ended: {}", server.last_words()))?;
    let innocents = innocents.experience(from, Instant::now());
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let Usage { rss_mib, peak_mib, descriptors, threads, .. } = usage;
    println!(
        "| {minutes:>6.1} | {rss_mib:>7.0} | {peak_mib:>8.0} | {descriptors:>11} | {threads:>7} | {} × 5xx, \
         {} failed; {} |",
        innocents.server_errors,
        innocents.failures,
        report::told(&innocents),
    );
    Ok(Row { minutes, usage, innocents })
}

/// What the second half used more of than the first, or did not give back.
fn growth(rows: &[Row], last: &Row) -> Vec<&'static str> {
    let (first, second) = rows.split_at(rows.len() / 2);
    let peak = |rows: &[Row]| rows.iter().map(|row| row.usage.peak_mib).fold(0.0, f64::max);
    let threads = |rows: &[Row]| rows.iter().map(|row| row.usage.threads).max().unwrap_or(0);
    let descriptors = rows.iter().map(|row| row.usage.descriptors).max().unwrap_or(0);
    let peak_max = GROWTH * peak(first) + NOISE_MIB;
    [
        (peak(second) > peak_max, "peak of RSS"),
        (threads(second) > threads(first) + NOISE_THREADS, "threads"),
        (last.usage.rss_mib > peak(first) + NOISE_MIB, "RSS in the end"),
        (last.usage.descriptors > descriptors, "descriptors in the end"),
    ]
    .into_iter()
    .filter_map(|(has_grown, what)| has_grown.then_some(what))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(mib: f64, descriptors: usize, threads: u64) -> Row {
        let usage = Usage { rss_mib: mib, peak_mib: mib, descriptors, threads, cpu_s: 0.0 };
        Row { minutes: 0.0, usage, innocents: Experience::default() }
    }

    #[test]
    fn a_server_is_flat_if_its_second_half_is_like_its_first() {
        let rows = [row(90.0, 500, 20), row(60.0, 300, 18), row(95.0, 480, 21), row(70.0, 90, 18)];
        assert_eq!(growth(&rows, &row(60.0, 100, 18)), Vec::<&str>::new());
        assert_eq!(
            growth(&rows, &row(200.0, 600, 18)),
            ["RSS in the end", "descriptors in the end"]
        );
        let growing = [row(90.0, 500, 20), row(190.0, 500, 40)];
        assert_eq!(growth(&growing, &row(90.0, 100, 18)), ["peak of RSS", "threads"]);
    }
}
