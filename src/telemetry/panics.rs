//! Counts panics, and logs them.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::PanicHookInfo,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use tracing::{dispatcher::get_default, subscriber::NoSubscriber};

use super::log;

/// Panics since the start of the process. Global, because the hook is.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Time for the log to write the line of a panic, which may be the last of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(100);

/// Counts and logs panics from now on.
pub fn count() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        // There is no log before the start, and none for a panic of the log itself.
        if get_default(|log| log.is::<NoSubscriber>()) {
            print(panic);
        } else {
            log_panic(panic);
            log::flush(FLUSH_TIMEOUT);
        }
    }));
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let backtrace = Backtrace::capture();
    let is_captured = backtrace.status() == BacktraceStatus::Captured;
    tracing::error!(
        thread = thread.name().unwrap_or("unnamed"),
        at = panic.location().map(display),
        backtrace = is_captured.then(|| display(&backtrace)),
        "panicked: {}",
        panic.payload_as_str().unwrap_or("not a text"),
    );
}

/// Panics since the start of the process.
pub(super) fn since_start() -> u64 {
    PANICS.load(Ordering::Relaxed)
}
