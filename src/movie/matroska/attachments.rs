//! Attachments (RFC 9559 section 5.1.6): files in the file, such as covers and fonts.

use std::ops::Range;

use super::{
    ebml::{self, Element},
    ids,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::window::Window,
};

/// The most attachments; anime has a hundred fonts.
const ATTACHMENTS_MAX: usize = 512;

/// The longest name and type, in bytes.
const TEXT_BYTES_MAX: u64 = 512;

/// The most elements of an attachment.
const ELEMENTS_MAX: usize = 16;

/// A file in the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// Its media type, as the writer says.
    pub media_type: String,
    /// Where its bytes are.
    pub body: Range<u64>,
}

/// Reads the names of the attachments in these bodies, and where their bytes are.
pub(super) fn read<R: ReadAt + ?Sized>(
    source: &R,
    bodies: &[Range<u64>],
) -> Result<Vec<Attachment>, ReadError> {
    let window = &mut Window::new(source, 4096);
    let mut attachments = Vec::new();
    for body in bodies {
        let mut at = body.start;
        while at < body.end && attachments.len() < ATTACHMENTS_MAX {
            let Some(file) = Element::read(window, at)? else { break };
            let Some(end) = file.end().filter(|end| *end <= body.end) else { break };
            at = end;
            if file.id == ids::ATTACHED_FILE {
                attachments.extend(read_file(window, file.body..end)?);
            }
        }
    }
    Ok(attachments)
}

fn read_file<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    body: Range<u64>,
) -> Result<Option<Attachment>, ReadError> {
    let (mut name, mut media_type, mut data) = (String::new(), String::new(), None);
    let mut at = body.start;
    for _ in 0..ELEMENTS_MAX {
        if at >= body.end {
            break;
        }
        let Some(element) = Element::read(window, at)? else { break };
        let Some(end) = element.end().filter(|end| *end <= body.end) else { break };
        at = end;
        let text = match element.id {
            ids::FILE_NAME => &mut name,
            ids::FILE_MEDIA_TYPE => &mut media_type,
            ids::FILE_DATA => {
                data = Some(element.body..end);
                continue;
            }
            _ => continue,
        };
        if let Some(bytes) = ebml::read_body(window.source(), &(element.body..end), TEXT_BYTES_MAX)?
        {
            *text = ebml::text(&bytes);
        }
    }
    Ok(data.map(|body| Attachment { name, media_type, body }))
}
