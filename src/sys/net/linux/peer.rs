//! The other end of a connection, if it is a socket of this machine (`sock_diag(7)`).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
};

use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use socket2::SockRef;

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `NLMSG_ERROR` and `NLM_F_REQUEST` of linux/netlink.h.
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
/// As the request has them, in one byte.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// The sizes of `nlmsghdr`, of `inet_diag_req_v2` behind it, and the offset of `idiag_rqueue` in the response.
const HEADER_BYTES: usize = 16;
const REQUEST_BYTES: usize = HEADER_BYTES + 56;
const QUEUE_AT: usize = HEADER_BYTES + 56;
/// The offset of `idiag_state`, and the state of a listening socket, whose queue holds connections.
const STATE_AT: usize = HEADER_BYTES + 1;
const TCP_LISTEN: u8 = 10;

/// The received bytes that the program at the other end has not read; `None` if that socket is on another
/// machine or in another network namespace.
///
/// Over loopback the kernel passes packets on without a copy: a page that was sent by reference is referred
/// to until that program has read it.
pub fn unread_by_local_peer(socket: impl AsFd) -> io::Result<Option<usize>> {
    let socket = SockRef::from(&socket);
    let address =
        |address: socket2::SockAddr| address.as_socket().ok_or(io::ErrorKind::Unsupported);
    let (ours, theirs) = (address(socket.local_addr()?)?, address(socket.peer_addr()?)?);
    let channel = net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    net::send(&channel, &request(theirs, ours), SendFlags::DONTWAIT)?;
    let mut response = [0; 1024];
    let (length, _) = net::recv(&channel, &mut response[..], RecvFlags::DONTWAIT)?;
    parse(&response[..length])
}

/// A request for the TCP socket with these addresses.
fn request(local: SocketAddr, remote: SocketAddr) -> [u8; REQUEST_BYTES] {
    let (local_ip, remote_ip) = (local.ip().to_canonical(), remote.ip().to_canonical());
    let family = if local_ip.is_ipv4() { AF_INET } else { AF_INET6 };
    let mut request = [0; REQUEST_BYTES];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        request[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    // The header: length, type, flags, sequence, port.
    put(&u32::try_from(REQUEST_BYTES).unwrap_or(0).to_ne_bytes());
    put(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(&NLM_F_REQUEST.to_ne_bytes());
    put(&[0; 8]);
    // Family, protocol, no extensions, padding; all states.
    put(&[family, IPPROTO_TCP, 0, 0]);
    put(&u32::MAX.to_ne_bytes());
    // The addresses, any interface, no cookie.
    put(&local.port().to_be_bytes());
    put(&remote.port().to_be_bytes());
    put(&octets(local_ip));
    put(&octets(remote_ip));
    put(&0_u32.to_ne_bytes());
    put(&[0xff; 8]);
    request
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&address.octets());
            octets
        }
    }
}

/// The unread bytes in a response; `None` if there is no such connection here.
fn parse(response: &[u8]) -> io::Result<Option<usize>> {
    let word = |at: usize| response.get(at..at + 4)?.first_chunk().copied();
    let kind = response.get(4..6).and_then(|kind| kind.first_chunk().copied());
    match kind.map(u16::from_ne_bytes) {
        Some(SOCK_DIAG_BY_FAMILY) if response.get(STATE_AT) == Some(&TCP_LISTEN) => Ok(None),
        Some(SOCK_DIAG_BY_FAMILY) => {
            let queue = word(QUEUE_AT).map(u32::from_ne_bytes).unwrap_or_default();
            Ok(Some(usize::try_from(queue).unwrap_or(usize::MAX)))
        }
        Some(NLMSG_ERROR) => {
            let error = word(HEADER_BYTES).map_or(0, i32::from_ne_bytes).saturating_neg();
            match error {
                // There is no such socket here.
                libc::ENOENT => Ok(None),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };

    use super::{
        super::{unacknowledged_bytes, unsent_bytes},
        *,
    };

    #[test]
    fn unread_bytes_of_a_peer_on_this_machine_are_counted() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // Not every machine has IPv6.
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let address = listener.local_addr().expect("an address");
            let mut client = TcpStream::connect(address).expect("a connection");
            let (mut server, _) = listener.accept().expect("a connection");
            let unread = |server: &TcpStream| unread_by_local_peer(server).expect("a count");
            assert_eq!(unread(&server), Some(0), "{address}");
            server.write_all(&[7; 1234]).expect("written");
            assert_eq!(unread(&server), Some(1234), "{address}");
            client.read_exact(&mut [0; 1000]).expect("read");
            assert_eq!(unread(&server), Some(234), "{address}");
            assert_eq!(unacknowledged_bytes(&server).expect("a count"), 0, "{address}");
        }
    }

    #[test]
    fn a_peer_on_another_machine_has_no_count() {
        let mut response = [0; HEADER_BYTES + 4];
        response[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        response[HEADER_BYTES..].copy_from_slice(&(-libc::ENOENT).to_ne_bytes());
        assert_eq!(parse(&response).expect("a response"), None);
        response[HEADER_BYTES..].copy_from_slice(&(-libc::EPERM).to_ne_bytes());
        assert!(parse(&response).is_err());
    }

    #[test]
    fn bytes_that_fit_into_no_window_are_unsent() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address"));
        let (mut server, _) = listener.accept().expect("a connection");
        server.set_nonblocking(true).expect("set");
        server.write_all(&[7; 1000]).expect("written");
        assert_eq!(unsent_bytes(&server).expect("a count"), 0);
        while server.write(&[7; 100_000]).is_ok() {}
        let unsent = unsent_bytes(&server).expect("a count");
        assert!(unsent > 0 && unsent <= unacknowledged_bytes(&server).expect("a count"));
        drop(client);
    }
}
