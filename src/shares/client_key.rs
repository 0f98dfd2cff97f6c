//! On whose account the server works.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

tokio::task_local! {
    static CURRENT: ClientKey;
}

/// The account of a piece of work: a client's address, or the server itself.
///
/// A connection is one task, and everything that it waits for is on its client's account. So the key belongs
/// to the task, as a task-local value that [`scope`](Self::scope) sets once for each connection: a read of a
/// [`Source`](crate::extent::Source) deep in a body finds it without a parameter in every signature between.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ClientKey {
    /// The server's own work: scans, housekeeping, workers.
    Server,
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address: a network that usually belongs to one subscriber, who may use
    /// any address in it.
    V6(u64),
}

impl ClientKey {
    /// The key of the present task; [`Server`](Self::Server) outside of all scopes.
    pub fn current() -> Self {
        CURRENT.try_with(|key| *key).unwrap_or(Self::Server)
    }

    /// Does the work of a future on this account.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }
}

impl From<IpAddr> for ClientKey {
    fn from(address: IpAddr) -> Self {
        // An IPv4 client of a socket that listens on IPv6 has a mapped address.
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(network(address)),
        }
    }
}

/// `192.0.2.1`, or `2001:db8:1:2::` for a network.
impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("server"),
            Self::V4(address) => address.fmt(f),
            Self::V6(network) => Ipv6Addr::from_bits(u128::from(*network) << 64).fmt(f),
        }
    }
}

/// The first 64 bits of an address.
fn network(address: Ipv6Addr) -> u64 {
    u64::try_from(address.to_bits() >> 64).expect("64 bits are left")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn key(address: &str) -> ClientKey {
        address.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }

    #[test]
    fn a_mapped_ipv4_address_is_the_ipv4_address() {
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("::ffff:192.0.2.1"), key("::ffff:192.0.2.2"));
    }

    #[test]
    fn a_key_is_shown_as_an_address() {
        assert_eq!(key("192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(key("2001:db8:1:2:3::4").to_string(), "2001:db8:1:2::");
    }

    #[test]
    fn work_outside_of_a_connection_is_the_servers() {
        let client = key("192.0.2.1");
        let current = client.scope(async { ClientKey::current() });
        assert_eq!(current.now_or_never(), Some(client));
        assert_eq!(ClientKey::current(), ClientKey::Server);
    }
}
