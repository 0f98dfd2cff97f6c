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
    /// At the end of the attack, or the last before the server ended.
    pub under: Usage,
    /// When memory had come back, or the time for it was over.
    pub after: Usage,
    pub settled_s: f64,
    /// How the server ended, if it did.
    pub end: Option<String>,
    /// Processes in the server's control group that the kernel killed for lack of memory.
    pub out_of_memory_kills: u64,
    /// Lines of log under attack.
    pub log_lines: usize,
    pub quiet: Experience,
    pub attacked: Experience,
    pub afterwards: Experience,
    pub attackers: Count,
}

impl Outcome {
    /// Cores that the server used under attack; its worker does not count.
    pub fn cores(&self) -> f64 {
        (self.under.cpu_s - self.before.cpu_s) / self.seconds
    }

    /// Why the server did not hold; empty if it did.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Faults::default();
        self.judge_memory(&mut faults);
        for (kind, allowed_ms) in self.allowed() {
            let p99 = self.attacked.latency(kind).p99_ms;
            let name = kind.name();
            faults.add_if(p99 > allowed_ms, || format!("{name} p99 {p99:.1} > {allowed_ms:.1} ms"));
        }
        judge_errors(&self.attacked, "", &mut faults);
        if self.end.is_none() {
            judge_errors(&self.afterwards, " afterwards", &mut faults);
        }
        let lines = self.log_lines as f64 / self.seconds;
        faults.add_if(lines > LOG_LINES_PER_S, || format!("{lines:.0} lines of log a second"));
        faults.0
    }

    fn judge_memory(&self, faults: &mut Faults) {
        let end = self.end.as_deref().unwrap_or_default();
        let seconds = self.seconds;
        faults.add_if(self.end.is_some(), || format!("ended after {seconds:.1} s ({end})"));
        let kills = self.out_of_memory_kills;
        faults.add_if(kills > 0, || format!("{kills} killed for lack of memory"));
        let (peak, peak_max) = (self.under.peak_mib, self.memory_mib as f64 / 2.0);
        faults.add_if(peak > peak_max, || format!("RSS {peak:.0} > {peak_max:.0} MiB"));
        let kept = self.after.rss_mib - self.before.rss_mib;
        let has_kept = self.end.is_none() && kept > KEPT_MAX_MIB;
        faults.add_if(has_kept, || format!("{kept:.0} MiB kept"));
    }

    /// How long innocents may wait.
    fn allowed(&self) -> Vec<(Kind, f64)> {
        let quiet = |kind: Kind| self.quiet.latency(kind).p99_ms;
        let hardly = |kind: Kind| (kind, (HARDLY_FACTOR * quiet(kind)).max(NOISE_MS));
        match self.bound {
            Bound::Tolerable => {
                vec![(Kind::Range, (RANGE_FACTOR * quiet(Kind::Range)).max(RANGE_P99_MS))]
            }
            Bound::Hardly => {
                [Kind::Range, Kind::Page, Kind::Poster, Kind::NewPoster].map(hardly).into()
            }
        }
    }
}

/// Reasons, in order.
#[derive(Debug, Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add_if(&mut self, is_fault: bool, what: impl FnOnce() -> String) {
        if is_fault {
            self.0.push(what());
        }
    }
}

fn judge_errors(experience: &Experience, phase: &str, faults: &mut Faults) {
    let Experience { server_errors, failures, .. } = *experience;
    faults.add_if(server_errors > 0, || format!("{server_errors} × 5xx{phase}"));
    faults.add_if(failures > 0, || format!("{failures} failures{phase}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;

    const USAGE: Usage =
        Usage { rss_mib: 20.0, peak_mib: 30.0, descriptors: 20, threads: 9, cpu_s: 1.0 };

    fn outcome(quiet_ms: f64, attacked_ms: f64) -> Outcome {
        let waited = |p99_ms| Experience {
            latencies: vec![(Kind::Range, Latency { p99_ms, ..Latency::default() })],
            ..Experience::default()
        };
        Outcome {
            attack: "test",
            clients: 8,
            seconds: 10.0,
            bound: Bound::Tolerable,
            memory_mib: 512,
            before: USAGE,
            under: USAGE,
            after: USAGE,
            settled_s: 3.0,
            end: None,
            out_of_memory_kills: 0,
            log_lines: 3,
            quiet: waited(quiet_ms),
            attacked: waited(attacked_ms),
            afterwards: waited(quiet_ms),
            attackers: Count::default(),
        }
    }

    #[test]
    fn a_range_may_take_ten_times_as_long_as_in_quiet_or_50_ms() {
        assert_eq!(outcome(0.2, 49.0).faults(), Vec::<String>::new());
        assert_eq!(outcome(0.2, 51.0).faults(), ["range p99 51.0 > 50.0 ms"]);
        assert_eq!(outcome(9.0, 89.0).faults(), Vec::<String>::new());
    }

    #[test]
    fn beside_a_stranger_it_may_take_twice_as_long() {
        let stranger = |attacked_ms| Outcome { bound: Bound::Hardly, ..outcome(9.0, attacked_ms) };
        assert_eq!(stranger(17.0).faults(), Vec::<String>::new());
        assert_eq!(stranger(19.0).faults(), ["range p99 19.0 > 18.0 ms"]);
    }

    #[test]
    fn memory_must_stay_below_a_half_and_come_back() {
        let large = Usage { rss_mib: 60.0, peak_mib: 300.0, ..USAGE };
        let outcome = Outcome { under: large, after: large, ..outcome(1.0, 1.0) };
        assert_eq!(outcome.faults(), ["RSS 300 > 256 MiB", "40 MiB kept"]);
    }
}
