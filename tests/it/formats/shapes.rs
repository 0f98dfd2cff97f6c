//! Shape and rotation told elsewhere than in `pasp` and `tkhd` (kind K7).
