//! A bit reader, most significant bit first, with the Exp-Golomb codes of H.264 and HEVC.

/// The most bytes read of a parameter set. Real ones have less than 200.
const PARAMETER_SET_MAX_BYTES: usize = 4096;

/// Reads bits in order. All methods return `None` at the end.
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// One bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// A number of up to 32 bits.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32, "at most 32 bits");
        (0..count).try_fold(0, |number, _| Some(number << 1 | u32::from(self.flag()?)))
    }

    /// A number of up to eight bits.
    pub(super) fn take_u8(&mut self, count: u32) -> Option<u8> {
        u8::try_from(self.take(count)?).ok()
    }

    /// Skips bits.
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.left().checked_sub(count)?;
        self.position += count;
        Some(())
    }

    /// Moves to the next byte boundary.
    pub(super) fn align(&mut self) {
        self.position = self.position.next_multiple_of(8);
    }

    /// Number of remaining bits.
    pub(super) fn left(&self) -> usize {
        (self.bytes.len() * 8).saturating_sub(self.position)
    }

    /// `ue(v)`: an unsigned Exp-Golomb code (ISO/IEC 14496-10 section 9.1).
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.take(zeros)?;
        // At most 2^31 - 1 + 2^31 - 1.
        Some((1_u32 << zeros) - 1 + rest)
    }

    /// `se(v)`: a signed Exp-Golomb code (section 9.1.1).
    pub(super) fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) })
    }
}

/// The payload of a NAL unit without emulation prevention bytes (section 7.4.1), up to the most bytes of a
/// parameter set.
pub(super) fn unescaped(nal_payload: &[u8]) -> Vec<u8> {
    let payload = &nal_payload[..nal_payload.len().min(PARAMETER_SET_MAX_BYTES)];
    let mut plain = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An unsigned Exp-Golomb code as binary digits.
    pub(in crate::movie::codec) fn ue(number: u32) -> String {
        let code = format!("{:b}", number + 1);
        "0".repeat(code.len() - 1) + &code
    }

    /// Converts binary digits to bytes, with the emulation prevention bytes of a NAL unit.
    pub(in crate::movie::codec) fn nal_bytes(bits: &str) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::new();
        for byte in format!("{bits}1{:07}", 0).as_bytes().chunks_exact(8) {
            let byte = byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
            if byte <= 3 && bytes.ends_with(&[0, 0]) {
                bytes.push(3);
            }
            bytes.push(byte);
        }
        bytes
    }

    #[test]
    fn exp_golomb_codes_match_the_specification() {
        // Table 9-2: 1, 010, 011, 00100, 00101, 00110, 00111, 0001000.
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1001_1000, 0b1110_0010, 0]);
        assert_eq!([(); 8].map(|()| bits.ue()), [0, 1, 2, 3, 4, 5, 6, 7].map(Some));
        // Table 9-3 maps 1, 2, 3, 4 to 1, -1, 2, -2.
        let mut bits = Bits::new(&[0b0100_1100, 0b1000_0101]);
        assert_eq!([(); 4].map(|()| bits.se()), [1, -1, 2, -2].map(Some));
    }

    #[test]
    fn codes_beyond_32_bits_are_refused() {
        assert_eq!(Bits::new(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]).ue(), Some(u32::MAX - 1));
        assert_eq!(Bits::new(&[0, 0, 0, 0, 0x80, 0, 0, 0, 0]).ue(), None);
        assert_eq!(Bits::new(&[0, 0]).ue(), None);
    }

    #[test]
    fn reads_past_the_end_return_none() {
        let mut bits = Bits::new(&[0xff]);
        assert_eq!(bits.take(9), None);
        assert_eq!(bits.flag(), None);
        let mut bits = Bits::new(&[0xff]);
        assert_eq!((bits.skip(9), bits.skip(8), bits.left()), (None, Some(()), 0));
    }

    #[test]
    fn emulation_prevention_bytes_are_removed() {
        assert_eq!(unescaped(&[1, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3]), [1, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(unescaped(&[0, 3, 0, 0, 0, 3]), [0, 3, 0, 0, 0]);
    }
}
