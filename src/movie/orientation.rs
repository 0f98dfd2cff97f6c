//! Rotation and mirroring of video by a matrix.

/// A number is zero beside another that is this many times greater: some writers round cosines badly.
const NEGLIGIBLE: u32 = 64;

/// The matrices of all orientations: a, b, c and d, the rotation, and whether it is mirrored.
const ORIENTATIONS: [([i32; 4], u16, bool); 8] = [
    ([1, 0, 0, 1], 0, false),
    ([0, 1, -1, 0], 90, false),
    ([-1, 0, 0, -1], 180, false),
    ([0, -1, 1, 0], 270, false),
    ([-1, 0, 0, 1], 0, true),
    ([0, -1, -1, 0], 90, true),
    ([1, 0, 0, -1], 180, true),
    ([0, 1, 1, 0], 270, true),
];

/// Rotation by a multiple of 90 degrees, after mirroring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Orientation {
    /// Clockwise; `None` if the matrix is not a rotation by a multiple of 90 degrees.
    pub degrees: Option<u16>,
    /// Left and right are exchanged before the rotation.
    pub is_mirrored: bool,
}

impl Orientation {
    /// From the numbers a, b, c and d of a matrix: x' = ax + cy, y' = bx + dy, and y goes down.
    pub(super) fn from_matrix(matrix: [i32; 4]) -> Self {
        let largest = matrix.into_iter().map(i32::unsigned_abs).max().unwrap_or(0);
        let sign = |number: i32| match number.unsigned_abs() > largest / NEGLIGIBLE {
            true => number.signum(),
            false => 0,
        };
        // Only the signs matter: scaling does not rotate.
        let signs = matrix.map(sign);
        let is_found = |(found, ..): &&([i32; 4], u16, bool)| *found == signs;
        match ORIENTATIONS.iter().find(is_found) {
            Some(&(_, degrees, is_mirrored)) => Self { degrees: Some(degrees), is_mirrored },
            // Some writers leave the matrix zero and mean identity.
            None => Self { degrees: (signs == [0; 4]).then_some(0), is_mirrored: false },
        }
    }

    /// The numbers a, b, c and d of the matrix without scale; `None` for an arbitrary angle.
    pub(super) fn unit_matrix(self) -> Option<[i32; 4]> {
        let is_found = |(_, degrees, is_mirrored): &&([i32; 4], u16, bool)| {
            (Some(*degrees), *is_mirrored) == (self.degrees, self.is_mirrored)
        };
        ORIENTATIONS.iter().find(is_found).map(|(matrix, ..)| *matrix)
    }

    /// Whether frames have to be turned or mirrored: not by an arbitrary angle, which no player does.
    pub fn is_turned(self) -> bool {
        self.degrees.is_some_and(|degrees| degrees != 0 || self.is_mirrored)
    }

    /// Whether width and height are exchanged.
    pub fn is_quarter(self) -> bool {
        matches!(self.degrees, Some(90 | 270))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i32 = 0x1_0000;

    #[test]
    fn a_matrix_is_a_rotation_or_a_mirror() {
        for (matrix, degrees, is_mirrored) in [
            ([ONE, 0, 0, ONE], Some(0), false),
            ([0, ONE, -ONE, 0], Some(90), false),
            ([0, -2 * ONE, 2 * ONE, 0], Some(270), false),
            ([1, ONE, -ONE, -1], Some(90), false),
            ([-ONE, 0, 0, ONE], Some(0), true),
            ([ONE, ONE, -ONE, ONE], None, false),
            ([i32::MIN, 0, 0, i32::MIN], Some(180), false),
        ] {
            let found = Orientation::from_matrix(matrix);
            assert_eq!(found, Orientation { degrees, is_mirrored }, "{matrix:?}");
        }
        assert!(Orientation { degrees: Some(90), is_mirrored: false }.is_quarter());
        let is_turned = |degrees, is_mirrored| Orientation { degrees, is_mirrored }.is_turned();
        assert!(is_turned(Some(90), false) && is_turned(Some(0), true));
        assert!(!is_turned(Some(0), false) && !is_turned(None, false));
    }

    #[test]
    fn mirroring_comes_before_rotation() {
        // Mirroring maps (x, y) to (-x, y), and rotation by 90 degrees clockwise maps (x, y) to (-y, x).
        // Together: (x, y) to (-y, -x).
        let both = Orientation::from_matrix([0, -1, -1, 0]);
        assert_eq!(both, Orientation { degrees: Some(90), is_mirrored: true });
    }
}
