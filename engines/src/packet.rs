//! Receiving and sending UDP datagrams together with our own address.

use crate::{Buf, Datagram, SockAddr, sockaddr::RawAddr, socket};
use std::{
    io, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsRawFd, BorrowedFd},
};

/// Room for one IP_PKTINFO or IPV6_PKTINFO, aligned as `cmsghdr` wants.
#[repr(C, align(8))]
pub(crate) struct Control([u8; 64]);

/// Takes one datagram by way of `room`.
pub(crate) fn receive(fd: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<Datagram> {
    let (mut from, mut control) = (RawAddr::empty(), Control([0; 64]));
    let mut part = libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    };
    let mut message = header(&mut part, &mut control);
    message.msg_name = from.as_mut_ptrs().0.cast();
    message.msg_namelen = from.len();
    let bytes = socket::retry_len(|| {
        // SAFETY: all that `message` points to outlives the call.
        unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, 0) }
    })?;
    from.set_len(message.msg_namelen);
    Ok(Datagram {
        peer: from.decode().unwrap_or_else(socket::unnamed),
        local: local_of(&message),
        data: Buf::copy_of(&room[..bytes]),
    })
}

/// Sends one datagram, from `local` where given.
pub(crate) fn send(
    fd: BorrowedFd<'_>,
    peer: &SockAddr,
    local: Option<IpAddr>,
    data: &[u8],
) -> io::Result<()> {
    let mut to = RawAddr::encode(peer)?;
    let mut control = Control([0; 64]);
    let mut part = libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    let mut message = header(&mut part, &mut control);
    message.msg_namelen = to.len();
    message.msg_name = to.as_mut_ptrs().0.cast();
    message.msg_controllen = 0;
    if let Some(local) = local {
        put_local(&mut message, local);
    }
    socket::retry_len(|| {
        // SAFETY: all that `message` points to outlives the call, which only reads.
        unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) }
    })
    .map(drop)
}

/// The local address among a received message's control data.
pub(crate) fn local_of(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel filled the control data that `message` points to.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: null or a header within the control data.
    while let Some(header) = unsafe { next.as_ref() } {
        // SAFETY: the payload of `header`.
        let data = unsafe { libc::CMSG_DATA(header) };
        match (header.cmsg_level, header.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // SAFETY: the kernel wrote an in_pktinfo.
                let info = unsafe { data.cast::<libc::in_pktinfo>().read_unaligned() };
                return Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // SAFETY: the kernel wrote an in6_pktinfo.
                let info = unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() };
                return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
            }
            _ => {}
        }
        // SAFETY: `header` lies within the control data.
        next = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

fn header(part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    message
}

fn put_local(message: &mut libc::msghdr, local: IpAddr) {
    match local {
        IpAddr::V4(ip) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from_ne_bytes(ip.octets()),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            put_control(message, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        IpAddr::V6(ip) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: ip.octets(),
                },
                ipi6_ifindex: 0,
            };
            put_control(message, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
}

fn put_control<T>(message: &mut libc::msghdr, level: i32, kind: i32, value: T) {
    let len = size_of::<T>() as u32;
    // SAFETY: only arithmetic.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(len) } as usize;
    debug_assert!(message.msg_controllen <= size_of::<Control>());
    // SAFETY: `msg_control` points to a `Control`, which has room for this one header and value.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        (*header).cmsg_len = libc::CMSG_LEN(len) as usize;
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(value);
    }
}
