//! Sizes, times and rates as people type and read them.

use std::time::Duration;

/// `64k` → 65,536; bytes without a letter.
pub fn parse_size(typed: &str) -> Option<u64> {
    let lower = typed.to_ascii_lowercase();
    let (digits, unit) = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1 << 10),
        (_, Some(digits)) => (digits, 1 << 20),
        _ => (&lower[..], 1),
    };
    let count: u64 = digits.parse().ok()?;
    count.checked_mul(unit).filter(|&bytes| bytes > 0)
}

/// 65,536 → `64 KiB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        b if b % (1 << 20) == 0 => format!("{} MiB", b >> 20),
        b if b % (1 << 10) == 0 => format!("{} KiB", b >> 10),
        b => format!("{b} B"),
    }
}

/// 12929.4 → `12,929`.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `12 connections`, `1 connection`.
pub fn connections(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} connection{plural}", thousands(count as f64))
}

/// Three significant digits, or all of the integer part: `0.0900`, `8.25`, `44.0`, `1,234`; a dash for
/// NaN, which means "not measured".
pub fn figure(value: f64) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    let magnitude = value.abs().log10().floor().clamp(-4.0, 2.0) as i32;
    match usize::try_from(2 - magnitude) {
        Ok(decimals) if decimals > 0 && value != 0.0 => format!("{value:.decimals$}"),
        _ => thousands(value),
    }
}

/// 0.987 → `99 %`.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1u64 << 20) as f64
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_from_the_right() {
        let table = [(7.0, "7"), (999.6, "1,000"), (40184.2, "40,184"), (1234567.0, "1,234,567")];
        for (value, shown) in table {
            assert_eq!(thousands(value), shown);
        }
    }

    #[test]
    fn figures_have_significant_digits() {
        let figures = [f64::NAN, 0.0, 0.09, 0.1024, 8.25, 44.0, 256.0, 1234.4].map(figure);
        assert_eq!(figures, ["–", "0", "0.0900", "0.102", "8.25", "44.0", "256", "1,234"]);
    }
}
