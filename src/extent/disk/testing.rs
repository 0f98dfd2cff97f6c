//! What the unit tests of this folder share.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Runs a future that may wait for a time.
pub(in crate::extent) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(future)
}

/// Waits until something is so.
pub(in crate::extent) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "timed out waiting until {what}");
        sleep(Duration::from_millis(1));
    }
}
