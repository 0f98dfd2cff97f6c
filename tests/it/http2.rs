//! A client for HTTP/2 in clear text by prior knowledge (RFC 9113 section 3.3).

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};

use crate::harness::Response;

/// As in the harness: only a guard.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection.
pub struct Client {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
}

impl Client {
    /// Connects, and exchanges settings.
    pub fn connect(address: SocketAddr) -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let requests = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.expect("a connection");
            let (requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
            // Its error, if it has one, is also that of the request that is waiting.
            tokio::spawn(async { drop(connection.await) });
            requests
        });
        Self { runtime, requests }
    }

    /// Sends a request without content and reads its answer. `fields` are whole lines.
    pub fn request(&mut self, method: &str, target: &str, fields: &[&str]) -> Response {
        self.try_request(method, target, fields).expect("a whole answer")
    }

    /// The same, where the stream or the connection may be reset.
    pub fn try_request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[&str],
    ) -> Result<Response, h2::Error> {
        let mut request = Request::builder().method(method).uri(format!("http://test{target}"));
        for field in fields {
            let (name, value) = field.split_once(':').expect("a field");
            request = request.header(name, value.trim());
        }
        let request = request.body(()).expect("a request");
        let requests = self.requests.clone();
        let answer = async {
            let (response, _) = requests.ready().await?.send_request(request, true)?;
            let (head, mut body) = response.await?.into_parts();
            let mut bytes = Vec::new();
            while let Some(piece) = body.data().await {
                let piece = piece?;
                body.flow_control().release_capacity(piece.len())?;
                bytes.extend_from_slice(&piece);
            }
            assert!(body.trailers().await?.is_none(), "trailers are never sent");
            let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
            Ok(Response {
                status: head.status.as_u16(),
                fields: head
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), text(value)))
                    .collect(),
                body: bytes,
            })
        };
        let answer = async { timeout(PATIENCE, answer).await.expect("an answer in time") };
        self.runtime.block_on(answer)
    }
}
