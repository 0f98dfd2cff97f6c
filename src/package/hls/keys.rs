//! Keys of encrypted tracks (RFC 8216bis section 4.4.4.4), as far as the file describes them.
//!
//! A file never names a key server. It may contain initialization data of DRM systems: packagers put it
//! into a `data:` URI, and players pass it to the DRM system, which knows the rest. Without such data no
//! key is written: players would request an invented URI in vain, and they still find the scheme and the
//! key identifier in the init segment. FairPlay needs a URI of its own (`skd:`), which no file contains.

use super::tag::Tag;
use crate::package::{
    presentation::{Protection, Track},
    protection::{PLAYREADY, WIDEVINE, base64, hexadecimal, system_data, uuid},
};

/// Writes a tag for each DRM system of a track: EXT-X-KEY or EXT-X-SESSION-KEY.
pub(super) fn keys(text: &mut String, tag: &str, track: &Track) {
    let Some(Protection { scheme, key_id, systems }) = &track.protection else {
        return;
    };
    let method = match scheme {
        b"cbcs" => "SAMPLE-AES",
        b"cenc" => "SAMPLE-AES-CTR",
        // HLS has no method for other schemes.
        _ => return,
    };
    for system in systems.iter() {
        let (uri, format) = match system.id {
            WIDEVINE => {
                let header = base64(&system.headers);
                (format!("data:text/plain;base64,{header}"), format!("urn:uuid:{}", uuid(WIDEVINE)))
            }
            PLAYREADY => {
                let Some(object) = system_data(&system.headers) else { continue };
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
