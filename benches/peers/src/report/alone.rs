//! What is measured of Headwater alone: the memory of its indices, and how soon a cold title begins.

use std::time::Duration;

use serde_json::{Value, json};

use super::table::Table;
use crate::cell::{Cell, thousands};
use crate::long::{first_byte, index_memory};
use crate::stats::Spread;

/// One cell of indices, one sample for each start of a server.
#[derive(Debug)]
pub struct IndexMemory {
    pub cell: Cell,
    pub samples: Vec<index_memory::Sample>,
}

/// One cell of cold titles.
#[derive(Debug)]
pub struct FirstByte {
    pub cell: Cell,
    pub sample: first_byte::Sample,
}

/// The line that is printed after a start in a cell of indices.
pub fn index_progress(number: u64, sample: &index_memory::Sample) -> String {
    format!(
        "  turn {:<2} {} requests of {} titles in {:.1} s, RssAnon {:.1} to {:.1} MiB",
        number + 1,
        thousands(sample.requests as f64),
        thousands(sample.titles as f64),
        sample.elapsed.as_secs_f64(),
        mib(sample.before.anon_kib),
        mib(sample.after.anon_kib),
    )
}

/// RssAnon before and after titles were asked for.
pub fn index_memory<'a>(cells: impl Iterator<Item = &'a IndexMemory>) -> Table {
    let mut table = Table::new([
        "load",
        "titles",
        "requests",
        "RssAnon before, MiB",
        "RssAnon after, MiB",
        "KiB more per title",
        "req/s",
    ]);
    for cell in cells {
        let Some(first) = cell.samples.first() else {
            continue;
        };
        let median = |unit: fn(&index_memory::Sample) -> f64| {
            Spread::of(cell.samples.iter().map(unit)).median
        };
        table.row([
            cell.cell.to_string(),
            thousands(first.titles as f64),
            thousands(first.requests as f64),
            format!("{:.1}", median(|sample| mib(sample.before.anon_kib))),
            format!("{:.1}", median(|sample| mib(sample.after.anon_kib))),
            format!("{:.1}", median(per_title)),
            thousands(median(|sample| sample.requests as f64 / sample.elapsed.as_secs_f64())),
        ]);
    }
    table
}

/// Time to the first byte.
pub fn first_byte<'a>(cells: impl Iterator<Item = &'a FirstByte>) -> Table {
    let mut table = Table::new(["load", "of what", "titles", "ms", "min", "max"]);
    for FirstByte { cell, sample } in cells {
        for (name, times) in
            [("first video segment", &sample.segment), ("index.m3u8", &sample.playlist)]
        {
            let spread = Spread::of(times.iter().map(in_ms));
            table.row([
                cell.to_string(),
                name.to_owned(),
                times.len().to_string(),
                format!("{:.2}", spread.median),
                format!("{:.2}", spread.min),
                format!("{:.2}", spread.max),
            ]);
        }
    }
    table
}

pub fn index_json(result: &IndexMemory) -> Value {
    json!({
        "load": result.cell.to_string(),
        "samples": result.samples.iter().map(|sample| json!({
            "titles": sample.titles,
            "requests": sample.requests,
            "elapsed_s": sample.elapsed.as_secs_f64(),
            "before_anon_kib": sample.before.anon_kib,
            "before_file_kib": sample.before.file_kib,
            "after_anon_kib": sample.after.anon_kib,
            "after_file_kib": sample.after.file_kib,
        })).collect::<Vec<_>>(),
    })
}

pub fn first_byte_json(result: &FirstByte) -> Value {
    let ms = |times: &[Duration]| times.iter().map(in_ms).collect::<Vec<_>>();
    json!({
        "load": result.cell.to_string(),
        "segment_ms": ms(&result.sample.segment),
        "playlist_ms": ms(&result.sample.playlist),
    })
}

fn per_title(sample: &index_memory::Sample) -> f64 {
    (sample.after - sample.before).anon_kib as f64 / sample.titles as f64
}

fn mib(kib: i64) -> f64 {
    kib as f64 / 1024.0
}

fn in_ms(time: &Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::memory::Memory;

    pub fn indices() -> IndexMemory {
        let memory = |anon_kib| Memory { anon_kib, file_kib: 0 };
        let sample = index_memory::Sample {
            titles: 1000,
            requests: 3000,
            before: memory(10 << 10),
            after: memory(110 << 10),
            elapsed: Duration::from_secs(6),
        };
        IndexMemory { cell: "index-memory@16".parse().unwrap(), samples: vec![sample] }
    }

    pub fn cold() -> FirstByte {
        let times = |ms: [u64; 3]| ms.map(Duration::from_millis).into();
        let sample = first_byte::Sample { segment: times([5, 9, 7]), playlist: times([1, 2, 3]) };
        FirstByte { cell: "first-byte".parse().unwrap(), sample }
    }

    #[test]
    fn memory_is_told_in_all_and_for_each_title() {
        let markdown = index_memory([indices()].iter()).markdown();
        let row = "| indices of at most 16 MiB | 1,000 | 3,000 | 10.0 | 110.0 | 102.4 | 500 |";
        assert!(markdown.contains(row), "{markdown}");
    }

    #[test]
    fn times_are_medians_with_their_extremes() {
        let markdown = first_byte([cold()].iter()).markdown();
        for row in ["| first video segment | 3 | 7.00 | 5.00 | 9.00 |", "| index.m3u8 | 3 | 2.00 |"]
        {
            assert!(markdown.contains(row), "{markdown}");
        }
        assert_eq!(first_byte_json(&cold())["segment_ms"][1], 9.0);
        assert_eq!(index_json(&indices())["samples"][0]["after_anon_kib"], 110 << 10);
    }
}
