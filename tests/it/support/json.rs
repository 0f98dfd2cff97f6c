//! Requests with JSON, as our own page or a local script sends them, and responses.

use serde_json::Value;

use crate::support::{
    client::{Client, Response},
    server::Serving,
};

/// A request with content for `localhost`. `fields` are whole lines.
pub fn post(target: &str, content: &str) -> String {
    request("POST", target, &[], content)
}

/// The same for any method, with more fields.
pub fn request(method: &str, target: &str, fields: &[&str], content: &str) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for field in ["Content-Type: application/json"].iter().chain(fields) {
        head += &format!("{field}\r\n");
    }
    format!("{head}Content-Length: {}\r\n\r\n{content}", content.len())
}

/// Sends a request on a new connection, and reads the response.
pub fn ask(serving: &Serving, method: &str, target: &str, content: &str) -> Response {
    let mut client = serving.connect();
    client.send(request(method, target, &[], content));
    read(&mut client)
}

/// Reads the response to a request with content.
#[track_caller]
pub fn read(client: &mut Client) -> Response {
    client.read("POST").expect("a response")
}

/// The content of a response with this status.
#[track_caller]
pub fn json(response: &Response, status: u16) -> Value {
    let text = String::from_utf8_lossy(&response.body);
    assert_eq!(response.status, status, "{text}");
    serde_json::from_str(&text).expect("JSON")
}
