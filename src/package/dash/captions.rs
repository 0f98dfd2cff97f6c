//! Closed captions in the video (ANSI/SCTE 214-1 section 7.2).

use super::xml::descriptor;
use crate::package::presentation::{Track, Video};

/// The schemes of CEA-608 and CEA-708.
const CEA_608: &str = "urn:scte:dash:cc:cea-608:2015";
const CEA_708: &str = "urn:scte:dash:cc:cea-708:2015";

/// Writes the accessibility descriptors of a set of video: the channels and services that are in use in any
/// of it. Nothing says in which languages they are.
pub(super) fn descriptors(out: &mut String, set: &[(&Track, &Video)]) {
    let captions = || set.iter().map(|(_, video)| video.captions);
    let channels =
        (1..=4_u8).filter(|channel| captions().any(|it| it.channels().any(|c| c == *channel)));
    let channels: Vec<_> = channels.map(|channel| format!("CC{channel}=und")).collect();
    let services =
        (1..=63_u8).filter(|service| captions().any(|it| it.services().any(|s| s == *service)));
    let services: Vec<_> = services.map(|service| format!("{service}=lang:und")).collect();
    for (scheme, values) in [(CEA_608, channels), (CEA_708, services)] {
        if !values.is_empty() {
            descriptor(out, "Accessibility", scheme, &values.join(";"));
        }
    }
}
