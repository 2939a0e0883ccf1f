//! Whose each socket is.
//!
//! Sockets are found by their index. The engine may give an index to a new socket while the last events
//! of the old one still wait in this turn's list: until its `Closed` was seen, the old one is kept aside.

use crate::worker::Owner;
use engines::{SlotKey, Sock};

/// Of a socket; its index is its place.
type Generation = u32;

/// An idle connection costs this much, of which there may be very many.
const _: () = assert!(size_of::<Option<(Generation, Owner)>>() <= 16);

/// The owners of a worker's sockets.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    by_index: Vec<Option<(Generation, Owner)>>,
    /// Those whose index another socket has now; seldom any.
    ending: Vec<(Sock, Owner)>,
}

impl Owners {
    pub(crate) fn set(&mut self, sock: Sock, owner: Owner) {
        let index = sock.index() as usize;
        if self.by_index.len() <= index {
            self.by_index.resize(index + 1, None);
        }
        let before = self.by_index[index].replace((sock.generation(), owner));
        let before = before.filter(|(generation, _)| *generation != sock.generation());
        self.ending.extend(
            before.map(|(generation, owner)| (Sock::from_parts(sock.index(), generation), owner)),
        );
    }

    pub(crate) fn remove(&mut self, sock: Sock) {
        match self.by_index.get_mut(sock.index() as usize) {
            Some(found @ Some(_)) if found.is_some_and(|(of, _)| of == sock.generation()) => {
                *found = None;
            }
            Some(_) | None => self.ending.retain(|(other, _)| *other != sock),
        }
    }

    pub(crate) fn find(&self, sock: Sock) -> Option<Owner> {
        let current = self.by_index.get(sock.index() as usize).copied().flatten();
        let found = current.filter(|(generation, _)| *generation == sock.generation());
        if let Some((_, owner)) = found {
            return Some(owner);
        }
        let ending = self.ending.iter().find(|(other, _)| *other == sock);
        ending.map(|(_, owner)| *owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_keeps_its_owner_when_another_gets_its_index() {
        let mut owners = Owners::default();
        let (old, new) = (Sock::from_parts(3, 0), Sock::from_parts(3, 1));
        let owner = |owners: &Owners, sock| match owners.find(sock) {
            Some(Owner::Listener(index)) => Some(index),
            Some(Owner::Arrival(_) | Owner::Conn(_) | Owner::Tunnel(_)) | None => None,
        };
        owners.set(old, Owner::Listener(1));
        owners.set(new, Owner::Listener(2));
        assert_eq!(
            (owner(&owners, old), owner(&owners, new)),
            (Some(1), Some(2))
        );
        owners.remove(old);
        assert_eq!((owner(&owners, old), owner(&owners, new)), (None, Some(2)));
        owners.remove(old);
        owners.remove(new);
        assert_eq!(owner(&owners, new), None);
        assert!(owners.ending.is_empty());
    }
}
