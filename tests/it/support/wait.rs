//! Waiting: for a condition, and for a future.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// A test that waits this long for a byte or a condition has failed. A guard only: no test measures
/// time.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The pause between two looks at a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The pause between two looks at a condition that is costly to look at: a query, a request.
pub const SLOW_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until a condition holds. The duration means nothing; a condition that never holds fails the
/// test.
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    poll(what, POLL_INTERVAL, condition);
}

/// Waits like [`until`], but polls less often, so that a costly condition does not slow the work that
/// the test waits for.
pub fn until_slowly(what: &str, condition: impl FnMut() -> bool) {
    poll(what, SLOW_POLL_INTERVAL, condition);
}

fn poll(what: &str, interval: Duration, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < TIMEOUT, "timed out waiting until {what}");
        sleep(interval);
    }
}

/// Runs a future that the server's background runtime completes.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(future)
}
