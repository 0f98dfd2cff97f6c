//! Every turn with its raw counts, for whoever wants to compute something else.
//!
//! Units are in the names: `_s` seconds, `_us` microseconds, `_bytes` bytes.

use serde_json::{Value, json};

use super::{CellResult, Report};
use crate::stats::Spread;
use crate::turn::Turn;

pub fn of(report: &Report) -> Value {
    let facts = report.facts.iter().cloned();
    let facts = facts.map(|(name, value)| (name, Value::from(value)));
    let peers = report.peers.iter();
    let cells = report.cells.iter();
    json!({
        "machine": Value::Object(facts.collect()),
        "peers": peers.map(|peer| json!({
            "name": peer.name,
            "is_reference": peer.is_reference,
        })).collect::<Vec<_>>(),
        "cells": cells.map(|cell| of_cell(report, cell)).collect::<Vec<_>>(),
    })
}

fn of_cell(report: &Report, cell: &CellResult) -> Value {
    let reference = cell.reference(&report.peers);
    let peers = report.peers.iter().enumerate();
    let peers = peers.map(|(peer, name)| {
        json!({
            "peer": name.name,
            "cpu_ratio": of_spread(cell.ratio(peer, reference)),
            "turns": cell.turns[peer].iter().map(of_turn).collect::<Vec<_>>(),
        })
    });
    json!({
        "load": cell.cell.to_string(),
        "reference": report.peers[reference].name,
        "results": peers.collect::<Vec<_>>(),
    })
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
        "cpu_s": turn.cpu.total.as_secs_f64(),
        "cpu_user_s": turn.cpu.user.as_secs_f64(),
        "cpu_system_s": turn.cpu.system.as_secs_f64(),
        "core_busy_s": turn.core.as_secs_f64(),
    })
}
