//! What the queue makes beside bare ffmpeg, and what viewers notice of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::table::Table;
use crate::cell::{Cell, thousands};
use crate::queue::responsive::{self, Asked, Beside};
use crate::queue::{rendition, storyboard};
use crate::stats::Spread;

/// One cell.
#[derive(Debug)]
pub struct Queued {
    pub cell: Cell,
    pub samples: Samples,
}

/// What was measured in it.
#[derive(Debug)]
pub enum Samples {
    Storyboard(Vec<storyboard::Sample>),
    Rendition(rendition::Sample),
    Responsive(Vec<responsive::Sample>),
}

impl Queued {
    /// With the ratios by which it is judged.
    pub fn table(&self) -> Table {
        match &self.samples {
            Samples::Storyboard(samples) => storyboards(samples),
            Samples::Rendition(sample) => renditions(sample),
            Samples::Responsive(samples) => responses(samples),
        }
    }

    pub fn json(&self) -> Value {
        let samples = match &self.samples {
            Samples::Storyboard(samples) => samples.iter().map(storyboard_json).collect(),
            Samples::Rendition(sample) => rendition_json(sample),
            Samples::Responsive(samples) => samples.iter().map(response_json).collect(),
        };
        json!({ "load": self.cell.to_string(), "samples": samples })
    }
}

/// The line that is printed after a turn of storyboards.
pub fn storyboard_progress(number: u64, sample: &storyboard::Sample) -> String {
    let cpu = |cost: &storyboard::Cost| cost.usage.cpu.as_secs_f64();
    format!(
        "  turn {:<2} {} tiles, CPU-s: queue {:.2}, ffmpeg {:.2}",
        number + 1,
        sample.tiles.count,
        cpu(&sample.queue),
        cpu(&sample.bare),
    )
}

/// The line that is printed after a turn of answers.
pub fn turn_progress(number: u64, sample: &responsive::Sample) -> String {
    let responsive::Sample { beside, asked, requests, latency, busy } = sample;
    format!(
        "  turn {:<2} {asked} beside {beside}: {} answers, p50 {:.2} ms, p99 {:.2} ms, \
         p99.9 {:.2} ms, cores busy {:.0} %",
        number + 1,
        thousands(*requests as f64),
        ms(latency.median),
        ms(latency.p99),
        ms(latency.p999),
        busy * 100.0,
    )
}

type Way = fn(&storyboard::Sample) -> storyboard::Cost;

fn storyboards(samples: &[storyboard::Sample]) -> Table {
    let mut table = Table::new([
        "storyboard of a long film",
        "CPU s",
        "CPU ÷ ffmpeg",
        "read, MiB",
        "read ÷ ffmpeg",
        "from disk, MiB",
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
        let ratio = |unit| ratio(Spread::of_ratios(&values(way, unit), &values(bare, unit)));
        let cpu = |cost: storyboard::Cost| cost.usage.cpu.as_secs_f64();
        let read = |cost: storyboard::Cost| mib(cost.usage.read_bytes);
        table.row([
            name.to_owned(),
            format!("{:.2}", median(cpu)),
            ratio(cpu),
            format!("{:.0}", median(read)),
            ratio(read),
            format!("{:.0}", median(|cost| mib(cost.usage.disk_bytes))),
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
        "SSIM to the film",
        "SSIM to ffmpeg's",
    ]);
    let rendition::Sample { bare, one_slot, two_slots, likeness } = sample;
    for (name, cost, film, other) in [
        ("ffmpeg -threads 1", bare, likeness.whole, 1.0),
        ("Headwater's queue, one slot", one_slot, likeness.joined, likeness.each_other),
        ("Headwater's queue, two slots", two_slots, likeness.joined, likeness.each_other),
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
            format!("{film:.4}"),
            format!("{other:.4}"),
        ]);
    }
    table
}

fn responses(samples: &[responsive::Sample]) -> Table {
    let mut table = Table::new([
        "answers",
        "beside",
        "a turn",
        "cores busy",
        "p50, ms",
        "p99, ms",
        "p99.9, ms",
        "p99 ÷ idle",
    ]);
    for asked in Asked::ALL {
        for beside in Beside::ALL {
            let values = |beside: Beside, unit: fn(&responsive::Sample) -> f64| {
                let is =
                    |sample: &&responsive::Sample| sample.asked == asked && sample.beside == beside;
                samples.iter().filter(is).map(unit).collect::<Vec<f64>>()
            };
            let median = |unit| Spread::of(values(beside, unit)).median;
            let p99 = |sample: &responsive::Sample| ms(sample.latency.p99);
            let to_idle = Spread::of_ratios(&values(beside, p99), &values(Beside::Nothing, p99));
            table.row([
                asked.to_string(),
                beside.to_string(),
                thousands(median(|sample| sample.requests as f64)),
                format!("{:.0} %", median(|sample| sample.busy * 100.0)),
                format!("{:.2}", median(|sample| ms(sample.latency.median))),
                format!("{:.2}", median(p99)),
                format!("{:.2}", median(|sample| ms(sample.latency.p999))),
                if beside == Beside::Nothing { "1".to_owned() } else { ratio(to_idle) },
            ]);
        }
    }
    table
}

/// The median, and what it lies between.
fn ratio(spread: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", spread.median, spread.min, spread.max)
}

fn storyboard_json(sample: &storyboard::Sample) -> Value {
    let cost = |cost: &storyboard::Cost| {
        json!({
            "cpu_s": cost.usage.cpu.as_secs_f64(),
            "read_bytes": cost.usage.read_bytes,
            "disk_bytes": cost.usage.disk_bytes,
            "elapsed_s": cost.elapsed.as_secs_f64(),
        })
    };
    json!({
        "tiles": sample.tiles.count,
        "interval_s": sample.tiles.interval_s,
        "queue": cost(&sample.queue),
        "ffmpeg": cost(&sample.bare),
    })
}

fn rendition_json(sample: &rendition::Sample) -> Value {
    let cost = |cost: &rendition::Cost| {
        json!({
            "cpu_s": cost.cpu.as_secs_f64(),
            "elapsed_s": cost.elapsed.as_secs_f64(),
            "bytes": cost.bytes,
        })
    };
    json!({
        "ffmpeg": cost(&sample.bare),
        "one_slot": cost(&sample.one_slot),
        "two_slots": cost(&sample.two_slots),
        "ssim_joined": sample.likeness.joined,
        "ssim_whole": sample.likeness.whole,
        "ssim_each_other": sample.likeness.each_other,
    })
}

fn response_json(sample: &responsive::Sample) -> Value {
    json!({
        "asked": sample.asked.to_string(),
        "beside": sample.beside.to_string(),
        "requests": sample.requests,
        "busy": sample.busy,
        "latency_median_us": sample.latency.median.as_micros() as u64,
        "latency_p99_us": sample.latency.p99.as_micros() as u64,
        "latency_p999_us": sample.latency.p999.as_micros() as u64,
    })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1u64 << 20) as f64
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::clients::Latency;
    use crate::queue::{Likeness, Tiles, Usage};

    /// One cell of each kind.
    pub fn all() -> Vec<Queued> {
        let s = Duration::from_secs;
        let cost = |cpu_s, mib: u64| {
            let read_bytes = mib << 20;
            let usage = Usage { cpu: s(cpu_s), read_bytes, disk_bytes: read_bytes / 2 };
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
            likeness: Likeness { joined: 0.98, whole: 0.981, each_other: 0.99 },
        };
        let turn = |asked, beside, p99_ms| {
            let p99 = Duration::from_millis(p99_ms);
            let latency = Latency { median: p99 / 2, p99, p999: p99 * 2 };
            responsive::Sample { beside, asked, requests: 5000, latency, busy: 1.0 }
        };
        let turns = Asked::ALL.into_iter().flat_map(|asked| {
            Beside::ALL.into_iter().zip([2, 3, 9]).map(move |(beside, ms)| turn(asked, beside, ms))
        });
        let queued = |cell: &str, samples| Queued { cell: cell.parse().expect("a cell"), samples };
        vec![
            queued("storyboard", Samples::Storyboard(vec![storyboard])),
            queued("rendition", Samples::Rendition(rendition)),
            queued("responsive", Samples::Responsive(turns.collect())),
        ]
    }

    #[test]
    fn every_way_is_compared_with_bare_ffmpeg_and_every_load_with_none() {
        let tables = all().iter().map(|queued| queued.table().markdown()).collect::<String>();
        for row in [
            "| Headwater's queue | 10.00 | 0.25 (0.25–0.25) | 100 | 0.05 (0.05–0.05) | 50 | 10.0 |",
            "| Headwater's queue, two slots | 44.0 | 0.55 | 80.0 | 1.00 | 1.0 | 0.9800 | 0.9900 |",
            "| ranges of 64 KiB | nothing | 5,000 | 100 % | 1.00 | 2.00 | 4.00 | 1 |",
            "| video segments | the queue on all cores | 5,000 | 100 % | 1.50 | 3.00 | 6.00 \
             | 1.50 (1.50–1.50) |",
        ] {
            assert!(tables.contains(row), "{tables}");
        }
    }

    #[test]
    fn raw_figures_are_told_in_full() {
        let [storyboard, rendition, responsive] = &all()[..] else { panic!("three cells") };
        assert_eq!(storyboard.json()["samples"][0]["ffmpeg"]["read_bytes"], 2000 << 20);
        assert_eq!(rendition.json()["samples"]["two_slots"]["elapsed_s"], 44.0);
        assert_eq!(responsive.json()["samples"][1]["latency_p999_us"], 6000);
    }
}
