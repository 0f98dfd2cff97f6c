//! Key frames marked elsewhere than in `stss` (kind K1).
