//! The limit of connections for each client address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::telemetry::{Gauge, Metrics};

/// Counts open connections, in total and by address. All I/O threads share it.
#[derive(Debug)]
pub struct Admission {
    metrics: Metrics,
    /// 0 means unlimited, and addresses are not counted.
    per_address: usize,
    /// One entry per address with open connections, so the connections bound it. Locked for a look-up
    /// when a connection opens and when it closes.
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// Counts an open connection until it is dropped.
#[derive(Debug)]
pub struct ConnectionGuard {
    _open: Gauge,
    counted: Option<(Arc<Admission>, IpAddr)>,
    is_within_limit: bool,
}

impl Admission {
    /// Allows each address `per_address` connections; 0 means unlimited.
    pub fn new(per_address: usize, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { metrics, per_address, addresses: Mutex::default() })
    }

    /// Counts a connection.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> ConnectionGuard {
        let open = self.metrics.connection();
        if self.per_address == 0 {
            return ConnectionGuard { _open: open, counted: None, is_within_limit: true };
        }
        let mut addresses = self.lock();
        let count = addresses.entry(address).or_default();
        *count += 1;
        let is_within_limit = *count <= self.per_address;
        ConnectionGuard { _open: open, counted: Some((Arc::clone(self), address)), is_within_limit }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionGuard {
    /// Whether the address was within its limit when this connection opened.
    pub fn is_within_limit(&self) -> bool {
        self.is_within_limit
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let Some((admission, address)) = &self.counted else {
            return;
        };
        let mut addresses = admission.lock();
        if let Some(count) = addresses.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_connect_again_when_its_connections_have_closed() {
        let admission = Admission::new(1, Metrics::default());
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = admission.admit(a);
        assert!(first.is_within_limit());
        assert!(!admission.admit(a).is_within_limit());
        assert!(admission.admit(b).is_within_limit());
        drop(first);
        assert!(admission.admit(a).is_within_limit());
        assert!(admission.lock().is_empty(), "addresses without connections are forgotten");
    }
}
