//! HTTP/2 by hand: frames that no library would send (RFC 9113), fields in the plainest form of HPACK
//! (RFC 7541).

/// The client's preface.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// Identifiers of settings.
pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// Longest payload of a frame that needs no agreement.
pub const FRAME_MAX: usize = 16_384;

/// The error code CANCEL, as a payload of RST_STREAM.
pub const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    debug_assert!(payload.len() <= FRAME_MAX);
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let stream = stream.to_be_bytes();
    [&length[1..], &[kind, flags], &stream, payload].concat()
}

/// The preface and settings.
pub fn opening(settings: &[(u16, u32)]) -> Vec<u8> {
    [PREFACE, &self::settings(settings)].concat()
}

/// A SETTINGS frame.
pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let pair = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let payload: Vec<u8> = settings.iter().flat_map(pair).collect();
    frame(SETTINGS, 0, 0, &payload)
}

/// A block of fields as HEADERS and as many CONTINUATIONs as it needs; only the last frame ends it.
pub fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(FRAME_MAX).peekable();
    let (mut kind, mut flags, mut frames) = (HEADERS, flags, Vec::new());
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        frames.extend(frame(kind, flags | last, stream, piece));
        (kind, flags) = (CONTINUATION, 0);
    }
    frames
}

/// A GET that ends its stream.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, END_STREAM, &fields("GET", path))
}

/// The fields of a request: those that every request has.
pub fn fields(method: &str, path: &str) -> Vec<u8> {
    let pseudo =
        [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost")];
    pseudo.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// A field that stays out of the dynamic table.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    [&[0x00], &string(name)[..], &string(value)].concat()
}

/// A field that goes into the dynamic table.
pub fn literal_indexed(name: &str, value: &str) -> Vec<u8> {
    [&[0x40], &string(name)[..], &string(value)].concat()
}

/// The newest field of the dynamic table, in one byte.
pub const NEWEST: u8 = 0x80 | 62;

/// A string without Huffman's code.
fn string(text: &str) -> Vec<u8> {
    let mut bytes = integer(text.len());
    bytes.extend(text.as_bytes());
    bytes
}

/// An integer with a prefix of seven bits.
fn integer(value: usize) -> Vec<u8> {
    const MOST: usize = 127;
    if value < MOST {
        return vec![value as u8];
    }
    let (mut left, mut bytes) = (value - MOST, vec![MOST as u8]);
    while left >= 128 {
        bytes.push((left % 128) as u8 | 128);
        left /= 128;
    }
    bytes.push(left as u8);
    bytes
}

/// Identifiers of a client's streams, in order.
pub fn streams() -> impl Iterator<Item = u32> {
    (1..1 << 31).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_nine_bytes_and_its_payload() {
        assert_eq!(frame(PING, 0, 0, &[7; 8]), [0, 0, 8, 6, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7]);
    }

    #[test]
    fn integers_are_those_of_rfc_7541() {
        assert_eq!(integer(10), [10]);
        assert_eq!(integer(127), [127, 0]);
        // 1337 with a prefix of seven bits: 127, then 1210 = 9 · 128 + 58.
        assert_eq!(integer(1337), [127, 186, 9]);
    }

    #[test]
    fn a_long_block_continues() {
        let frames = headers(1, END_STREAM, &[0; FRAME_MAX + 1]);
        assert_eq!(frames[3..5], [HEADERS, END_STREAM]);
        assert_eq!(frames[9 + FRAME_MAX + 3..][..2], [CONTINUATION, END_HEADERS]);
    }
}
