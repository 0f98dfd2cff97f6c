//! Which connections the server takes: at most a number in all, and each client's share of them.

use std::{io, net::IpAddr, sync::Arc};

use tokio::{net::TcpStream, sync::watch};

use crate::{
    shares::{ClientKey, REVOKED, Refused, Share, Shares},
    telemetry::{Gauge, Metrics},
};

/// The response to a connection that is not taken. A client without a place gets no more than this: a request
/// that is read, or a response that is waited for, would be a place.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Retry-After: 5\r\n\
    Connection: close\r\n\
    Cache-Control: no-store\r\n\
    Content-Length: 0\r\n\
    \r\n";

/// The label of connections in metrics.
const RESOURCE: &str = "connections";

/// Counts open connections, in total and by client. All I/O threads share it.
#[derive(Debug)]
pub struct Admission {
    shares: Shares,
    metrics: Metrics,
    /// The number of connections that are open and of threads that may still accept one.
    in_use: watch::Sender<usize>,
}

/// A connection that the server has taken, until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    share: Share,
    _open: Gauge,
    in_use: InUse,
}

/// One of those that [`Admission::ended`] waits for.
#[derive(Debug)]
pub(super) struct InUse(Arc<Admission>);

impl Admission {
    /// Takes `connections_max` connections, of which each client may have `per_client_max`; 0 sets no such
    /// limit.
    pub fn new(connections_max: usize, per_client_max: usize, metrics: Metrics) -> Arc<Self> {
        let shares = Shares::new(connections_max, per_client_max);
        Arc::new(Self { shares, metrics, in_use: watch::Sender::new(0) })
    }

    /// Takes a connection from this address.
    ///
    /// # Errors
    /// If the client has its limit or its share of all connections.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Admitted, Refused> {
        let taken = self.shares.take(ClientKey::from(address));
        let share =
            taken.inspect_err(|refused| self.metrics.refused(RESOURCE, refused.reason()))?;
        Ok(Admitted { share, _open: self.metrics.connection(), in_use: self.in_use() })
    }

    /// Notes a thread that may accept connections.
    pub(super) fn in_use(self: &Arc<Self>) -> InUse {
        self.in_use.send_modify(|count| *count += 1);
        InUse(Arc::clone(self))
    }

    /// Waits until no connection is open, and no thread accepts any.
    pub(super) async fn ended(&self) {
        // Never an error: this is the sender.
        let _ = self.in_use.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Admitted {
    /// Serves the connection to its end, or until another client takes its place over.
    pub(super) async fn serve(mut self, serving: impl Future<Output = ()>) {
        let serving = self.share.client().scope(serving);
        tokio::select! {
            biased;
            () = serving => {}
            () = self.share.revoked() => self.in_use.0.metrics.refused(RESOURCE, REVOKED),
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.in_use.send_modify(|count| *count -= 1);
    }
}

/// Closes a connection that is not taken, with a response if the socket accepts it at once.
pub(super) fn refuse(stream: &TcpStream) {
    // What the client has sent is read, as far as it has arrived: a close with unread bytes would be a
    // reset, which discards the response.
    let mut received = [0; 4096];
    let _: io::Result<usize> = stream.try_write(REFUSAL);
    let _: io::Result<usize> = stream.try_read(&mut received);
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    #[test]
    fn an_address_may_connect_again_when_its_connections_have_closed() {
        let admission = Admission::new(10, 1, Metrics::default());
        let first = admission.admit(A).expect("within its limit");
        assert_eq!(admission.admit(A).err(), Some(Refused::OwnLimit));
        admission.admit(B).expect("another address");
        drop(first);
        admission.admit(A).expect("within its limit again");
    }

    #[test]
    fn a_connection_ends_when_another_client_takes_its_place() {
        let admission = Admission::new(2, 0, Metrics::default());
        let first = admission.admit(A).expect("a free place");
        let newest = admission.admit(A).expect("a free place");
        let mut old = Box::pin(first.serve(std::future::pending()));
        let mut new = Box::pin(newest.serve(std::future::pending()));
        assert!((&mut new).now_or_never().is_none());
        let _other = admission.admit(B).expect("the newest place of the first address");
        assert!((&mut new).now_or_never().is_some());
        assert!((&mut old).now_or_never().is_none());
    }

    #[test]
    fn the_end_comes_when_nothing_is_open_and_no_thread_accepts() {
        let admission = Admission::new(2, 0, Metrics::default());
        let thread = admission.in_use();
        let connection = admission.admit(A).expect("a free place");
        let mut ended = Box::pin(admission.ended());
        assert!((&mut ended).now_or_never().is_none());
        drop(thread);
        assert!((&mut ended).now_or_never().is_none());
        drop(connection);
        assert!((&mut ended).now_or_never().is_some());
    }
}
