//! What an attack did, and whether the server held.

use serde::Serialize;

use crate::attacks::Bound;
use crate::hostile::Count;
use crate::innocent::{Experience, Kind};
use crate::trial::KEPT_MAX_MIB;
use crate::usage::Usage;

/// A range may take this long under attack, whatever it took in quiet.
const RANGE_P99_MS: f64 = 50.0;

/// And this many times as long as in quiet.
const RANGE_FACTOR: f64 = 10.0;

/// What [`Bound::Hardly`] allows, and the time below which a difference is the scheduler's.
const HARDLY_FACTOR: f64 = 2.0;
const NOISE_MS: f64 = 5.0;

/// Lines of log that a second of any attack may cause.
const LOG_LINES_PER_S: f64 = 10.0;

/// The figures of one attack.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub attack: &'static str,
    pub clients: usize,
    /// How long it lasted.
    pub seconds: f64,
    #[serde(skip)]
    pub bound: Bound,
    /// Memory of the server, its worker and ffmpeg.
    pub memory_mib: u64,
    pub before: Usage,
    /// At the end of the attack; `None` if the server had ended.
    pub under: Option<Usage>,
    /// When memory had come back, or the time for it was over.
    pub after: Option<Usage>,
    pub settled_s: f64,
    /// How the server ended, if it did.
    pub end: Option<String>,
    /// Processes in the server's control group that the kernel killed for lack of memory.
    pub out_of_memory_kills: u64,
    pub log_lines_per_s: f64,
    pub quiet: Experience,
    pub attacked: Experience,
    pub afterwards: Experience,
    pub attackers: Count,
}

impl Outcome {
    /// Cores that the server used under attack; its worker does not count.
    pub fn cores(&self) -> Option<f64> {
        Some((self.under?.cpu_s - self.before.cpu_s) / self.seconds)
    }

    /// Why the server did not hold; empty if it did.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut add = |is_fault: bool, what: String| {
            if is_fault {
                faults.push(what);
            }
        };
        let end = self.end.as_deref().unwrap_or("still there");
        add(self.end.is_some(), format!("the server ended: {end}"));
        let kills = self.out_of_memory_kills;
        add(kills > 0, format!("{kills} processes killed for lack of memory"));
        let peak_max_mib = self.memory_mib as f64 / 2.0;
        if let Some(under) = self.under {
            let peak = under.peak_mib;
            add(peak > peak_max_mib, format!("RSS {peak:.0} > {peak_max_mib:.0} MiB"));
        }
        if let Some(after) = self.after {
            let kept = after.rss_mib - self.before.rss_mib;
            add(kept > KEPT_MAX_MIB, format!("{kept:.0} MiB kept"));
        }
        for (kind, allowed_ms) in self.allowed() {
            let p99 = self.attacked.latency(kind).p99_ms;
            let name = kind.name();
            add(p99 > allowed_ms, format!("{name} p99 {p99:.1} > {allowed_ms:.1} ms"));
        }
        for (phase, experience) in [("", &self.attacked), (" afterwards", &self.afterwards)] {
            let Experience { server_errors, failures, .. } = *experience;
            add(server_errors > 0, format!("{server_errors} × 5xx{phase}"));
            add(failures > 0, format!("{failures} failures{phase}"));
        }
        let lines = self.log_lines_per_s;
        add(lines > LOG_LINES_PER_S, format!("{lines:.0} lines of log a second"));
        faults
    }

    /// How long innocents may wait.
    fn allowed(&self) -> Vec<(Kind, f64)> {
        let quiet = |kind: Kind| self.quiet.latency(kind).p99_ms;
        let hardly = |kind: Kind| (kind, (HARDLY_FACTOR * quiet(kind)).max(NOISE_MS));
        match self.bound {
            Bound::Tolerable => {
                vec![(Kind::Range, (RANGE_FACTOR * quiet(Kind::Range)).max(RANGE_P99_MS))]
            }
            Bound::Hardly => [Kind::Range, Kind::Page, Kind::Poster].map(hardly).into(),
        }
    }
}
