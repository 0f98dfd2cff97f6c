//! Every turn with its raw counts, for whoever wants to compute something else, and for the
//! chart.
//!
//! Units are in the names: `_s` seconds, `_us` microseconds, `_bytes` bytes, `_kib` KiB.

use serde_json::{Value, json};

use super::{CellResult, PausedResult, Report, alone, queued::Queued};
use crate::cell::Files;
use crate::peers::Role;
use crate::stats::Spread;
use crate::turn::Turn;

pub fn of(report: &Report) -> Value {
    let facts = report.facts.iter().cloned();
    let facts = facts.map(|(name, value)| (name, Value::from(value)));
    let peers = report.peers.iter();
    let cells = report.cells.iter();
    let paused = report.paused.iter();
    let index_memory = report.index_memory.iter();
    let first_byte = report.first_byte.iter();
    json!({
        "machine": Value::Object(facts.collect()),
        "peers": peers.map(|peer| json!({
            "name": peer.name,
            "role": role(peer.role),
        })).collect::<Vec<_>>(),
        "cells": cells.map(|cell| of_cell(report, cell)).collect::<Vec<_>>(),
        "paused": paused.map(|cell| of_paused(report, cell)).collect::<Vec<_>>(),
        "index_memory": index_memory.map(alone::index_json).collect::<Vec<_>>(),
        "first_byte": first_byte.map(alone::first_byte_json).collect::<Vec<_>>(),
        "queue": report.queued.iter().map(Queued::json).collect::<Vec<_>>(),
    })
}

fn of_cell(report: &Report, cell: &CellResult) -> Value {
    let reference = cell.reference(&report.peers);
    let peers = report.peers.iter().enumerate();
    let peers = peers.filter(|&(peer, _)| !cell.turns[peer].is_empty()).map(|(peer, name)| {
        json!({
            "peer": name.name,
            "role": role(name.role),
            "cpu_ratio": of_spread(cell.ratio(peer, reference, Turn::cpu_s_per_1000)),
            "rate_ratio": of_spread(cell.ratio(peer, reference, Turn::requests_per_s)),
            "requests_per_s": cell.median(peer, Turn::requests_per_s),
            "latency_p99_ms": cell.median(peer, Turn::p99_ms),
            "turns": cell.turns[peer].iter().map(of_turn).collect::<Vec<_>>(),
        })
    });
    json!({
        "load": cell.cell.to_string(),
        "work": cell.cell.work.to_string(),
        "is_beside_cold": cell.is_beside_cold(),
        "cores": cell.cell.cores,
        "own_copy": cell.cell.own,
        "is_made": cell.cell.files() == Files::Titles,
        "reference": report.peers[reference].name,
        "results": peers.collect::<Vec<_>>(),
    })
}

fn of_paused(report: &Report, cell: &PausedResult) -> Value {
    let peers = cell.peers.iter().zip(&report.peers);
    let peers = peers.filter(|(paused, _)| !paused.samples.is_empty()).map(|(paused, name)| {
        json!({
            "peer": name.name,
            "role": role(name.role),
            "viewers": paused.viewers,
            "anon_kib_per_viewer": of_spread(Spread::of(paused.anon())),
            "samples": paused.samples.iter().map(|memory| json!({
                "anon_kib": memory.anon_kib,
                "file_kib": memory.file_kib,
            })).collect::<Vec<_>>(),
        })
    });
    json!({
        "load": cell.cell.to_string(),
        "reference": report.peers[cell.reference(&report.peers)].name,
        "results": peers.collect::<Vec<_>>(),
    })
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Ours => "ours",
        Role::Reference => "reference",
        Role::Other => "other",
    }
}

fn of_spread(spread: Spread) -> Value {
    json!({ "median": spread.median, "min": spread.min, "max": spread.max })
}

fn of_turn(turn: &Turn) -> Value {
    let latency = turn.load.latency;
    json!({
        "requests": turn.load.requests,
        "body_bytes": turn.load.body_bytes,
        "elapsed_s": turn.load.elapsed.as_secs_f64(),
        "latency_median_us": latency.map(|l| l.median.as_micros() as u64),
        "latency_p99_us": latency.map(|l| l.p99.as_micros() as u64),
        "latency_p999_us": latency.map(|l| l.p999.as_micros() as u64),
        "cpu_s": turn.cpu.total.as_secs_f64(),
        "cpu_user_s": turn.cpu.user.as_secs_f64(),
        "cpu_system_s": turn.cpu.system.as_secs_f64(),
        "core_busy_s": turn.core.map(|core| core.as_secs_f64()),
        "cold_bytes": turn.cold.map(|cold| cold.body_bytes),
        "cold_elapsed_s": turn.cold.map(|cold| cold.elapsed.as_secs_f64()),
    })
}
