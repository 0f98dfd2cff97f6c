//! How pictures are turned (`tkhd`, ISO/IEC 14496-12 section 8.3.2): the matrix in words.

use crate::movie::Track;

/// A turn by a right angle, after a mirror.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Orientation {
    /// Clockwise; `None` if the matrix is something else than a turn by a right angle.
    pub(super) degrees: Option<u16>,
    /// Left and right are exchanged before it is turned.
    pub(super) is_mirrored: bool,
}

impl Orientation {
    /// That of a track.
    pub(super) fn of(track: &Track) -> Self {
        let number = |at: usize| {
            let bytes = track.display[4 * at..].first_chunk().expect("nine numbers");
            i32::from_be_bytes(*bytes)
        };
        // (a b u, c d v, x y w): x' = ax + cy, y' = bx + dy, and y goes down.
        Self::of_matrix([number(0), number(1), number(3), number(4)])
    }

    fn of_matrix(matrix: [i32; 4]) -> Self {
        // Only the signs count: a scale says nothing about where up is.
        let (degrees, is_mirrored) = match matrix.map(i32::signum) {
            // Nothing at all is written by some who mean nothing at all.
            [1, 0, 0, 1] | [0, 0, 0, 0] => (Some(0), false),
            [0, 1, -1, 0] => (Some(90), false),
            [-1, 0, 0, -1] => (Some(180), false),
            [0, -1, 1, 0] => (Some(270), false),
            [-1, 0, 0, 1] => (Some(0), true),
            [0, -1, -1, 0] => (Some(90), true),
            [1, 0, 0, -1] => (Some(180), true),
            [0, 1, 1, 0] => (Some(270), true),
            _ => (None, false),
        };
        Self { degrees, is_mirrored }
    }

    /// Whether what was wide is high.
    pub(super) fn is_rotated_by_quarter(self) -> bool {
        matches!(self.degrees, Some(90 | 270))
    }

    /// In words; `None` if nothing is turned.
    pub(super) fn words(self) -> Option<String> {
        match (self.degrees, self.is_mirrored) {
            (Some(0), false) => None,
            (Some(0), true) => Some("mirrored".to_owned()),
            (Some(degrees), false) => Some(format!("turned by {degrees} degrees")),
            (Some(degrees), true) => Some(format!("mirrored and turned by {degrees} degrees")),
            (None, _) => Some("turned or sheared by no right angle".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_a_turn_or_a_mirror() {
        const ONE: i32 = 0x1_0000;
        for (matrix, degrees, is_mirrored) in [
            ([ONE, 0, 0, ONE], Some(0), false),
            ([0, ONE, -ONE, 0], Some(90), false),
            ([0, -2 * ONE, 2 * ONE, 0], Some(270), false),
            ([-ONE, 0, 0, ONE], Some(0), true),
            ([ONE, ONE, -ONE, ONE], None, false),
            ([i32::MIN, 0, 0, i32::MIN], Some(180), false),
        ] {
            let found = Orientation::of_matrix(matrix);
            assert_eq!(found, Orientation { degrees, is_mirrored }, "{matrix:?}");
        }
        let turned = Orientation { degrees: Some(90), is_mirrored: false };
        assert!(turned.is_rotated_by_quarter());
        assert_eq!(turned.words().as_deref(), Some("turned by 90 degrees"));
    }

    #[test]
    fn a_mirror_comes_before_a_turn() {
        // A picture that is mirrored, (x, y) to (-x, y), and then turned by 90 degrees clockwise,
        // (x, y) to (-y, x): (x, y) to (-y, -x).
        let both = Orientation::of_matrix([0, -1, -1, 0]);
        assert_eq!(both, Orientation { degrees: Some(90), is_mirrored: true });
    }
}
