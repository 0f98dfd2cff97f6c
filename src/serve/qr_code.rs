//! A QR code in half blocks, for a terminal.

use qrcodegen::{QrCode, QrCodeEcc};

/// The light modules around the code, without which readers do not find it.
const QUIET_ZONE: i32 = 2;

/// White on black, whatever the colours of the terminal: readers need dark modules on light ones.
const COLOURS: &str = "\x1b[97;40m";

/// The end of these colours.
const RESET: &str = "\x1b[0m";

/// The lines of a code for a text, `indent` spaces from the left; none if the text is too long for a code.
pub(super) fn qr_code(text: &str, indent: usize) -> String {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Low) else {
        return String::new();
    };
    let modules = -QUIET_ZONE..code.size() + QUIET_ZONE;
    // Two modules a character, one above the other. A light one is drawn, a dark one left out.
    let rows = modules.clone().step_by(2).map(|y| {
        let character = |x| match (code.get_module(x, y), code.get_module(x, y + 1)) {
            (false, false) => '█',
            (false, true) => '▀',
            (true, false) => '▄',
            (true, true) => ' ',
        };
        let row: String = modules.clone().map(character).collect();
        format!("{:indent$}{COLOURS}{row}{RESET}\n", "")
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_the_modules_of_its_text_and_a_quiet_zone() {
        let drawn = qr_code("http://192.168.1.23:8080/", 2);
        let code = QrCode::encode_text("http://192.168.1.23:8080/", QrCodeEcc::Low).expect("short");
        let lines = drawn.lines().map(|line| {
            let row = line.strip_prefix("  ").and_then(|line| line.strip_prefix(COLOURS));
            row.and_then(|row| row.strip_suffix(RESET)).expect("an indent and colours")
        });
        // Whether the upper and the lower module of each character are dark.
        let rows = lines.flat_map(|line| {
            let halves = line.chars().map(|character| match character {
                '█' => (false, false),
                '▀' => (false, true),
                '▄' => (true, false),
                ' ' => (true, true),
                other => panic!("{other}"),
            });
            let (upper, lower): (Vec<_>, Vec<_>) = halves.unzip();
            [upper, lower]
        });
        let (mut y, mut dark) = (-QUIET_ZONE, 0);
        for row in rows {
            for (x, is_dark) in (-QUIET_ZONE..).zip(row) {
                assert_eq!(is_dark, code.get_module(x, y), "{x}, {y}");
                dark += i32::from(is_dark);
            }
            y += 1;
        }
        assert!(y >= code.size() + QUIET_ZONE && dark > code.size());
    }

    #[test]
    fn a_text_that_is_too_long_has_no_code() {
        assert_eq!(qr_code(&"x".repeat(4000), 0), "");
    }
}
