//! The tables of the queue beside bare ffmpeg.

use super::results::JobResult;
use super::table::Table;
use crate::queue::responsive::{self, Beside, Kind};
use crate::queue::{rendition, storyboard};
use crate::stats::Spread;
use crate::units::{mib, ms, percent, thousands};

pub fn table(result: &JobResult) -> Table {
    match result {
        JobResult::Storyboard(samples) => storyboards(samples),
        JobResult::Rendition(sample) => renditions(sample),
        JobResult::Responsive(samples) => responses(samples),
    }
}

type Way = fn(&storyboard::Sample) -> storyboard::Cost;

fn storyboards(samples: &[storyboard::Sample]) -> Table {
    let mut table = Table::new([
        "storyboard of two hours",
        "CPU s",
        "CPU ÷ ffmpeg",
        "read, MiB",
        "read ÷ ffmpeg",
        "s",
    ]);
    let bare: Way = |sample| sample.bare;
    let ways: [(&str, Way); 2] =
        [("Headwater's queue", |sample| sample.queue), ("ffmpeg -skip_frame nokey", bare)];
    for (name, way) in ways {
        let values = |way: Way, unit: fn(storyboard::Cost) -> f64| {
            samples.iter().map(|sample| unit(way(sample))).collect::<Vec<f64>>()
        };
        let median = |unit| Spread::of(values(way, unit)).median;
        let ratio = |unit| Spread::of_ratios(&values(way, unit), &values(bare, unit)).to_string();
        let cpu = |cost: storyboard::Cost| cost.usage.cpu.as_secs_f64();
        let read = |cost: storyboard::Cost| mib(cost.usage.read_bytes);
        table.row([
            name.to_owned(),
            format!("{:.2}", median(cpu)),
            ratio(cpu),
            format!("{:.0}", median(read)),
            ratio(read),
            format!("{:.1}", median(|cost| cost.elapsed.as_secs_f64())),
        ]);
    }
    table
}

fn renditions(sample: &rendition::Sample) -> Table {
    let mut table = Table::new([
        "rendition of 360p",
        "s",
        "s ÷ ffmpeg",
        "CPU s",
        "CPU ÷ ffmpeg",
        "MiB",
        "SSIM to the source",
        "SSIM to ffmpeg's",
    ]);
    let rendition::Sample { bare, one_slot, two_slots, ssim } = sample;
    for (name, cost, to_source, to_bare) in [
        ("ffmpeg -threads 1", bare, ssim.whole, 1.0),
        ("Headwater's queue, one slot", one_slot, ssim.joined, ssim.each_other),
        ("Headwater's queue, two slots", two_slots, ssim.joined, ssim.each_other),
    ] {
        let (s, bare_s) = (cost.elapsed.as_secs_f64(), bare.elapsed.as_secs_f64());
        let (cpu_s, bare_cpu_s) = (cost.cpu.as_secs_f64(), bare.cpu.as_secs_f64());
        table.row([
            name.to_owned(),
            format!("{s:.1}"),
            format!("{:.2}", s / bare_s),
            format!("{cpu_s:.1}"),
            format!("{:.2}", cpu_s / bare_cpu_s),
            format!("{:.1}", mib(cost.bytes)),
            format!("{to_source:.4}"),
            format!("{to_bare:.4}"),
        ]);
    }
    table
}

fn responses(samples: &[responsive::Sample]) -> Table {
    let mut table = Table::new([
        "responses",
        "beside",
        "per turn",
        "cores busy",
        "p50, ms",
        "p99, ms",
        "p99.9, ms",
        "p99 ÷ idle",
    ]);
    for kind in Kind::ALL {
        for beside in Beside::ALL {
            let values = |beside: Beside, unit: fn(&responsive::Sample) -> f64| {
                let is =
                    |sample: &&responsive::Sample| sample.kind == kind && sample.beside == beside;
                samples.iter().filter(is).map(unit).collect::<Vec<f64>>()
            };
            let median = |unit| Spread::of(values(beside, unit)).median;
            let p99 = |sample: &responsive::Sample| ms(sample.latency.p99);
            let to_idle = Spread::of_ratios(&values(beside, p99), &values(Beside::Nothing, p99));
            table.row([
                kind.to_string(),
                beside.to_string(),
                thousands(median(|sample| sample.requests as f64)),
                percent(median(|sample| sample.busy)),
                format!("{:.2}", median(|sample| ms(sample.latency.median))),
                format!("{:.2}", median(p99)),
                format!("{:.2}", median(|sample| ms(sample.latency.p999))),
                if beside == Beside::Nothing { "1".to_owned() } else { to_idle.to_string() },
            ]);
        }
    }
    table
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clients::Latency;
    use crate::queue::{Ssim, Tiles, Usage};

    /// One result of each kind.
    fn all() -> [JobResult; 3] {
        let s = Duration::from_secs;
        let cost = |cpu_s, mib: u64| {
            let usage = Usage { cpu: s(cpu_s), read_bytes: mib << 20 };
            storyboard::Cost { usage, elapsed: s(cpu_s) }
        };
        let storyboard = storyboard::Sample {
            tiles: Tiles { width: 320, height: 180, interval_s: 15.0, count: 480 },
            queue: cost(10, 100),
            bare: cost(40, 2000),
        };
        let cost =
            |elapsed_s| rendition::Cost { cpu: s(80), elapsed: s(elapsed_s), bytes: 1 << 20 };
        let rendition = rendition::Sample {
            bare: cost(80),
            one_slot: cost(82),
            two_slots: cost(44),
            ssim: Ssim { joined: 0.98, whole: 0.981, each_other: 0.99 },
        };
        let turn = |kind, beside, p99_ms| {
            let p99 = Duration::from_millis(p99_ms);
            let latency = Latency { median: p99 / 2, p99, p999: p99 * 2 };
            responsive::Sample { beside, kind, requests: 5000, latency, busy: 1.0 }
        };
        let turns = Kind::ALL.into_iter().flat_map(|kind| {
            Beside::ALL.into_iter().zip([2, 3, 9]).map(move |(beside, ms)| turn(kind, beside, ms))
        });
        [
            JobResult::Storyboard(vec![storyboard]),
            JobResult::Rendition(rendition),
            JobResult::Responsive(turns.collect()),
        ]
    }

    #[test]
    fn each_way_is_compared_with_bare_ffmpeg_and_each_load_with_none() {
        let tables = all().iter().map(|result| table(result).to_string()).collect::<String>();
        let words = |text: &str| text.split_whitespace().map(|word| format!("{word} ")).collect();
        let tables: String = words(&tables);
        for row in [
            "| Headwater's queue | 10.00 | 0.25 (0.25–0.25) | 100 | 0.05 (0.05–0.05) | 10.0 |",
            "| Headwater's queue, two slots | 44.0 | 0.55 | 80.0 | 1.00 | 1.0 | 0.9800 | 0.9900 |",
            "| ranges of 64 KiB | nothing | 5,000 | 100 % | 1.00 | 2.00 | 4.00 | 1 |",
            "| video segments | the queue on all cores | 5,000 | 100 % | 1.50 | 3.00 | 6.00 \
             | 1.50 (1.50–1.50) |",
        ] {
            assert!(tables.contains(row), "{tables}");
        }
    }
}
