//! Limits warnings and errors that repeat, so that no client decides the length of the log.
//!
//! The cause of a line is the place in the code that logs it. Of one cause the log shows, in each window of
//! ten seconds, equal lines three times and ten lines at most: a storm about one file leaves room for the
//! next file, and an operator who repeats a mistake sees it again. At the end of the window one line says how many more there were.

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher as _},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// The time for which lines of one cause are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// The most lines of one cause in a window.
const LINES_MAX: usize = 10;

/// The most equal lines of one cause in a window.
const EQUAL_LINES_MAX: usize = 3;

/// The target of the lines about held-back lines, which are not limited themselves.
const TARGET: &str = module_path!();

/// The limit of a log. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct RepeatLimit(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    repeats: Mutex<Repeats<Identifier>>,
    /// There is something to report.
    held_back: Condvar,
}

/// What a log has shown and held back, by cause.
#[derive(Debug)]
struct Repeats<K>(HashMap<K, Cause>);

#[derive(Debug)]
struct Cause {
    /// The start of the window.
    since: Instant,
    /// Hashes of the lines that were shown.
    shown: Vec<u64>,
    held_back: u64,
    /// The first message that was held back, and its level.
    message: String,
    level: Level,
}

/// The number of lines of a cause that were held back.
#[derive(Debug, Eq, PartialEq)]
struct Summary {
    level: Level,
    message: String,
    held_back: u64,
}

impl<K> Default for Repeats<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Repeats<K> {
    /// Whether to show a line with this hash and message. If not, it is counted.
    fn admit(&mut self, key: K, line: u64, message: String, level: Level, now: Instant) -> bool {
        let new =
            || Cause { since: now, shown: vec![], held_back: 0, message: String::new(), level };
        let cause = self.0.entry(key).or_insert_with(new);
        // Without a report to wait for, the next line begins a window.
        if cause.held_back == 0 && now.saturating_duration_since(cause.since) >= WINDOW {
            cause.since = now;
            cause.shown.clear();
        }
        let equal = cause.shown.iter().filter(|shown| **shown == line).count();
        if cause.shown.len() < LINES_MAX && equal < EQUAL_LINES_MAX {
            cause.shown.push(line);
            return true;
        }
        if cause.held_back == 0 {
            cause.message = message;
        }
        cause.held_back += 1;
        false
    }

    /// The time of the next report.
    fn next_report(&self) -> Option<Instant> {
        let waiting = self.0.values().filter(|cause| cause.held_back > 0);
        waiting.map(|cause| cause.since + WINDOW).min()
    }

    /// Ends the windows that began before `end`, and returns what was held back in them.
    fn report(&mut self, end: Instant) -> Vec<Summary> {
        let due = self.0.values_mut().filter(|cause| cause.held_back > 0 && cause.since <= end);
        let report = due.map(|cause| {
            cause.shown.clear();
            cause.since = end;
            Summary {
                level: cause.level,
                message: std::mem::take(&mut cause.message),
                held_back: std::mem::take(&mut cause.held_back),
            }
        });
        report.collect()
    }
}

impl Summary {
    fn log(&self) {
        let Self { level, message, held_back } = self;
        let window_s = WINDOW.as_secs();
        match *level {
            Level::ERROR => {
                tracing::error!("{message} (and {held_back} more in the last {window_s} s)");
            }
            _ => tracing::warn!("{message} (and {held_back} more in the last {window_s} s)"),
        }
    }
}

impl RepeatLimit {
    /// Starts the thread that reports what was held back.
    pub(super) fn start_reports(&self) -> io::Result<()> {
        let limit = self.clone();
        thread::Builder::new()
            .name("log-repeats".into())
            .spawn(move || limit.keep_reporting())
            .map(drop)
    }

    /// Reports what was held back so far, for the end of the process.
    pub(super) fn report_all(&self) {
        let summaries = self.lock().report(Instant::now());
        summaries.iter().for_each(Summary::log);
    }

    fn keep_reporting(&self) -> ! {
        let mut repeats = self.lock();
        loop {
            let now = Instant::now();
            let left = repeats.next_report().map(|due| due.saturating_duration_since(now));
            match left {
                None => {
                    let waited = self.0.held_back.wait(repeats);
                    repeats = waited.unwrap_or_else(PoisonError::into_inner);
                }
                Some(Duration::ZERO) => {
                    let summaries = repeats.report(now - WINDOW);
                    drop(repeats);
                    summaries.iter().for_each(Summary::log);
                    repeats = self.lock();
                }
                Some(left) => {
                    let waited = self.0.held_back.wait_timeout(repeats, left);
                    (repeats, _) = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Repeats<Identifier>> {
        self.0.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for RepeatLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || metadata.target() == TARGET {
            return true;
        }
        // Formatted before the lock: a value may log while it is formatted.
        let mut line = Line::default();
        event.record(&mut line);
        let mut repeats = self.lock();
        let is_idle = repeats.next_report().is_none();
        let hash = line.hasher.finish();
        let level = *metadata.level();
        let is_shown =
            repeats.admit(metadata.callsite(), hash, line.message, level, Instant::now());
        if !is_shown && is_idle {
            self.0.held_back.notify_one();
        }
        is_shown
    }
}

/// The message of a line, and a hash of all values.
#[derive(Default)]
struct Line {
    hasher: DefaultHasher,
    message: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        (field.index(), &text).hash(&mut self.hasher);
        if field.name() == "message" {
            self.message = text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit at a time that the test moves on.
    struct Test(Repeats<&'static str>, Instant);

    impl Test {
        fn new() -> Self {
            Self(Repeats::default(), Instant::now())
        }

        fn admits(&mut self, cause: &'static str, line: u64) -> bool {
            self.0.admit(cause, line, format!("{cause} failed"), Level::WARN, self.1)
        }

        fn pass(&mut self, time: Duration) {
            self.1 += time;
        }

        fn reported(&mut self) -> Vec<(String, u64)> {
            let summaries = self.0.report(self.1 - WINDOW).into_iter();
            summaries.map(|summary| (summary.message, summary.held_back)).collect()
        }
    }

    #[test]
    fn an_equal_line_is_shown_three_times_in_a_window_and_then_counted() {
        let mut test = Test::new();
        assert_eq!((0..3).filter(|_| test.admits("disk", 1)).count(), 3);
        for _ in 0..812 {
            assert!(!test.admits("disk", 1));
        }
        assert!(test.admits("database", 1), "another cause has a window of its own");
        assert_eq!(test.reported(), [], "the window is not over");
        test.pass(WINDOW);
        assert_eq!(test.reported(), [("disk failed".to_owned(), 812)]);
        assert_eq!(test.reported(), [], "reported once");
        assert!(test.admits("disk", 1), "the next window");
    }

    #[test]
    fn of_one_cause_ten_lines_are_shown_in_a_window() {
        let mut test = Test::new();
        let shown = (0..1000).filter(|line| test.admits("disk", *line)).count();
        assert_eq!(shown, LINES_MAX);
        test.pass(WINDOW);
        assert_eq!(test.reported(), [("disk failed".to_owned(), 990)]);
    }

    #[test]
    fn a_line_that_comes_seldom_is_always_shown() {
        let mut test = Test::new();
        for _ in 0..100 {
            assert!(test.admits("disk", 1));
            test.pass(WINDOW);
            assert_eq!(test.reported(), []);
        }
    }

    #[test]
    fn a_report_is_due_when_the_window_of_a_held_back_line_ends() {
        let mut test = Test::new();
        let begun = test.1;
        assert_eq!((0..3).filter(|_| test.admits("disk", 1)).count(), 3);
        assert_eq!(test.0.next_report(), None);
        test.pass(WINDOW / 2);
        assert!(!test.admits("disk", 1));
        assert_eq!(test.0.next_report(), Some(begun + WINDOW));
        test.pass(WINDOW);
        assert!(!test.admits("disk", 1), "until the report, however late it is");
        assert_eq!(test.reported(), [("disk failed".to_owned(), 2)]);
    }
}
