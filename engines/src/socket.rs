//! Small safe wrappers over the socket calls that the kernel engines share.
//!
//! Every descriptor made here is non-blocking and close-on-exec. A call that would block fails with
//! [`io::ErrorKind::WouldBlock`]; EINTR is retried.

use crate::{
    Kind, ListenOptions, SockAddr,
    sockaddr::{RawAddr, decode_v4, decode_v6},
};
use nix::sys::socket::{Backlog, SockType, getsockopt, listen as listen_on, setsockopt, sockopt};
use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
    path::Path,
};

const FLAGS: libc::c_int = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;

/// Opens a TCP or Unix listener.
pub(crate) fn listen(at: &SockAddr, options: &ListenOptions) -> io::Result<OwnedFd> {
    let raw = RawAddr::encode(at)?;
    let fd = open(raw.family(), libc::SOCK_STREAM)?;
    if let SockAddr::Inet(inet) = at {
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        share(&fd, inet, options)?;
    }
    match (bind_to(&fd, &raw), at) {
        (Err(e), SockAddr::Unix(path)) if e.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path, &raw).map_err(|_| e)?;
            bind_to(&fd, &raw)?;
        }
        (bound, _) => bound?,
    }
    let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
    listen_on(&fd, Backlog::new(backlog).unwrap_or(Backlog::MAXCONN))?;
    // Its connections inherit this.
    set_nodelay(fd.as_fd(), raw.family());
    Ok(fd)
}

/// Opens a UDP socket that tells to which local address each datagram came.
pub(crate) fn bind(at: &SockAddr, options: &ListenOptions) -> io::Result<OwnedFd> {
    let inet = at.inet().ok_or(io::ErrorKind::InvalidInput)?;
    let raw = RawAddr::encode(at)?;
    let fd = open(raw.family(), libc::SOCK_DGRAM)?;
    share(&fd, &inet, options)?;
    match inet {
        SocketAddr::V4(_) => setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) => setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    bind_to(&fd, &raw)?;
    Ok(fd)
}

/// A socket of the right family, ready to connect to `to`.
pub(crate) fn stream(to: &RawAddr) -> io::Result<OwnedFd> {
    let fd = open(to.family(), libc::SOCK_STREAM)?;
    set_nodelay(fd.as_fd(), to.family());
    Ok(fd)
}

/// A socket to connect to `to`, and the address as the kernel reads it.
pub(crate) fn dial(to: &SockAddr) -> io::Result<(OwnedFd, Box<RawAddr>)> {
    let target = RawAddr::encode(to)?;
    Ok((stream(&target)?, Box::new(target)))
}

/// Starts connecting; true when that is done already (Unix sockets).
pub(crate) fn connect(fd: BorrowedFd<'_>, to: &RawAddr) -> io::Result<bool> {
    // SAFETY: `to` holds a valid address of its length.
    let done = check(unsafe { libc::connect(fd.as_raw_fd(), to.as_ptr(), to.len()) });
    match done {
        Ok(_) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Takes the next connection out of a listener's queue. It has inherited that it sends without delay;
/// `blocks`: calls on it may wait.
pub(crate) fn accept(listener: BorrowedFd<'_>, blocks: bool) -> io::Result<(OwnedFd, SockAddr)> {
    let flags = if blocks { libc::SOCK_CLOEXEC } else { FLAGS };
    let mut raw = RawAddr::empty();
    let (at, len) = raw.as_mut_ptrs();
    let accepted = retry(|| {
        // SAFETY: `at` has room for `len` bytes.
        unsafe { libc::accept4(listener.as_raw_fd(), at, len, flags) }
    })?;
    // SAFETY: a fresh descriptor that nobody else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(accepted) };
    Ok((fd, raw.decode().unwrap_or_else(unnamed)))
}

/// True for a failed accept that says nothing about the listener: that one connection broke.
pub(crate) fn is_of_peer(accept: &io::Error) -> bool {
    const OF_PEER: [libc::c_int; 10] = [
        libc::ECONNABORTED,
        libc::EPERM,
        libc::EPROTO,
        libc::ENETDOWN,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::ENONET,
        libc::EHOSTUNREACH,
        libc::EOPNOTSUPP,
        libc::ENETUNREACH,
    ];
    accept.raw_os_error().is_some_and(|e| OF_PEER.contains(&e))
}

/// Sends without delay (TCP; other families have none).
pub(crate) fn set_nodelay(fd: BorrowedFd<'_>, family: libc::c_int) {
    if family == libc::AF_INET || family == libc::AF_INET6 {
        // Fails only on a connection that is gone already, which its next use will tell.
        let _ = setsockopt(&fd, sockopt::TcpNoDelay, &true);
    }
}

/// Makes a descriptor opened elsewhere fit for an engine.
pub(crate) fn prepare(fd: BorrowedFd<'_>, kind: Kind) -> io::Result<()> {
    let raw_fd = fd.as_raw_fd();
    // SAFETY: plain fcntl calls on an open descriptor.
    let flags = check(unsafe { libc::fcntl(raw_fd, libc::F_GETFL) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(raw_fd, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(raw_fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    let family = raw_local(fd)?.family();
    match kind {
        // A listener's connections inherit it.
        Kind::Stream | Kind::Listener => set_nodelay(fd, family),
        Kind::Datagram if family == libc::AF_INET6 => {
            setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        Kind::Datagram => setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?,
    }
    Ok(())
}

/// The socket's own address.
pub(crate) fn local(fd: BorrowedFd<'_>) -> Option<SockAddr> {
    raw_local(fd).ok()?.decode()
}

/// Whether it is a Unix socket.
pub(crate) fn is_unix(fd: BorrowedFd<'_>) -> bool {
    raw_local(fd).is_ok_and(|at| at.is_unix())
}

/// A listener's address if all its connections have just that one.
pub(crate) fn fixed_local(listener: BorrowedFd<'_>) -> Option<SockAddr> {
    local(listener).filter(|at| at.inet().is_none_or(|inet| !inet.ip().is_unspecified()))
}

/// The other end's address.
pub(crate) fn peer(fd: BorrowedFd<'_>) -> Option<SockAddr> {
    let mut raw = RawAddr::empty();
    let (at, len) = raw.as_mut_ptrs();
    // SAFETY: `at` has room for `len` bytes.
    check(unsafe { libc::getpeername(fd.as_raw_fd(), at, len) }).ok()?;
    raw.decode()
}

/// Where the peer meant to connect before the packet filter redirected it.
pub(crate) fn original_dst(fd: BorrowedFd<'_>) -> Option<SockAddr> {
    let is_v4 = match local(fd)?.inet()?.ip() {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => ip.to_ipv4_mapped().is_some(),
    };
    let at = if is_v4 {
        SocketAddr::V4(decode_v4(&getsockopt(&fd, sockopt::OriginalDst).ok()?))
    } else {
        SocketAddr::V6(decode_v6(&getsockopt(&fd, sockopt::Ip6tOriginalDst).ok()?))
    };
    Some(at.into())
}

/// Takes the socket's pending error.
pub(crate) fn take_error(fd: BorrowedFd<'_>) -> io::Result<()> {
    match getsockopt(&fd, sockopt::SocketError)? {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Half-closes: FIN goes out behind what was sent.
pub(crate) fn finish(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: a plain call on an open descriptor.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) }).map(drop)
}

/// Has the next close of a TCP connection reset it, whatever was sent before; false where there is no
/// reset (Unix sockets).
pub(crate) fn reset_on_close(fd: BorrowedFd<'_>) -> bool {
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // A connection that is gone already refuses: there is nobody to be told.
    !is_unix(fd) && setsockopt(&fd, sockopt::Linger, &at_once).is_ok()
}

/// Reads into `room`; 0 is the peer's FIN.
pub(crate) fn receive(fd: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<usize> {
    let (start, flags) = (room.as_mut_ptr().cast(), libc::MSG_DONTWAIT);
    retry_len(|| {
        // SAFETY: `room` is writable for its length.
        unsafe { libc::recv(fd.as_raw_fd(), start, room.len(), flags) }
    })
}

/// Reads into the parts, one after the other, in one call; 0 is the peer's FIN.
pub(crate) fn receive_parts(
    fd: BorrowedFd<'_>,
    parts: &mut [io::IoSliceMut<'_>],
) -> io::Result<usize> {
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSliceMut has the layout of iovec.
    message.msg_iov = parts.as_mut_ptr().cast();
    message.msg_iovlen = parts.len();
    retry_len(|| {
        // SAFETY: `message` points to `parts`, each writable for its length, that outlive the call.
        unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) }
    })
}

/// Sends the parts in one call; fewer bytes may go than there are. `more`: a half-close follows at once.
pub(crate) fn send(fd: BorrowedFd<'_>, parts: &[io::IoSlice<'_>], more: bool) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSlice has the layout of iovec; sendmsg only reads.
    message.msg_iov = parts.as_ptr().cast_mut().cast();
    message.msg_iovlen = parts.len();
    retry_len(|| {
        // SAFETY: `message` points to `parts`, which outlive the call.
        unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, flags) }
    })
}

/// The address of an unnamed peer.
pub(crate) fn unnamed() -> SockAddr {
    SockAddr::Unix(std::path::PathBuf::new())
}

/// A system call's result of -1 as the error it stands for.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

pub(crate) fn retry_len(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        if let Ok(len) = usize::try_from(call()) {
            return Ok(len);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn retry(mut call: impl FnMut() -> libc::c_int) -> io::Result<libc::c_int> {
    retry_len(|| call() as libc::ssize_t).map(|value| value as libc::c_int)
}

fn open(family: libc::c_int, kind: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: a plain call.
    let fd = check(unsafe { libc::socket(family, kind | FLAGS, 0) })?;
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn share(fd: &OwnedFd, at: &SocketAddr, options: &ListenOptions) -> io::Result<()> {
    if options.reuse_port {
        setsockopt(fd, sockopt::ReusePort, &true)?;
    }
    if at.is_ipv6() {
        setsockopt(fd, sockopt::Ipv6V6Only, &options.v6_only)?;
    }
    Ok(())
}

fn bind_to(fd: &OwnedFd, at: &RawAddr) -> io::Result<()> {
    // SAFETY: `at` holds a valid address of its length.
    check(unsafe { libc::bind(fd.as_raw_fd(), at.as_ptr(), at.len()) }).map(drop)
}

/// Removes a socket file that nobody listens on.
fn remove_stale(path: &Path, at: &RawAddr) -> io::Result<()> {
    let in_use = || io::Error::from(io::ErrorKind::AddrInUse);
    // Connecting to a file of another type is refused too; such a file is not ours to remove.
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(in_use());
    }
    match connect(stream(at)?.as_fd(), at) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(_) | Err(_) => Err(in_use()),
    }
}

fn raw_local(fd: BorrowedFd<'_>) -> io::Result<RawAddr> {
    let mut raw = RawAddr::empty();
    let (at, len) = raw.as_mut_ptrs();
    // SAFETY: `at` has room for `len` bytes.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), at, len) })?;
    Ok(raw)
}

/// What a descriptor handed over by the environment is.
pub(crate) fn kind_of(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    if getsockopt(&fd, sockopt::SockType)? == SockType::Datagram {
        Ok(Kind::Datagram)
    } else if getsockopt(&fd, sockopt::AcceptConn)? {
        Ok(Kind::Listener)
    } else {
        Ok(Kind::Stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(name: &str) -> SockAddr {
        let name = format!("ringlb-{}-{name}", std::process::id());
        SockAddr::Unix(std::env::temp_dir().join(name))
    }

    fn path(at: &SockAddr) -> &Path {
        match at {
            SockAddr::Unix(path) => path,
            SockAddr::Inet(_) => unreachable!(),
        }
    }

    #[test]
    fn a_stale_socket_file_is_replaced_and_a_live_one_is_not() {
        let (at, options) = (unix("stale"), ListenOptions::default());
        drop(listen(&at, &options).unwrap());
        let live = listen(&at, &options).unwrap();
        let second = listen(&at, &options).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(local(live.as_fd()), Some(at.clone()));
        fs::remove_file(path(&at)).unwrap();
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_removed() {
        let at = unix("file");
        fs::write(path(&at), b"precious").unwrap();
        assert!(listen(&at, &ListenOptions::default()).is_err());
        assert_eq!(fs::read(path(&at)).unwrap(), b"precious");
        fs::remove_file(path(&at)).unwrap();
    }

    #[test]
    fn a_descriptor_tells_what_it_is() {
        let options = ListenOptions::default();
        let at = SockAddr::Inet("127.0.0.1:0".parse().unwrap());
        let listener = listen(&at, &options).unwrap();
        assert_eq!(kind_of(listener.as_fd()).unwrap(), Kind::Listener);
        assert_eq!(
            kind_of(bind(&at, &options).unwrap().as_fd()).unwrap(),
            Kind::Datagram
        );
        assert!(fixed_local(listener.as_fd()).is_some());
    }
}
