//! Counts panics, and logs them.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::PanicHookInfo,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

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
        if !log::log_panic(&describe(panic), FLUSH_TIMEOUT) {
            print(panic);
        }
    }));
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("not a text");
    let at = panic.location().map(|at| format!(" at {at}")).unwrap_or_default();
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    let frames = match backtrace.status() {
        BacktraceStatus::Captured => format!("\n{backtrace}"),
        _ => String::new(),
    };
    format!("thread {name} panicked{at}: {message}{frames}")
}

/// Panics since the start of the process.
pub(super) fn since_start() -> u64 {
    PANICS.load(Ordering::Relaxed)
}
