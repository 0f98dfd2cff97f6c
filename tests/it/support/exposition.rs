//! A strict reader of the text format of metrics (OpenMetrics 1.0), and the rules of names.

use std::collections::{BTreeMap, BTreeSet};

/// The metrics of one response.
#[derive(Debug, Default)]
pub struct Exposition {
    /// Metrics by the name of their family, which has no `_total`, `_bucket` and the like.
    pub families: BTreeMap<String, MetricFamily>,
}

/// The samples of one name.
#[derive(Debug, Default)]
pub struct MetricFamily {
    pub help: String,
    pub kind: String,
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The name with its suffix.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// The suffixes of samples by the type of their family.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        "gauge" => &[""],
        other => panic!("type {other}"),
    }
}

impl Exposition {
    /// Parses a text. Panics if it breaks the format.
    pub fn parse(text: &str) -> Self {
        let mut families: BTreeMap<String, MetricFamily> = BTreeMap::new();
        let body = text.strip_suffix("# EOF\n").expect("the end of the text");
        let mut current = String::new();
        for line in body.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let (keyword, rest) = comment.split_once(' ').expect(line);
                let (name, value) = rest.split_once(' ').expect(line);
                let family = families.entry(name.to_owned()).or_default();
                match keyword {
                    "HELP" => family.help = value.to_owned(),
                    "TYPE" => family.kind = value.to_owned(),
                    "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                    _ => panic!("{line}"),
                }
                current = name.to_owned();
                continue;
            }
            let sample = Sample::parse(line);
            let family = families.get_mut(&current).unwrap_or_else(|| panic!("no family: {line}"));
            let suffix = sample.name.strip_prefix(&current).unwrap_or_else(|| panic!("{line}"));
            assert!(suffixes(&family.kind).contains(&suffix), "{line} of a {}", family.kind);
            family.samples.push(sample);
        }
        Self { families }
    }

    /// The sum of all samples of a name with these labels, among others; `None` if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let all = self.families.values().flat_map(|family| &family.samples);
        let has = |sample: &&Sample| {
            let labelled = |(label, value): &(&str, &str)| {
                sample.labels.get(*label).is_some_and(|own| own == value)
            };
            sample.name == name && labels.iter().all(labelled)
        };
        all.filter(has).map(|sample| sample.value).reduce(|sum, value| sum + value)
    }

    /// All time series, without their values.
    pub fn series(&self) -> BTreeSet<String> {
        let all = self.families.values().flat_map(|family| &family.samples);
        all.map(|sample| format!("{}{:?}", sample.name, sample.labels)).collect()
    }

    /// Checks the rules of names and types that `promtool check metrics` checks, and Prometheus' advice on
    /// units.
    pub fn lint(&self) {
        const TYPES: [&str; 5] = ["counter", "gauge", "histogram", "summary", "info"];
        const UNITS: [&str; 12] = [
            "ms",
            "us",
            "ns",
            "milliseconds",
            "microseconds",
            "minutes",
            "hours",
            "kib",
            "mib",
            "kb",
            "kilobytes",
            "percent",
        ];
        for (name, family) in &self.families {
            assert!(!family.help.trim_end_matches('.').is_empty(), "{name} has no HELP");
            assert!(!family.kind.is_empty(), "{name} has no TYPE");
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(is_plain), "{name}");
            assert!(name.starts_with("headwater_") || name.starts_with("process_"), "{name}");
            let words: Vec<&str> = name.split('_').collect();
            for word in &words {
                assert!(!TYPES.contains(word), "{name} has its type in its name");
                assert!(!UNITS.contains(word), "{name} has no base unit");
            }
            for unit in ["seconds", "bytes", "ratio"] {
                let is_last = words.last() == Some(&unit);
                assert!(!words.contains(&unit) || is_last, "{name}: the unit is the suffix");
            }
            assert!(!words.contains(&"total") && !words.contains(&"count"), "{name}");
            self.lint_samples(name, family);
        }
    }

    fn lint_samples(&self, name: &str, family: &MetricFamily) {
        let mut series = BTreeSet::new();
        for sample in &family.samples {
            assert!(
                series.insert(format!("{}{:?}", sample.name, sample.labels)),
                "{sample:?} twice"
            );
            let has_le = sample.labels.contains_key("le");
            assert_eq!(has_le, sample.name.ends_with("_bucket"), "{sample:?}");
            assert!(sample.value.is_finite(), "{sample:?}");
            if family.kind != "gauge" {
                assert!(sample.value >= 0.0, "{sample:?}");
            }
        }
        // The last bucket of a histogram counts all.
        for sample in family.samples.iter().filter(|sample| sample.name.ends_with("_count")) {
            let mut labels = sample.labels.clone();
            labels.insert("le".into(), "+Inf".into());
            let bucket = Sample { name: format!("{name}_bucket"), labels, value: sample.value };
            assert!(family.samples.contains(&bucket), "{bucket:?}");
        }
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = match series.split_once('{') {
            None => (series, BTreeMap::new()),
            Some((name, rest)) => (name, parse_labels(rest.strip_suffix('}').expect(line))),
        };
        Self { name: name.to_owned(), labels, value: value.parse().expect(line) }
    }
}

/// `a="1",b="2"`. The values of this server need no escapes.
fn parse_labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").expect(text);
        let (value, behind) = behind.split_once('"').expect(text);
        assert!(!value.contains('\\'), "{text}");
        assert!(labels.insert(name.to_owned(), value.to_owned()).is_none(), "{text}");
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    labels
}

/// A metric of a text by its name, with labels or without: then the sum over all labels.
pub fn metric(text: &str, name: &str) -> Option<u64> {
    let values = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let matches = series == name
            || series.strip_prefix(name).is_some_and(|labels| labels.starts_with('{'));
        matches.then(|| value.parse::<f64>().ok()).flatten()
    });
    values.reduce(|sum, value| sum + value).map(|sum| sum as u64)
}
