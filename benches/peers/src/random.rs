//! Repeatable random numbers.

use fastrand::Rng;

/// The sequence number `stream` of `seed`.
pub fn rng(seed: u64, stream: u64) -> Rng {
    let mut base = Rng::with_seed(seed);
    Rng::with_seed(base.u64(..) ^ Rng::with_seed(stream).u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_repeat_and_streams_differ() {
        let first = |seed, stream| rng(seed, stream).u64(..);
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
    }
}
