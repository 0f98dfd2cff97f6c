//! Gives memory back that the allocator keeps after an onrush.
//!
//! The allocator returns a large block at once, but small ones only from the end of its heap: of 12,000
//! connections that have gone, it kept 237 MiB.

use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::sys::memory;

/// The interval between two looks.
const INTERVAL: Duration = Duration::from_secs(5);

/// Less than this is not worth the search, in bytes: connections that come and go use it again.
const WORTH_BYTES: usize = 16 << 20;

/// Returns unused memory to the system until the server ends.
pub(super) async fn keep_returning() {
    let mut watch = Watch::default();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let look = move || {
            watch.look(memory::unused_bytes, memory::return_unused);
            watch
        };
        // Not on the runtime: both calls walk through the heap.
        watch = spawn_blocking(look).await.unwrap_or_default();
    }
}

/// What is known of the unused memory.
#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    /// What could not be returned, because it lies between blocks in use, in bytes.
    stuck: usize,
}

impl Watch {
    /// Returns unused memory if that is worth it.
    fn look(&mut self, unused_bytes: impl Fn() -> usize, return_unused: impl FnOnce()) {
        let unused = unused_bytes();
        self.stuck = self.stuck.min(unused);
        if unused - self.stuck >= WORTH_BYTES {
            return_unused();
            self.stuck = unused_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn much_unused_memory_is_returned_and_what_is_stuck_only_once() {
        const MIB: usize = 1 << 20;
        let (unused, returned) = (Cell::new(0), Cell::new(0));
        let mut watch = Watch::default();
        let mut look = |before: usize, after: usize| {
            unused.set(before * MIB);
            let times = returned.get();
            let return_unused = || {
                unused.set(after * MIB);
                returned.set(times + 1);
            };
            watch.look(|| unused.get(), return_unused);
            returned.get() > times
        };
        assert!(!look(15, 0));
        assert!(look(16, 0));
        assert!(look(200, 30));
        // Nothing more can be had.
        assert!(!look(45, 0));
        assert!(look(46, 30));
        // What was stuck is in use again.
        assert!(!look(5, 0));
        assert!(look(21, 0));
    }
}
