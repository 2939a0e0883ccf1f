//! [`SockAddr`] as the kernel writes it.

use crate::SockAddr;
use std::{
    ffi::OsStr,
    io, mem,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

const UNIX_PATH_OFFSET: usize = std::mem::offset_of!(libc::sockaddr_un, sun_path);
const UNIX_PATH_MAX: usize = size_of::<libc::sockaddr_un>() - UNIX_PATH_OFFSET;

/// A kernel address with room for any family. Must not move while the kernel uses it.
#[derive(Clone, Copy)]
pub(crate) struct RawAddr {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl RawAddr {
    /// Room for the kernel to write an address into.
    pub(crate) fn empty() -> Self {
        Self {
            // SAFETY: all zeroes is a valid sockaddr_storage (family AF_UNSPEC).
            storage: unsafe { mem::zeroed() },
            len: size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        }
    }

    pub(crate) fn encode(at: &SockAddr) -> io::Result<Self> {
        let mut raw = Self::empty();
        raw.len = match at {
            SockAddr::Inet(SocketAddr::V4(v4)) => raw.put(encode_v4(v4)),
            SockAddr::Inet(SocketAddr::V6(v6)) => raw.put(encode_v6(v6)),
            SockAddr::Unix(path) => {
                let (unix, len) = encode_unix(path.as_os_str().as_bytes())?;
                raw.put(unix);
                len
            }
        };
        Ok(raw)
    }

    /// `None` for a family that ringlb does not speak.
    pub(crate) fn decode(&self) -> Option<SockAddr> {
        match libc::c_int::from(self.storage.ss_family) {
            libc::AF_INET => Some(SocketAddr::V4(decode_v4(&self.view())).into()),
            libc::AF_INET6 => Some(SocketAddr::V6(decode_v6(&self.view())).into()),
            libc::AF_UNIX => Some(self.decode_unix()),
            _ => None,
        }
    }

    pub(crate) fn family(&self) -> libc::c_int {
        libc::c_int::from(self.storage.ss_family)
    }

    pub(crate) fn is_unix(&self) -> bool {
        self.family() == libc::AF_UNIX
    }

    pub(crate) fn len(&self) -> libc::socklen_t {
        self.len
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    /// Where the kernel writes an address and its length.
    pub(crate) fn as_mut_ptrs(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.len)
    }

    pub(crate) fn set_len(&mut self, len: libc::socklen_t) {
        self.len = len;
    }

    fn put<T: Copy>(&mut self, value: T) -> libc::socklen_t {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        // SAFETY: sockaddr_storage is large enough (asserted) and aligned for every sockaddr type.
        unsafe { (&raw mut self.storage).cast::<T>().write(value) };
        size_of::<T>() as libc::socklen_t
    }

    fn view<T: Copy>(&self) -> T {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        // SAFETY: as in `put`; the storage is always initialised and T is plain bytes.
        unsafe { (&raw const self.storage).cast::<T>().read() }
    }

    fn decode_unix(&self) -> SockAddr {
        let unix: libc::sockaddr_un = self.view();
        let len = (self.len as usize)
            .saturating_sub(UNIX_PATH_OFFSET)
            .min(UNIX_PATH_MAX);
        let mut bytes = unix.sun_path.map(|c| c as u8);
        if len > 0 && bytes[0] == 0 {
            bytes[0] = b'@';
            return unix_addr(&bytes[..len]);
        }
        let end = bytes[..len].iter().position(|b| *b == 0).unwrap_or(len);
        unix_addr(&bytes[..end])
    }
}

fn unix_addr(path: &[u8]) -> SockAddr {
    SockAddr::Unix(PathBuf::from(OsStr::from_bytes(path)))
}

fn encode_v4(at: &SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: at.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(at.ip().octets()),
        },
        sin_zero: [0; 8],
    }
}

fn encode_v6(at: &SocketAddrV6) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_port: at.port().to_be(),
        sin6_flowinfo: at.flowinfo(),
        sin6_addr: libc::in6_addr {
            s6_addr: at.ip().octets(),
        },
        sin6_scope_id: at.scope_id(),
    }
}

fn encode_unix(path: &[u8]) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    let is_abstract = path.first() == Some(&b'@');
    // A path ends with a NUL; an abstract name does not.
    let len = path.len() + usize::from(!is_abstract);
    if path.is_empty() || len > UNIX_PATH_MAX || path.contains(&0) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut sun_path = [0 as libc::c_char; UNIX_PATH_MAX];
    sun_path
        .iter_mut()
        .zip(path)
        .for_each(|(to, from)| *to = *from as libc::c_char);
    if is_abstract {
        sun_path[0] = 0;
    }
    let unix = libc::sockaddr_un {
        sun_family: libc::AF_UNIX as libc::sa_family_t,
        sun_path,
    };
    Ok((unix, (UNIX_PATH_OFFSET + len) as libc::socklen_t))
}

pub(crate) fn decode_v4(raw: &libc::sockaddr_in) -> SocketAddrV4 {
    let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
    SocketAddrV4::new(ip, u16::from_be(raw.sin_port))
}

pub(crate) fn decode_v6(raw: &libc::sockaddr_in6) -> SocketAddrV6 {
    let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
    SocketAddrV6::new(
        ip,
        u16::from_be(raw.sin6_port),
        raw.sin6_flowinfo,
        raw.sin6_scope_id,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_survives_the_kernel_form() {
        let scoped = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 443, 7, 3);
        let all = [
            SockAddr::Inet("192.0.2.1:80".parse().unwrap()),
            SockAddr::Inet("[2001:db8::1]:8080".parse().unwrap()),
            SockAddr::Inet(scoped.into()),
            SockAddr::Unix("/run/a.sock".into()),
            SockAddr::Unix("@abstract".into()),
        ];
        for at in all {
            assert_eq!(RawAddr::encode(&at).unwrap().decode(), Some(at));
        }
    }

    #[test]
    fn an_unusable_unix_path_is_refused() {
        for path in ["", &"x".repeat(108), "a\0b"] {
            assert!(RawAddr::encode(&SockAddr::Unix(path.into())).is_err());
        }
        assert!(RawAddr::encode(&SockAddr::Unix("x".repeat(107).into())).is_ok());
    }
}
