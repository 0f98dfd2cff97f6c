//! Content of requests: short, and JSON.

use std::time::Duration;

use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;

use super::Error;

/// The most bytes of content of a request. Over HTTP/1 the connection enforces this limit before it calls
/// the App; over HTTP/2 this module does.
pub const CONTENT_BYTES_MAX: usize = 64 * 1024;

/// Reads all of a request's content, within a timeout.
pub async fn read(content: Payload, read_timeout: Duration) -> Result<Bytes, Error> {
    let read = tokio::time::timeout(read_timeout, read_all(content)).await;
    read.unwrap_or(Err(Error::Timeout))
}

async fn read_all(content: Payload) -> Result<Bytes, Error> {
    let mut content = content.into_inner();
    let mut all = BytesMut::new();
    while let Some(piece) = content.next().await {
        let piece =
            piece.map_err(|_| Error::BadRequest("the request body ends too early".into()))?;
        if all.len().saturating_add(piece.len()) > CONTENT_BYTES_MAX {
            return Err(Error::ContentTooLarge(CONTENT_BYTES_MAX));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// Parses content as JSON; the error names the first invalid part.
pub fn from_json<T: DeserializeOwned>(content: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(content)
        .map_err(|error| Error::BadRequest(format!("invalid JSON body: {error}")))
}
