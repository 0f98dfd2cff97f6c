//! A receiver of webhooks, which verifies their signatures.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
};

use headwater::webhooks::Secret;
use serde_json::Value;
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::support::{folder::Folder, wait::until};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A self-signed certificate of `localhost` and its key, for tests only.
pub const LOCALHOST: &str = include_str!("localhost.pem");

/// A receiver of webhooks.
pub struct WebhookReceiver {
    /// Its URL.
    pub url: String,
    received: Receiver<Delivery>,
}

/// A delivery, as received.
pub struct Delivery {
    /// The request line.
    pub line: String,
    fields: Vec<(String, String)>,
    body: String,
}

impl Delivery {
    /// The value of a required field.
    pub fn field(&self, name: &str) -> &str {
        let value = self.fields.iter().find(|field| field.0 == name);
        &value.unwrap_or_else(|| panic!("{name} in {:?}", self.fields)).1
    }

    /// The body, once its signature is verified.
    pub fn data(&self) -> Value {
        let secret = Secret::parse(SECRET).expect("a secret");
        let timestamp = self.field("webhook-timestamp").parse().expect("a number");
        let signature = secret.sign(self.field("webhook-id"), timestamp, &self.body);
        assert_eq!(self.field("webhook-signature"), signature);
        assert_eq!(self.field("content-type"), "application/json");
        serde_json::from_str(&self.body).expect("JSON")
    }
}

impl WebhookReceiver {
    /// Responds to each delivery with the next of these statuses and their fields; the last one
    /// repeats.
    pub fn responding(statuses: &'static [&'static str]) -> Self {
        Self::start("http://127.0.0.1", statuses, |stream| stream)
    }

    /// The same over TLS, with the certificate of [`LOCALHOST`].
    pub fn responding_over_tls(statuses: &'static [&'static str]) -> Self {
        let certificate = CertificateDer::from_pem_slice(LOCALHOST.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(LOCALHOST.as_bytes());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.expect("a certificate")], key.expect("a key"));
        let config = Arc::new(config.expect("a pair"));
        Self::start("https://localhost", statuses, move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            StreamOwned::new(connection, stream)
        })
    }

    fn start<S: Read + Write>(
        origin: &str,
        statuses: &'static [&'static str],
        wrap: impl Fn(TcpStream) -> S + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let url = format!("{origin}:{port}/hook?by=us");
        let (sender, received) = channel();
        let mut status_lines =
            statuses.iter().chain(std::iter::repeat(statuses.last().expect("one")));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(wrap(stream));
                let mut lines = reader.by_ref().lines().map_while(Result::ok);
                // A client that refuses the certificate sends no request.
                let Some(line) = lines.next() else { continue };
                let head = lines.take_while(|line| !line.is_empty());
                let fields: Vec<_> = head
                    .filter_map(|line| {
                        let (name, value) = line.split_once(": ")?;
                        Some((name.to_ascii_lowercase(), value.to_owned()))
                    })
                    .collect();
                let length = fields
                    .iter()
                    .find(|field| field.0 == "content-length")
                    .and_then(|field| field.1.parse().ok())
                    .unwrap_or_default();
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("all of it");
                let status_line = status_lines.next().expect("the last stays");
                let mut stream = reader.into_inner();
                write!(stream, "HTTP/1.1 {status_line}\r\nContent-Length: 0\r\n\r\n")
                    .expect("taken");
                let body = String::from_utf8(body).expect("text");
                if sender.send(Delivery { line, fields, body }).is_err() {
                    return;
                }
            }
        });
        Self { url, received }
    }

    /// The next delivery.
    pub fn next(&self) -> Delivery {
        let mut delivery = None;
        until("a delivery arrives", || {
            delivery = self.received.try_recv().ok();
            delivery.is_some()
        });
        delivery.expect("just seen")
    }
}

/// The configuration of a receiver.
pub fn configured(folder: &Folder, url: &str, events: &str) -> String {
    let file = folder.put("secret", format!("{SECRET}\n"));
    let file = file.display();
    format!("[[webhook]]\nurl = \"{url}\"\nsecret_file = \"{file}\"\nevents = [{events}]\n")
}
