//! One request to somebody else's server.
//!
//! A connection for each, no redirect followed, and of the answer the status alone: a delivery is
//! rare, and whatever else an answer says would be of no use.

use std::{io, sync::Arc};

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
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use super::signature::Signed;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the address is not http://… or https://…")]
    Url,
    #[error("it cannot be reached: {0}")]
    Connect(#[from] io::Error),
    #[error("it cannot be spoken to: {0}")]
    Speak(#[from] hyper::Error),
}

/// Sends JSON, and returns the status of the answer.
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
    // An address in brackets is known without them.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    match uri.scheme_str() {
        Some("http") => {
            let stream = TcpStream::connect((name, uri.port_u16().unwrap_or(80))).await?;
            send(stream, request).await
        }
        Some("https") => {
            let stream = TcpStream::connect((name, uri.port_u16().unwrap_or(443))).await?;
            let name = ServerName::try_from(name.to_owned()).map_err(|_| SendError::Url)?;
            send(connector().connect(name, stream).await?, request).await
        }
        _ => Err(SendError::Url),
    }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<u16, SendError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends when the answer has been dropped.
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map(|answer| answer.status().as_u16());
    connection.abort();
    Ok(answer?)
}

/// Believes the authorities that browsers believe.
fn connector() -> TlsConnector {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
