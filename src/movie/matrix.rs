//! Transformation matrices of the movie and of its tracks (`mvhd` and `tkhd`, ISO/IEC 14496-12 sections
//! 8.2.2 and 8.3.2).

use super::orientation::Orientation;

/// A matrix `a b u, c d v, x y w`: x' = ax + cy + x and y' = bx + dy + y, where y goes down. u, v and w
/// have 30 fractional bits, the others 16.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Matrix([i32; 9]);

/// Fractional bits of each column.
const FRACTION_BITS: [u32; 3] = [16, 16, 30];

/// Scales that differ by less are equal: writers round. ffmpeg has the same limit.
const SCALE_TOLERANCE: f64 = 0.01;

impl Matrix {
    /// Length in bytes.
    pub(super) const BYTES: usize = 36;

    /// No change.
    pub(super) const IDENTITY: Self = Self([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30]);

    /// Reads a matrix. Some writers leave it zero and mean identity.
    pub(super) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut numbers = [0; 9];
        for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks().0) {
            *number = i32::from_be_bytes(*bytes);
        }
        match numbers {
            [0, 0, _, 0, 0, ..] => Self::IDENTITY,
            _ => Self(numbers),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (bytes, number) in bytes.as_chunks_mut().0.iter_mut().zip(self.0) {
            *bytes = number.to_be_bytes();
        }
        bytes
    }

    /// This matrix and then the other.
    pub(super) fn then(self, other: Self) -> Self {
        let mut product = [0; 9];
        for (place, number) in product.iter_mut().enumerate() {
            let (row, column) = (place / 3, place % 3);
            let terms = (0..3).map(|inner| {
                let term =
                    i64::from(self.0[3 * row + inner]) * i64::from(other.0[3 * inner + column]);
                term >> FRACTION_BITS[inner]
            });
            let sum = terms.sum::<i64>();
            *number = i32::try_from(sum).unwrap_or(if sum < 0 { i32::MIN } else { i32::MAX });
        }
        Self(product)
    }

    /// Rotation and mirroring.
    pub(super) fn orientation(self) -> Orientation {
        let [a, b, _, c, d, ..] = self.0;
        Orientation::from_matrix([a, b, c, d])
    }

    /// The scales of width and height, in the direction of the frame; `None` if both are the same, or one
    /// makes no sense.
    pub(super) fn scales(self) -> Option<(f64, f64)> {
        let [a, b, _, c, d, ..] = self.0.map(f64::from);
        let one = f64::from(1 << 16);
        let (width, height) = (a.hypot(b) / one, c.hypot(d) / one);
        let is_usable = |scale: f64| scale > 1.0 / one;
        let is_distorted = (width / height - 1.0).abs() > SCALE_TOLERANCE;
        (is_usable(width) && is_usable(height) && is_distorted).then_some((width, height))
    }

    /// The same rotation and mirroring without scale; `None` if it is none by a multiple of 90 degrees.
    pub(super) fn unscaled(self) -> Option<Self> {
        let [a, b, c, d] = self.orientation().unit_matrix()?.map(|number| number << 16);
        let [_, _, u, _, _, v, x, y, w] = self.0;
        Some(Self([a, b, u, c, d, v, x, y, w]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i32 = 1 << 16;
    const W: i32 = 1 << 30;

    #[test]
    fn a_product_turns_first_by_the_left_matrix() {
        // Clockwise by 90 degrees, into a frame of 72 pixels.
        let quarter = Matrix([0, ONE, 0, -ONE, 0, 0, 72 * ONE, 0, W]);
        let half = quarter.then(quarter);
        assert_eq!(half, Matrix([-ONE, 0, 0, 0, -ONE, 0, 72 * ONE, 72 * ONE, W]));
        assert_eq!(quarter.then(Matrix::IDENTITY), quarter);
        assert_eq!(Matrix::IDENTITY.then(quarter), quarter);
        let wide = Matrix([2 * ONE, 0, 0, 0, ONE, 0, 0, 0, W]);
        assert_eq!(wide.then(quarter).scales(), Some((2.0, 1.0)));
        assert_eq!(quarter.then(wide).scales(), Some((1.0, 2.0)));
    }

    #[test]
    fn extreme_numbers_saturate() {
        let largest = Matrix([i32::MIN; 9]);
        assert_eq!(largest.then(largest).0, [i32::MAX; 9]);
        assert_eq!(largest.scales(), None);
    }

    #[test]
    fn a_matrix_of_zeros_is_the_identity() {
        let zeros = Matrix::from_bytes(&[0; 36]);
        assert_eq!(zeros, Matrix::IDENTITY);
        assert_eq!(Matrix::from_bytes(&zeros.to_bytes()), zeros);
    }

    #[test]
    fn a_scale_is_taken_off_a_rotation() {
        let scaled = Matrix([0, 2 * ONE, 0, -ONE / 4, 0, 0, 5, 6, W]);
        assert_eq!(scaled.unscaled(), Some(Matrix([0, ONE, 0, -ONE, 0, 0, 5, 6, W])));
        let sheared = Matrix([ONE, ONE, 0, -ONE, ONE, 0, 0, 0, W]);
        assert_eq!(sheared.unscaled(), None);
    }
}
