//! Colour of video: code points of ISO/IEC 23091-2 (H.273), dynamic range, and chroma subsampling.

use super::{Boxes, FourCc, cursor::Cursor};

/// Dynamic range, for VIDEO-RANGE of a playlist (RFC 8216bis section 4.4.6.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VideoRange {
    /// Standard dynamic range, and the default.
    Sdr,
    /// High dynamic range with the perceptual quantiser, SMPTE ST 2084: HDR10, Dolby Vision.
    Pq,
    /// High dynamic range with hybrid log-gamma, ARIB STD-B67.
    Hlg,
}

impl VideoRange {
    /// The value of VIDEO-RANGE.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sdr => "SDR",
            Self::Pq => "PQ",
            Self::Hlg => "HLG",
        }
    }
}

/// Colour code points. 2 is "unspecified".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Colour {
    /// ColourPrimaries: 1 is BT.709, 9 BT.2020.
    pub primaries: u16,
    /// TransferCharacteristics: 1 is BT.709, 16 PQ, 18 HLG.
    pub transfer: u16,
    /// MatrixCoefficients: 1 is BT.709, 9 BT.2020.
    pub matrix: u16,
    /// Full range, as opposed to limited range (16 to 235 of 8 bits). `None` if undeclared, which means
    /// limited.
    pub full_range: Option<bool>,
}

/// "Unspecified" in all three lists of H.273.
const UNSPECIFIED: u16 = 2;

impl Default for Colour {
    /// All unspecified.
    fn default() -> Self {
        let (primaries, transfer, matrix) = (UNSPECIFIED, UNSPECIFIED, UNSPECIFIED);
        Self { primaries, transfer, matrix, full_range: None }
    }
}

impl Colour {
    /// Reads the `colr` box (ISO/IEC 14496-12 section 12.1.5; `nclc` is QuickTime's). Skips ICC profiles.
    pub(super) fn from_boxes(boxes: Boxes<'_>) -> Option<Self> {
        let mut boxes = boxes.iter().filter(|child| child.kind == FourCc(*b"colr"));
        boxes.find_map(|child| Self::read(child.body))
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut fields = Cursor(body);
        let kind = fields.code()?;
        if kind != FourCc(*b"nclx") && kind != FourCc(*b"nclc") {
            return None;
        }
        let (primaries, transfer, matrix) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let range = if kind == FourCc(*b"nclx") { fields.u8() } else { None };
        Some(Self { primaries, transfer, matrix, full_range: range.map(|byte| byte & 0x80 != 0) })
    }

    /// The colour primaries and the matrix coefficients, where they are specified.
    pub fn specified(&self) -> (Option<u16>, Option<u16>) {
        let specified = |point: u16| Some(point).filter(|point| is_specified(*point));
        (specified(self.primaries), specified(self.matrix))
    }

    /// This colour, with unspecified values from another.
    pub(super) fn or(self, other: Self) -> Self {
        let or = |point, other| if is_specified(point) { point } else { other };
        Self {
            primaries: or(self.primaries, other.primaries),
            transfer: or(self.transfer, other.transfer),
            matrix: or(self.matrix, other.matrix),
            full_range: self.full_range.or(other.full_range),
        }
    }

    /// The dynamic range of the transfer characteristics; `None` if they are unspecified.
    pub(super) fn range(&self) -> Option<VideoRange> {
        match self.transfer {
            16 => Some(VideoRange::Pq),
            18 => Some(VideoRange::Hlg),
            transfer => is_specified(transfer).then_some(VideoRange::Sdr),
        }
    }

    /// The three code points in the form of AV1's and VP9's codecs parameters. Unspecified points become
    /// BT.709, the default.
    pub(super) fn points(&self) -> String {
        let [primaries, transfer, matrix] = self.or_default();
        format!("{primaries:02}.{transfer:02}.{matrix:02}")
    }

    /// Whether the colour is the default of those parameters: BT.709, limited range.
    pub(super) fn is_default(&self) -> bool {
        self.or_default() == [1; 3] && self.full_range != Some(true)
    }

    fn or_default(&self) -> [u16; 3] {
        let or_default = |point| if is_specified(point) { point } else { 1 };
        [self.primaries, self.transfer, self.matrix].map(or_default)
    }
}

/// Neither unspecified nor reserved (0 is reserved, except for the matrix of RGB).
fn is_specified(point: u16) -> bool {
    point != UNSPECIFIED && point != 0
}

/// Chroma subsampling.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Chroma {
    /// No chroma.
    Monochrome,
    /// 4:2:0: half width and half height.
    C420,
    /// 4:2:2: half width.
    C422,
    /// 4:4:4: full resolution.
    C444,
}

impl Chroma {
    /// From `chroma_format_idc` of H.264 and HEVC.
    pub(super) fn from_format_idc(format: u32) -> Option<Self> {
        [Self::Monochrome, Self::C420, Self::C422, Self::C444]
            .get(usize::try_from(format).ok()?)
            .copied()
    }

    /// Luma samples per chroma sample, horizontally and vertically: the units of cropping. (1, 1) without
    /// chroma.
    pub(super) fn step(self) -> (u32, u32) {
        match self {
            Self::C420 => (2, 2),
            Self::C422 => (2, 1),
            Self::Monochrome | Self::C444 => (1, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::movie::codec::boxes;

    fn colour(bodies: &[&[u8]]) -> Option<Colour> {
        let bytes: Vec<u8> = bodies.iter().flat_map(|body| boxes::build(b"colr", body)).collect();
        Colour::from_boxes(Boxes(&bytes))
    }

    #[test]
    fn the_first_box_with_code_points_is_used() {
        let nclx = b"nclx\0\x09\0\x10\0\x09\x80";
        let nclc = b"nclc\0\x01\0\x01\0\x01";
        let full = colour(&[b"prof", nclx, nclc]).expect("a colour");
        assert_eq!(full.range(), Some(VideoRange::Pq));
        assert_eq!(full.full_range, Some(true));
        assert_eq!(colour(&[nclc]).expect("a colour").full_range, None);
        assert_eq!(colour(&[b"nclx\0\x09\0\x10\0"]), None);
        assert_eq!(colour(&[b"rICC"]), None);
    }

    #[test]
    fn unspecified_points_come_from_the_stream() {
        let partial = Colour { primaries: 9, ..Colour::default() };
        let stream = Colour { primaries: 1, transfer: 18, matrix: 9, full_range: Some(false) };
        assert_eq!(partial.range(), None);
        assert_eq!(partial.or(stream), Colour { primaries: 9, ..stream });
        assert_eq!(partial.or(stream).range(), Some(VideoRange::Hlg));
    }

    #[test]
    fn unspecified_colour_is_bt_709() {
        let unspecified = Colour::default();
        let full = Colour { full_range: Some(true), ..unspecified };
        let pq = Colour { primaries: 9, transfer: 16, matrix: 9, full_range: None };
        assert_eq!([unspecified, full, pq].map(|colour| colour.is_default()), [true, false, false]);
        assert_eq!([unspecified, pq].map(|colour| colour.points()), ["01.01.01", "09.16.09"]);
    }
}
