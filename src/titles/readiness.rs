//! One function for the fast path and the slow path: ready at once, or needs to wait.
//!
//! An async function that may have to wait takes a [`Waiting`], and calls [`Waiting::begin`] in front of
//! each await that starts work. The fast path polls the function once with waiting forbidden, by
//! [`if_ready`], and gets the value or `None`, without work in vain; the slow path awaits the same function
//! with waiting allowed. Slow branches are boxed, so that the future on the stack of the fast path stays
//! small.

use std::future::pending;

use futures::FutureExt as _;

/// Whether a caller can wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// A request in the App can wait.
    Allowed,
    /// The fast path cannot wait.
    Forbidden,
}

impl Waiting {
    /// Returns at once if waiting is allowed, and never if it is forbidden.
    pub async fn begin(self) {
        if self == Self::Forbidden {
            pending().await
        }
    }
}

/// Polls a future once, and returns its value if it is ready.
pub fn if_ready<F: Future>(future: F) -> Option<F::Output> {
    future.now_or_never()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_begins_only_where_waiting_is_allowed() {
        async fn value(cached: Option<u8>, waiting: Waiting) -> u8 {
            match cached {
                Some(cached) => cached,
                None => {
                    waiting.begin().await;
                    2
                }
            }
        }
        assert_eq!(if_ready(value(Some(1), Waiting::Forbidden)), Some(1));
        assert_eq!(if_ready(value(Some(1), Waiting::Allowed)), Some(1));
        assert_eq!(if_ready(value(None, Waiting::Forbidden)), None);
        assert_eq!(if_ready(value(None, Waiting::Allowed)), Some(2));
    }
}
