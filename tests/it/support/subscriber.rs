//! A subscriber of the event stream.

use serde_json::Value;

use crate::support::{
    client::{Client, head},
    server::Serving,
};

/// A subscriber of the event stream.
pub struct Subscriber {
    /// Its connection.
    pub client: Client,
    unread: String,
}

/// An event.
#[derive(Debug)]
pub struct Event {
    /// The name of the event.
    pub name: String,
    /// The number of the change.
    pub id: Option<i64>,
    /// The data.
    pub data: Value,
}

impl Subscriber {
    /// Subscribes.
    pub fn begin(serving: &Serving, target: &str, fields: &[&str]) -> Self {
        let mut client = serving.connect();
        client.send(head("GET", target, fields));
        let response = client.read_head().expect("a head");
        assert_eq!(response.status, 200);
        assert_eq!(response.field("content-type"), Some("text/event-stream"));
        assert_eq!(response.field("cache-control"), Some("no-store"));
        assert_eq!(response.field("content-encoding"), None);
        let mut subscriber = Self::over(client);
        assert_eq!(subscriber.block(), "retry: 2000");
        subscriber
    }

    /// Takes a connection on which the head of the response has been read.
    pub fn over(client: Client) -> Self {
        Self { client, unread: String::new() }
    }

    /// Reads the lines up to the next empty one.
    fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                return block;
            }
            let chunk = self.client.read_chunk().expect("more");
            assert!(!chunk.is_empty(), "the stream has ended");
            self.unread += std::str::from_utf8(&chunk).expect("text");
        }
    }

    /// Reads the next event.
    pub fn next(&mut self) -> Event {
        loop {
            let block = self.block();
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim_start().to_owned())
            };
            let Some(name) = field("event:") else {
                continue;
            };
            let id = field("id:").map(|id| id.parse().expect("a number"));
            let data = serde_json::from_str(&field("data:").expect("data")).expect("JSON");
            return Event { name, id, data };
        }
    }

    /// Reads the next event about a job.
    pub fn next_job(&mut self) -> Event {
        loop {
            let event = self.next();
            if event.name == "job" {
                assert_eq!(event.id, event.data["changed"].as_i64());
                return event;
            }
        }
    }
}
