//! Closed captions in the video (ANSI/SCTE 214-1 section 7.2).

use super::xml::descriptor;
use crate::{
    movie::Captions,
    package::presentation::{Track, Video},
};

/// The schemes of CEA-608 and CEA-708.
const CEA_608: &str = "urn:scte:dash:cc:cea-608:2015";
const CEA_708: &str = "urn:scte:dash:cc:cea-708:2015";

/// Writes the accessibility descriptors of a set of video: the channels and services that are in use in any
/// of it. Nothing says in which languages they are.
pub(super) fn descriptors(out: &mut String, set: &[(&Track, &Video)]) {
    let captions =
        set.iter().map(|(_, video)| video.captions).fold(Captions::default(), Captions::union);
    let channels: Vec<_> = captions.channels().map(|channel| format!("CC{channel}=und")).collect();
    let services: Vec<_> =
        captions.services().map(|service| format!("{service}=lang:und")).collect();
    for (scheme, values) in [(CEA_608, channels), (CEA_708, services)] {
        if !values.is_empty() {
            descriptor(out, "Accessibility", scheme, &values.join(";"));
        }
    }
}
