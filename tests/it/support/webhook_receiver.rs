//! A receiver of webhooks, which verifies their signatures.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    thread,
};

use headwater::webhooks::Secret;
use serde_json::Value;

use crate::support::{folder::Folder, wait::until};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

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
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}/hook?by=us", listener.local_addr().expect("an address"));
        let (sender, received) = channel();
        let mut status_lines =
            statuses.iter().chain(std::iter::repeat(statuses.last().expect("one")));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let mut lines = reader.by_ref().lines().map_while(Result::ok);
                let line = lines.next().unwrap_or_default();
                let head = lines.take_while(|line| !line.is_empty());
                let fields: Vec<_> = head
                    .filter_map(|line| {
                        let (name, value) = line.split_once(": ")?;
                        Some((name.to_ascii_lowercase(), value.to_owned()))
                    })
                    .collect();
                let length = fields.iter().find(|field| field.0 == "content-length");
                let length = length.and_then(|field| field.1.parse().ok()).unwrap_or_default();
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
