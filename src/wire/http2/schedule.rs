//! The order in which the responses of a connection send their pieces.

use std::collections::VecDeque;

use actix_web::http::header::HeaderName;

use super::stream::SendingStream;
use crate::wire::fields::Fields;

/// The urgency of a request that names none (RFC 9218 section 4.1).
const DEFAULT_URGENCY: u8 = 3;

/// The priority of a response (RFC 9218).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Priority {
    /// From 0, the most urgent, to 7.
    urgency: u8,
    /// Whether the response takes turns with others of its urgency. One that does not is sent to its end
    /// first: only if the client asks for that, because it knows which responses are long.
    takes_turns: bool,
}

impl Priority {
    /// The priority of a request.
    pub(super) fn from_fields(fields: &impl Fields) -> Self {
        const PRIORITY: HeaderName = HeaderName::from_static("priority");
        let mut priority = Self { urgency: DEFAULT_URGENCY, takes_turns: true };
        let Some(value) = fields.only(&PRIORITY) else {
            return priority;
        };
        priority.takes_turns = false;
        for parameter in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            match parameter {
                [b'u', b'=', digit @ b'0'..=b'7'] => priority.urgency = digit - b'0',
                b"i" | b"i=?1" => priority.takes_turns = true,
                _ => {}
            }
        }
        priority
    }
}

/// The responses that have something to send, the next one first.
pub(super) struct Schedule<T> {
    queue: VecDeque<Box<SendingStream<T>>>,
}

impl<T> Schedule<T> {
    pub(super) fn new() -> Self {
        Self { queue: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Adds a response behind those of its urgency.
    pub(super) fn push(&mut self, stream: Box<SendingStream<T>>) {
        let urgency = stream.priority.urgency;
        let place = self.queue.partition_point(|other| other.priority.urgency <= urgency);
        self.queue.insert(place, stream);
    }

    /// Takes a response out.
    pub(super) fn take(&mut self, place: usize) -> Option<Box<SendingStream<T>>> {
        self.queue.remove(place)
    }

    /// Returns a response that was taken from this place, and that may send more.
    pub(super) fn put_back(&mut self, place: usize, stream: Box<SendingStream<T>>) {
        match stream.priority.takes_turns {
            true => self.push(stream),
            false => self.queue.insert(place, stream),
        }
    }

    /// Returns a response that cannot send to its place.
    pub(super) fn keep(&mut self, place: usize, stream: Box<SendingStream<T>>) {
        self.queue.insert(place, stream);
    }

    /// Drops responses.
    pub(super) fn retain(&mut self, keeps: impl FnMut(&mut Box<SendingStream<T>>) -> bool) {
        self.queue.retain_mut(keeps);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderValue};

    use super::*;

    #[test]
    fn priorities_are_parsed_and_unknown_parameters_ignored() {
        let priority = |value: &'static str| {
            let name = HeaderName::from_static("priority");
            let fields: HeaderMap = [(name, HeaderValue::from_static(value))].into_iter().collect();
            let Priority { urgency, takes_turns } = Priority::from_fields(&fields);
            (urgency, takes_turns)
        };
        assert_eq!(priority("u=1, i"), (1, true));
        assert_eq!(priority("u=0"), (0, false));
        assert_eq!(priority("i=?1,u=7"), (7, true));
        assert_eq!(priority("u=8, x=y, i=?0"), (DEFAULT_URGENCY, false));
        let none = Priority::from_fields(&HeaderMap::new());
        assert_eq!(none, Priority { urgency: DEFAULT_URGENCY, takes_turns: true });
    }
}
