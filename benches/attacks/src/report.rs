//! The table on standard output, a row as soon as it is known, and what is behind it as JSON.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::attacks::Attack;
use crate::innocent::{Experience, Kind};
use crate::outcome::Outcome;

/// Columns: title and width. Those behind the first are figures, but for the last.
const COLUMNS: [(&str, usize); 11] = [
    ("attack", 22),
    ("clients", 7),
    ("RSS before", 10),
    ("peak", 5),
    ("after", 5),
    ("cores", 5),
    ("quiet p50 / p99 ms", 18),
    ("under attack", 16),
    ("5xx", 5),
    ("failed", 6),
    ("verdict", 8),
];

/// Prints name, sentence and former figure of each attack.
pub fn list(attacks: &[&Attack]) {
    for attack in attacks {
        println!("{} ({} clients)", attack.name, attack.clients);
        println!("    {}", attack.what);
        println!("    Before there were limits: {}.", attack.seen);
    }
}

/// Prints the head of the table.
pub fn head() {
    let titles = COLUMNS.map(|(title, _)| title.to_owned());
    row(titles);
    let last = COLUMNS.len() - 1;
    let rule = |(index, (_, width)): (usize, &(&str, usize))| match index {
        0 => "-".repeat(*width),
        index if index == last => "-".repeat(*width),
        _ => "-".repeat(width - 1) + ":",
    };
    let rules: Vec<String> = COLUMNS.iter().enumerate().map(rule).collect();
    println!("| {} |", rules.join(" | "));
}

/// Prints the row of an attack.
pub fn outcome(outcome: &Outcome) {
    let mib = |mib: f64| format!("{mib:.0}");
    let waited = |experience: &Experience| {
        let range = experience.latency(Kind::Range);
        format!("{:.1} / {:.1}", range.p50_ms, range.p99_ms)
    };
    let faults = outcome.faults();
    row([
        outcome.attack.to_owned(),
        outcome.clients.to_string(),
        mib(outcome.before.rss_mib),
        mib(outcome.under.peak_mib),
        if outcome.end.is_none() { mib(outcome.after.rss_mib) } else { "–".to_owned() },
        format!("{:.2}", outcome.cores()),
        waited(&outcome.quiet),
        waited(&outcome.attacked),
        outcome.attacked.server_errors.to_string(),
        outcome.attacked.failures.to_string(),
        if faults.is_empty() { "held".to_owned() } else { faults.join("; ") },
    ]);
    eprintln!("    attackers: {}", outcome.attackers);
    let phases = [
        ("quiet", &outcome.quiet),
        ("attacked", &outcome.attacked),
        ("after", &outcome.afterwards),
    ];
    for (phase, experience) in phases {
        eprintln!("    innocents, {phase}: {}", told(experience));
    }
}

/// Prints what is said in one line of the table's width.
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// Writes what is behind the table.
pub fn write_json(file: Option<&Path>, figures: &impl Serialize) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let json = serde_json::to_vec_pretty(figures)?;
    fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))
}

/// The p99 of each kind, and the complaints.
pub fn told(experience: &Experience) -> String {
    let figure = |(kind, latency): &(Kind, crate::latency::Latency)| {
        format!("{} {:.1}", kind.name(), latency.p99_ms)
    };
    let figures: Vec<String> = experience.latencies.iter().map(figure).collect();
    let mut text = format!("p99 in ms: {}", figures.join(", "));
    for (complaint, count) in experience.complaints.iter().take(6) {
        text += &format!("; {count} × {complaint}");
    }
    text
}

fn row(cells: [String; COLUMNS.len()]) {
    let last = COLUMNS.len() - 1;
    let padded =
        cells.iter().zip(COLUMNS).enumerate().map(|(index, (cell, (_, width)))| match index {
            0 => format!("{cell:<width$}"),
            index if index == last => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
    println!("| {} |", padded.collect::<Vec<_>>().join(" | "));
}
