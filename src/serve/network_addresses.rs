//! The addresses under which other devices most likely reach this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::sys::net::{InterfaceAddress, interface_addresses};

/// The most addresses that are worth a look.
const ADDRESSES_MAX: usize = 4;

/// The beginnings of names of interfaces that lead to containers and virtual machines of this machine.
const VIRTUAL: [&str; 7] = ["docker", "br-", "veth", "virbr", "cni", "podman", "vmnet"];

/// The addresses of this machine in its networks, the most likely one first: that of the route to the
/// Internet, then IPv4 before IPv6. `with_v6`: also addresses of IPv6.
pub(super) fn network_addresses(with_v6: bool) -> Vec<IpAddr> {
    let found = interface_addresses().unwrap_or_default();
    let routed: Vec<_> = [routed_v4(), routed_v6()].into_iter().flatten().collect();
    choose(&found, &routed, with_v6)
}

fn choose(found: &[InterfaceAddress], routed: &[IpAddr], with_v6: bool) -> Vec<IpAddr> {
    let is_virtual = |name: &str| VIRTUAL.iter().any(|prefix| name.starts_with(prefix));
    let mut chosen: Vec<_> = found
        .iter()
        .filter(|found| !is_virtual(&found.interface) && is_for_others(found.address))
        .map(|found| found.address)
        .filter(|address| with_v6 || address.is_ipv4())
        .collect();
    // A machine has many addresses of IPv6, most of which are for a short time: one is enough.
    chosen.retain(|address| address.is_ipv4() || routed.contains(address));
    chosen.sort_by_key(|address| (address.is_ipv6(), !routed.contains(address)));
    chosen.dedup();
    chosen.truncate(ADDRESSES_MAX);
    chosen
}

/// Whether people can type the address on another device: link-local ones need the name of an interface.
fn is_for_others(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}

/// The address from which this machine would send to the Internet. Sends nothing.
fn routed_v4() -> Option<IpAddr> {
    source_address((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into())
}

/// As [`routed_v4`], for IPv6.
fn routed_v6() -> Option<IpAddr> {
    let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    source_address((Ipv6Addr::UNSPECIFIED, 0).into(), (documentation, 9).into())
}

fn source_address(from: SocketAddr, to: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    // Of a datagram socket this only chooses a route.
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_route_comes_first_and_containers_are_left_out() {
        let found = [
            ("docker0", "172.17.0.1"),
            ("eth1", "10.0.0.5"),
            ("eth0", "192.168.1.23"),
            ("eth0", "fe80::1"),
            ("eth0", "2001:db8::5"),
            ("eth0", "2001:db8::6"),
            ("eth2", "169.254.3.4"),
        ];
        let found = found.map(|(interface, address)| InterfaceAddress {
            interface: interface.into(),
            address: address.parse().expect("an address"),
        });
        let routed = ["192.168.1.23", "2001:db8::6"].map(|text| text.parse().expect("an address"));
        let chosen = |with_v6| {
            let chosen = choose(&found, &routed, with_v6);
            chosen.iter().map(IpAddr::to_string).collect::<Vec<_>>()
        };
        assert_eq!(chosen(true), ["192.168.1.23", "10.0.0.5", "2001:db8::6"]);
        assert_eq!(chosen(false), ["192.168.1.23", "10.0.0.5"]);
    }
}
