//! Medians and spreads over turns.

use std::fmt;

/// A median with its extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// The spread of some values; NaN throughout if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Spread {
            median: median(&sorted),
            min: sorted.first().copied().unwrap_or(f64::NAN),
            max: sorted.last().copied().unwrap_or(f64::NAN),
        }
    }

    /// The spread of the ratios of two series, turn by turn.
    ///
    /// Values of one turn were measured within seconds of each other, so a slow phase of the machine
    /// is in both and cancels out.
    pub fn of_ratios(values: &[f64], references: &[f64]) -> Self {
        Spread::of(values.iter().zip(references).map(|(v, r)| v / r))
    }
}

impl fmt::Display for Spread {
    /// `0.97 (0.95–0.99)`
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.2} ({:.2}–{:.2})", self.median, self.min, self.max)
    }
}

/// The middle of a sorted list, or the mean of its two middles.
fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[half],
        _ => (sorted[half - 1] + sorted[half]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0]).median, 2.5);
        assert_eq!(Spread::of([5.0]).median, 5.0);
        assert!(Spread::of([]).median.is_nan());
    }

    #[test]
    fn extremes_go_with_it() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((spread.min, spread.max), (1.0, 3.0));
        assert_eq!(spread.to_string(), "2.00 (1.00–3.00)");
    }

    #[test]
    fn ratios_are_taken_within_a_turn() {
        // The second turn was twice as slow for both: the ratio does not change.
        let spread = Spread::of_ratios(&[1.0, 2.0, 1.2], &[2.0, 4.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (0.5, 0.5, 0.6));
    }
}
