//! Keys of encrypted tracks (RFC 8216bis section 4.4.4.4), as far as a file tells where they are.
//!
//! It never tells of a key server. What it may hold is the header of a system of digital rights
//! management, which packagers put into a `data:` URI and players hand to that system; it knows the
//! rest. Where there is none, no key is named: an address that we invented would only be asked in
//! vain, while players still find the scheme and the key's identifier in the init segment. FairPlay
//! asks for an address of its own (`skd:`), which no file holds.

use super::tag::Tag;
use crate::package::{
    presentation::{Protection, Track},
    protection::{PLAYREADY, WIDEVINE, base64, data_of, hexadecimal, uuid},
};

/// Writes a tag for each system that a track can be decrypted by: EXT-X-KEY or EXT-X-SESSION-KEY.
pub(super) fn keys(text: &mut String, tag: &str, track: &Track) {
    let Some(Protection { scheme, key_id, systems }) = &track.protection else {
        return;
    };
    let method = match scheme {
        b"cbcs" => "SAMPLE-AES",
        b"cenc" => "SAMPLE-AES-CTR",
        // HLS has no name for the others.
        _ => return,
    };
    for system in systems.iter() {
        let (uri, format) = match system.id {
            WIDEVINE => {
                let header = base64(&system.headers);
                (format!("data:text/plain;base64,{header}"), format!("urn:uuid:{}", uuid(WIDEVINE)))
            }
            PLAYREADY => {
                let Some(object) = data_of(&system.headers) else { continue };
                let object = base64(object);
                let uri = format!("data:text/plain;charset=UTF-16;base64,{object}");
                (uri, "com.microsoft.playready".to_owned())
            }
            _ => continue,
        };
        Tag::new(text, tag)
            .plain("METHOD", method)
            .quoted("URI", &uri)
            .plain("KEYID", &format!("0x{}", hexadecimal(*key_id)))
            .quoted("KEYFORMAT", &format)
            .quoted("KEYFORMATVERSIONS", "1")
            .end();
    }
}
