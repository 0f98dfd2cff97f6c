//! An HTTP client for one POST.
//!
//! The client opens a connection for each request, follows no redirect, and reads only the status of the
//! response: deliveries are rare, and the rest of a response has no use.

use std::io;

use actix_web::http::Uri;
use http_body_util::Full;
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::rustls::pki_types::ServerName;

use super::signature::Signed;
use crate::tls;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("invalid URL; use http://… or https://…")]
    Url,
    #[error("connection failed: {0}")]
    Connect(#[from] io::Error),
    #[error("HTTP error: {0}")]
    Http(#[from] hyper::Error),
}

/// Sends JSON, and returns the status of the response.
pub(super) async fn post(url: &str, signed: &Signed<'_>, body: String) -> Result<u16, SendError> {
    let uri: Uri = url.parse().map_err(|_| SendError::Url)?;
    let host = uri.host().ok_or(SendError::Url)?;
    let authority = uri.authority().ok_or(SendError::Url)?.as_str();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let request = Request::post(target)
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("headwater/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", signed.id)
        .header("webhook-timestamp", signed.timestamp)
        .header("webhook-signature", signed.signature)
        .body(Full::from(body))
        .map_err(|_| SendError::Url)?;
    // An IPv6 address without its brackets.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    match uri.scheme_str() {
        Some("http") => {
            let stream = TcpStream::connect((name, uri.port_u16().unwrap_or(80))).await?;
            send(stream, request).await
        }
        Some("https") => {
            let stream = TcpStream::connect((name, uri.port_u16().unwrap_or(443))).await?;
            let name = ServerName::try_from(name.to_owned()).map_err(|_| SendError::Url)?;
            send(tls::connector().connect(name, stream).await?, request).await
        }
        _ => Err(SendError::Url),
    }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<u16, SendError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends once the response is dropped.
    let connection = tokio::spawn(connection);
    let status = sender.send_request(request).await.map(|response| response.status().as_u16());
    connection.abort();
    Ok(status?)
}
