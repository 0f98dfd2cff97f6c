//! Short files: subtitles, descriptions, images.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::extent::{File, ReadError, Source as _};

/// Reads all bytes of a short file.
pub async fn read_all(file: &Arc<File>) -> Result<Bytes, ReadError> {
    let mut bytes = BytesMut::new();
    while (bytes.len() as u64) < file.len() {
        let rest = bytes.len() as u64..file.len();
        let piece = match file.read_now(rest.clone())? {
            Some(piece) => piece,
            None => Arc::clone(file).read(rest).await?,
        };
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}
