//! Writes extents into a pipe as fast as the reader takes them.

use std::{io, sync::Arc};

use tokio::{io::AsyncWriteExt as _, net::unix::pipe};

use crate::extent::{Extent, Extents, ReadError, Source};

/// Bytes of one read: the capacity of a pipe.
const READ_BYTES: u64 = 64 * 1024;

/// Writes all extents and closes the pipe. A reader that closes it early is no error.
pub async fn write_extents(extents: Extents, mut pipe: pipe::Sender) -> Result<(), ReadError> {
    for extent in extents.into_extents() {
        let written = match extent {
            Extent::Memory(bytes) => pipe.write_all(&bytes).await,
            Extent::Source { source, range } => {
                write_range(&source, range.start, range.end, &mut pipe).await?
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

/// The outer error is of reading, the inner of the pipe.
async fn write_range(
    source: &Arc<dyn Source>,
    mut at: u64,
    end: u64,
    pipe: &mut pipe::Sender,
) -> Result<io::Result<()>, ReadError> {
    while at < end {
        let bytes = Arc::clone(source).read(at..end.min(at + READ_BYTES)).await?;
        if bytes.is_empty() {
            return Err(ReadError::Truncated);
        }
        at += bytes.len() as u64;
        if let Err(error) = pipe.write_all(&bytes).await {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// Reads the first bytes: `limit`, or all if there are fewer.
pub async fn read_first_bytes(extents: &Extents, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut first = Vec::new();
    for extent in extents.slice(0..limit).into_extents() {
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
