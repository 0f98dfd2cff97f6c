//! multipart/byteranges (RFC 9110 section 14.6): several parts as one list of extents.

use std::ops::Range;

use bytes::Bytes;

use crate::extent::{Content, Extent, Extents, content::ExtentRefused};

/// A body of several parts, of known length.
#[derive(Debug)]
pub struct Multipart {
    /// The heads of the parts, the parts, and the closing line.
    pub extents: Extents,
    /// `multipart/byteranges` with its boundary.
    pub media_type: String,
}

/// Assembles the parts of a content, each with its own type and range.
///
/// The boundary derives from the content's validator, so that the same request has the same response on
/// every node; that a content contains a hash of its own state by chance is next to impossible.
///
/// Fails only if the parts and their heads together are longer than a body can be.
pub fn multipart(content: &Content, parts: &[Range<u64>]) -> Result<Multipart, ExtentRefused> {
    let tag = content.validator.as_ref().map_or("unnamed", |validator| validator.opaque());
    let boundary = format!("headwater-{tag}");
    let length = content.len();
    let mut extents = Extents::default();
    let mut lead = "";
    for part in parts {
        extents.append(text(format!(
            "{lead}--{boundary}\r\ncontent-type: {}\r\ncontent-range: bytes {}-{}/{length}\r\n\r\n",
            content.media_type,
            part.start,
            part.end - 1,
        )))?;
        extents.append(content.extents.slice(part.clone()))?;
        lead = "\r\n";
    }
    extents.append(text(format!("\r\n--{boundary}--\r\n")))?;
    Ok(Multipart { extents, media_type: format!("multipart/byteranges; boundary={boundary}") })
}

fn text(text: String) -> Extents {
    Extents::from(Extent::Memory(Bytes::from(text)))
}
