//! Request identifiers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Generates identifiers for requests without one: 16 hex digits that differ between processes.
#[derive(Clone, Debug)]
pub struct RequestIds(Arc<AtomicU64>);

impl Default for RequestIds {
    fn default() -> Self {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() << 30 ^ u64::from(since.subsec_nanos()));
        Self(Arc::new(AtomicU64::new(nanos ^ u64::from(std::process::id()) << 40)))
    }
}

impl RequestIds {
    /// The next identifier. The multiplication by an odd number makes neighbours look unlike.
    pub fn next(&self) -> [u8; 16] {
        let count = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bytes = count.to_be_bytes();
        std::array::from_fn(|place| {
            let byte = bytes[place / 2];
            let digit = if place % 2 == 0 { byte >> 4 } else { byte & 15 };
            b"0123456789abcdef"[usize::from(digit)]
        })
    }
}
