//! Rotation and mirroring of video (`tkhd`, ISO/IEC 14496-12 section 8.3.2): the matrix in words.

use crate::movie::Track;

/// Rotation by a multiple of 90 degrees, after mirroring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Orientation {
    /// Clockwise; `None` if the matrix is not a rotation by a multiple of 90 degrees.
    pub(super) degrees: Option<u16>,
    /// Left and right are exchanged before the rotation.
    pub(super) is_mirrored: bool,
}

impl Orientation {
    /// Reads the matrix of a track.
    pub(super) fn from_track(track: &Track) -> Self {
        let number = |at: usize| {
            let bytes = track.display[4 * at..].first_chunk().expect("nine numbers");
            i32::from_be_bytes(*bytes)
        };
        // (a b u, c d v, x y w): x' = ax + cy, y' = bx + dy, and y goes down.
        Self::from_matrix([number(0), number(1), number(3), number(4)])
    }

    fn from_matrix(matrix: [i32; 4]) -> Self {
        // Only the signs matter: scaling does not rotate.
        let (degrees, is_mirrored) = match matrix.map(i32::signum) {
            // Some writers leave the matrix zero and mean identity.
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

    /// Whether width and height are exchanged.
    pub(super) fn is_rotated_by_quarter(self) -> bool {
        matches!(self.degrees, Some(90 | 270))
    }

    /// The orientation in words; `None` for identity.
    pub(super) fn description(self) -> Option<String> {
        match (self.degrees, self.is_mirrored) {
            (Some(0), false) => None,
            (Some(0), true) => Some("mirrored".to_owned()),
            (Some(degrees), false) => Some(format!("rotated by {degrees} degrees")),
            (Some(degrees), true) => Some(format!("mirrored and rotated by {degrees} degrees")),
            (None, _) => Some("rotated or sheared by an arbitrary angle".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_a_rotation_or_a_mirror() {
        const ONE: i32 = 0x1_0000;
        for (matrix, degrees, is_mirrored) in [
            ([ONE, 0, 0, ONE], Some(0), false),
            ([0, ONE, -ONE, 0], Some(90), false),
            ([0, -2 * ONE, 2 * ONE, 0], Some(270), false),
            ([-ONE, 0, 0, ONE], Some(0), true),
            ([ONE, ONE, -ONE, ONE], None, false),
            ([i32::MIN, 0, 0, i32::MIN], Some(180), false),
        ] {
            let found = Orientation::from_matrix(matrix);
            assert_eq!(found, Orientation { degrees, is_mirrored }, "{matrix:?}");
        }
        let rotated = Orientation { degrees: Some(90), is_mirrored: false };
        assert!(rotated.is_rotated_by_quarter());
        assert_eq!(rotated.description().as_deref(), Some("rotated by 90 degrees"));
    }

    #[test]
    fn mirroring_comes_before_rotation() {
        // Mirroring maps (x, y) to (-x, y), and rotation by 90 degrees clockwise maps (x, y) to (-y, x).
        // Together: (x, y) to (-y, -x).
        let both = Orientation::from_matrix([0, -1, -1, 0]);
        assert_eq!(both, Orientation { degrees: Some(90), is_mirrored: true });
    }
}
