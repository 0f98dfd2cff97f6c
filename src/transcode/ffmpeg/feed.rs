//! Extents into a pipe, no faster than they are taken.

use std::{io, sync::Arc};

use tokio::{io::AsyncWriteExt as _, net::unix::pipe};

use crate::extent::{Extent, Extents, ReadError, Source};

/// How much is read at a time: what a pipe holds.
const PIECE: u64 = 64 * 1024;

/// Writes all of them, and closes the pipe. A reader who has read enough and closes it is no error.
pub async fn feed(extents: Extents, mut into: pipe::Sender) -> Result<(), ReadError> {
    for extent in extents.into_extents() {
        let written = match extent {
            Extent::Memory(bytes) => into.write_all(&bytes).await,
            Extent::Source { source, range } => {
                feed_range(&source, range.start, range.end, &mut into).await?
            }
        };
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Two kinds of failures: of reading, which is the outer, and of the pipe.
async fn feed_range(
    source: &Arc<dyn Source>,
    mut at: u64,
    end: u64,
    into: &mut pipe::Sender,
) -> Result<io::Result<()>, ReadError> {
    while at < end {
        let bytes = Arc::clone(source).read(at..end.min(at + PIECE)).await?;
        if bytes.is_empty() {
            return Err(ReadError::Truncated);
        }
        at += bytes.len() as u64;
        if let Err(error) = into.write_all(&bytes).await {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// The first bytes, as many as there are up to `most`.
pub async fn first_bytes(extents: &Extents, most: u64) -> Result<Vec<u8>, ReadError> {
    let mut first = Vec::new();
    for extent in extents.slice(0..most).into_extents() {
        match extent {
            Extent::Memory(bytes) => first.extend_from_slice(&bytes),
            Extent::Source { source, range } => {
                let mut at = range.start;
                while at < range.end {
                    let bytes = Arc::clone(&source).read(at..range.end).await?;
                    if bytes.is_empty() {
                        return Err(ReadError::Truncated);
                    }
                    at += bytes.len() as u64;
                    first.extend_from_slice(&bytes);
                }
            }
        }
    }
    Ok(first)
}
