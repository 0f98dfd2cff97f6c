//! The addresses of this machine, by getifaddrs(3).
#![allow(unsafe_code)]

use std::{
    ffi::CStr,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ptr,
};

/// An address of a network interface that is up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InterfaceAddress {
    /// The name of the interface, such as eth0.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
}

/// The list of the C library, freed on drop.
struct List(*mut libc::ifaddrs);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: getifaddrs has returned this list, and nothing else frees it.
        unsafe { libc::freeifaddrs(self.0) };
    }
}

/// The addresses of all interfaces that are up, except for loopback ones.
pub fn interface_addresses() -> io::Result<Vec<InterfaceAddress>> {
    let mut first = ptr::null_mut();
    // SAFETY: the call writes one pointer.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let list = List(first);
    let mut found = Vec::new();
    let mut next = list.0;
    // SAFETY: the list ends with a null pointer, and lives as long as `list`.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        let flags = libc::c_int::try_from(entry.ifa_flags).unwrap_or_default();
        if flags & libc::IFF_UP == 0 || flags & libc::IFF_LOOPBACK != 0 {
            continue;
        }
        // SAFETY: the address is null or that of a socket address.
        if let Some(address) = unsafe { ip_address(entry.ifa_addr) } {
            // SAFETY: the name is a C string of the list.
            let name = unsafe { CStr::from_ptr(entry.ifa_name) };
            found
                .push(InterfaceAddress { interface: name.to_string_lossy().into_owned(), address });
        }
    }
    Ok(found)
}

/// The IP address of a socket address; `None` for null and for other families.
///
/// # Safety
/// The pointer is null, or leads to a socket address of the length that its family has.
unsafe fn ip_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as of this function.
    let family = libc::c_int::from(unsafe { address.as_ref() }?.sa_family);
    match family {
        libc::AF_INET => {
            // SAFETY: the family says what the pointer leads to; the read needs no alignment.
            let v4 = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in>()) };
            Some(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in6>()) };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}
