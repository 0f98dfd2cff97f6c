//! Which channels and services of caption data are in use.

/// A triplet is valid, and its type, by the bits of its first byte.
const VALID: u8 = 4;
const TYPE_BITS: u8 = 3;

/// The types of triplets (CEA-708 section 4.4.1).
const FIELD_1: u8 = 0;
const FIELD_2: u8 = 1;
const PACKET_DATA: u8 = 2;
const PACKET_START: u8 = 3;

/// Second bytes of the CEA-608 commands with which every caption begins or appears: resume caption loading,
/// roll up 2 to 4 rows, resume direct captioning, end of caption. Those of text mode are not among them.
const CAPTION_COMMANDS: [u8; 6] = [0x20, 0x25, 0x26, 0x27, 0x29, 0x2f];

/// The longest packet of CEA-708, in bytes.
const PACKET_BYTES_MAX: usize = 128;

/// The channels of CEA-608 (bit 0 is CC1) and the services of CEA-708 (bit `n` is service `n`) that triplets
/// in the order of presentation use.
pub(super) fn in_use(triplets: impl Iterator<Item = [u8; 3]>) -> (u8, u64) {
    let (mut channels, mut services) = (0, 0);
    let mut packet: Vec<u8> = Vec::new();
    for [head, first, second] in triplets.filter(|[head, ..]| head & VALID != 0) {
        match head & TYPE_BITS {
            field @ (FIELD_1 | FIELD_2) => channels |= channel(field, first, second),
            kind => {
                if kind == PACKET_START {
                    packet.clear();
                }
                debug_assert!(matches!(kind, PACKET_START | PACKET_DATA), "two bits");
                // Data before the first start belongs to no packet.
                if kind == PACKET_START || !packet.is_empty() {
                    packet.extend([first, second]);
                }
                if is_complete(&packet) {
                    services |= services_in(&packet[1..]);
                    packet.clear();
                }
            }
        }
    }
    (channels, services)
}

/// The channel that a pair of bytes selects, as a bit; 0 if it is no command of captions.
fn channel(field: u8, first: u8, second: u8) -> u8 {
    // The highest bit is parity. Commands are 14 or 15 (hexadecimal), or 1c or 1d for the second channel.
    let (command, second) = (first & 0x7f, second & 0x7f);
    let is_command = matches!(command, 0x14 | 0x15 | 0x1c | 0x1d);
    if !is_command || !CAPTION_COMMANDS.contains(&second) {
        return 0;
    }
    1 << (2 * field + (command >> 3 & 1))
}

/// Whether a packet has the length that its header says (CEA-708 section 5).
fn is_complete(packet: &[u8]) -> bool {
    packet.first().is_some_and(|header| {
        let bytes = match usize::from(header & 0x3f) {
            0 => PACKET_BYTES_MAX,
            pairs => 2 * pairs,
        };
        packet.len() >= bytes
    })
}

/// The services with data in a packet, header excluded, as bits (CEA-708 section 6).
fn services_in(packet: &[u8]) -> u64 {
    const EXTENDED: u8 = 7;
    let mut services = 0;
    let mut rest = packet;
    while let [header, after @ ..] = rest {
        let (mut number, size) = (header >> 5, usize::from(header & 0x1f));
        rest = after;
        if number == EXTENDED && size > 0 {
            let [extended, after @ ..] = rest else { break };
            (number, rest) = (extended & 0x3f, after);
        }
        // A null block ends the packet.
        if number == 0 {
            break;
        }
        if size > 0 {
            services |= 1 << number;
        }
        rest = rest.get(size..).unwrap_or_default();
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(triplets: &[[u8; 3]]) -> (u8, u64) {
        in_use(triplets.iter().copied())
    }

    #[test]
    fn commands_select_one_of_four_channels() {
        for (triplet, channels) in [
            ([0xfc, 0x94, 0x20], 0b0001),
            ([0xfc, 0x94, 0x2f], 0b0001),
            ([0xfc, 0x1c, 0x25], 0b0010),
            ([0xfd, 0x15, 0x26], 0b0100),
            ([0xfd, 0x1d, 0x29], 0b1000),
            // Padding, text, text mode, an invalid triplet, a style.
            ([0xfc, 0x80, 0x80], 0),
            ([0xfc, 0xc8, 0x49], 0),
            ([0xfc, 0x14, 0x2a], 0),
            ([0xf8, 0x94, 0x20], 0),
            ([0xfc, 0x11, 0x20], 0),
        ] {
            assert_eq!(used(&[triplet]), (channels, 0), "{triplet:x?}");
        }
    }

    #[test]
    fn packets_name_their_services() {
        // Six bytes: a header, service 1 with two bytes, a null block.
        let first = [[0xff, 0x03, 0x22], [0xfe, 0x41, 0x42], [0xfe, 0x00, 0x00]];
        assert_eq!(used(&first), (0, 1 << 1));
        // Service 2 without data, the extended service 9 with one byte.
        let second = [[0xff, 0x43, 0x40], [0xfe, 0xe1, 0x09], [0xfe, 0x41, 0x00]];
        assert_eq!(used(&second), (0, 1 << 9));
        assert_eq!(used(&[first, second].concat()), (0, 1 << 1 | 1 << 9));
        // A packet that another start cuts off, and data without a start.
        assert_eq!(used(&[&first[..2], &second].concat()), (0, 1 << 9));
        assert_eq!(used(&first[1..]), (0, 0));
    }
}
