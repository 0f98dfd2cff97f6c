//! What colours the samples of a video mean: code points of ISO/IEC 23091-2 (H.273).

use super::{Boxes, FourCc, cursor::Cursor};

/// What VIDEO-RANGE of a playlist says (RFC 8216bis section 4.4.6.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VideoRange {
    /// Standard dynamic range; also everything that is not said to be more.
    Sdr,
    /// High dynamic range by the perceptual quantiser, SMPTE ST 2084: HDR10, Dolby Vision.
    Pq,
    /// High dynamic range by hybrid log-gamma, ARIB STD-B67.
    Hlg,
}

impl VideoRange {
    /// As VIDEO-RANGE writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sdr => "SDR",
            Self::Pq => "PQ",
            Self::Hlg => "HLG",
        }
    }
}

/// Colour as code points. 2 is "unspecified".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Colour {
    /// ColourPrimaries: 1 is BT.709, 9 BT.2020.
    pub primaries: u16,
    /// TransferCharacteristics: 1 is BT.709, 16 PQ, 18 HLG.
    pub transfer: u16,
    /// MatrixCoefficients: 1 is BT.709, 9 BT.2020.
    pub matrix: u16,
    /// Whether all values of a sample are used, not only 16 to 235 and the like. `None` if nothing
    /// says so; then they are not.
    pub full_range: Option<bool>,
}

/// "Unspecified" in all three lists of H.273.
const UNSPECIFIED: u16 = 2;

impl Default for Colour {
    /// Nothing is known.
    fn default() -> Self {
        let (primaries, transfer, matrix) = (UNSPECIFIED, UNSPECIFIED, UNSPECIFIED);
        Self { primaries, transfer, matrix, full_range: None }
    }
}

impl Colour {
    /// What a `colr` box says (ISO/IEC 14496-12 section 12.1.5; `nclc` is QuickTime's). ICC profiles
    /// say nothing here.
    pub(super) fn of(boxes: Boxes<'_>) -> Option<Self> {
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

    /// This, and where it is silent the other.
    pub(super) fn or(self, other: Self) -> Self {
        let or = |one, other| if is_specified(one) { one } else { other };
        Self {
            primaries: or(self.primaries, other.primaries),
            transfer: or(self.transfer, other.transfer),
            matrix: or(self.matrix, other.matrix),
            full_range: self.full_range.or(other.full_range),
        }
    }

    /// The range that the transfer characteristics stand for; `None` if they are not said.
    pub(super) fn range(&self) -> Option<VideoRange> {
        match self.transfer {
            16 => Some(VideoRange::Pq),
            18 => Some(VideoRange::Hlg),
            transfer => is_specified(transfer).then_some(VideoRange::Sdr),
        }
    }

    /// The three code points as the codecs parameters of AV1 and VP9 write them, where what is not
    /// said counts as BT.709, their default.
    pub(super) fn points(&self) -> String {
        let [primaries, transfer, matrix] = self.or_default();
        format!("{primaries:02}.{transfer:02}.{matrix:02}")
    }

    /// Whether all of it is what those parameters mean when they are left out: BT.709, and not of
    /// full range.
    pub(super) fn is_default(&self) -> bool {
        self.or_default() == [1; 3] && self.full_range != Some(true)
    }

    fn or_default(&self) -> [u16; 3] {
        let or_default = |point| if is_specified(point) { point } else { 1 };
        [self.primaries, self.transfer, self.matrix].map(or_default)
    }
}

/// Neither unspecified nor reserved (0 is reserved, but for the matrix of RGB).
fn is_specified(point: u16) -> bool {
    point != UNSPECIFIED && point != 0
}

/// Which samples there are of colour for each of brightness.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Chroma {
    /// None.
    Monochrome,
    /// 4:2:0: half in both directions.
    C420,
    /// 4:2:2: half in a line.
    C422,
    /// 4:4:4: all.
    C444,
}

impl Chroma {
    /// By `chroma_format_idc` of H.264 and HEVC.
    pub(super) fn of_format(format: u32) -> Option<Self> {
        [Self::Monochrome, Self::C420, Self::C422, Self::C444]
            .get(usize::try_from(format).ok()?)
            .copied()
    }

    /// Samples of brightness for one of colour, in a line and in a column. (1, 1) for those whose
    /// cropping is counted in samples.
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
        let bytes: Vec<u8> = bodies.iter().flat_map(|body| boxes::make(b"colr", body)).collect();
        Colour::of(Boxes(&bytes))
    }

    #[test]
    fn the_first_box_that_speaks_of_code_points_counts() {
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
    fn what_a_box_leaves_open_is_filled_from_the_stream() {
        let open = Colour { primaries: 9, ..Colour::default() };
        let stream = Colour { primaries: 1, transfer: 18, matrix: 9, full_range: Some(false) };
        assert_eq!(open.range(), None);
        assert_eq!(open.or(stream), Colour { primaries: 9, ..stream });
        assert_eq!(open.or(stream).range(), Some(VideoRange::Hlg));
    }

    #[test]
    fn what_is_not_said_counts_as_bt_709() {
        let unknown = Colour::default();
        let full = Colour { full_range: Some(true), ..unknown };
        let pq = Colour { primaries: 9, transfer: 16, matrix: 9, full_range: None };
        assert_eq!([unknown, full, pq].map(|colour| colour.is_default()), [true, false, false]);
        assert_eq!([unknown, pq].map(|colour| colour.points()), ["01.01.01", "09.16.09"]);
    }
}
