//! Content of requests: short, and JSON.

use std::time::Duration;

use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;

use super::Error;

/// The most content that a request may have, in bytes. Over HTTP/1 it is held to that before the App
/// is asked, over HTTP/2 here.
pub const CONTENT_BYTES_MAX: usize = 64 * 1024;

/// Reads all of a request's content, for which its client may take so long.
pub async fn read(content: Payload, patience: Duration) -> Result<Bytes, Error> {
    let read = tokio::time::timeout(patience, read_all(content)).await;
    read.unwrap_or(Err(Error::Timeout))
}

async fn read_all(content: Payload) -> Result<Bytes, Error> {
    let mut content = content.into_inner();
    let mut all = BytesMut::new();
    while let Some(piece) = content.next().await {
        let piece = piece.map_err(|_| Error::BadRequest("the content ends too early".into()))?;
        if all.len().saturating_add(piece.len()) > CONTENT_BYTES_MAX {
            return Err(Error::ContentTooLarge(CONTENT_BYTES_MAX));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// Understands content as JSON; what is wrong with it is told.
pub fn from_json<T: DeserializeOwned>(content: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(content)
        .map_err(|error| Error::BadRequest(format!("the content is not what it must be: {error}")))
}
