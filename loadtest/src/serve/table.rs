//! What belongs to each socket.
//!
//! Values are found by the socket's index. The engine may give an index to a new socket while the last
//! events of the old one still wait in this turn's list: until its `Closed` was seen, the old value is
//! kept aside.

use engines::{SlotKey, Sock};

/// Values by socket.
#[derive(Debug)]
pub(super) struct Table<T> {
    by_index: Vec<Option<(Sock, T)>>,
    /// Those whose index another socket has now; seldom any.
    ending: Vec<(Sock, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            by_index: Vec::new(),
            ending: Vec::new(),
        }
    }
}

impl<T> Table<T> {
    pub(super) fn insert(&mut self, sock: Sock, value: T) {
        let index = sock.index() as usize;
        if self.by_index.len() <= index {
            self.by_index.resize_with(index + 1, || None);
        }
        self.ending
            .extend(self.by_index[index].replace((sock, value)));
    }

    pub(super) fn find(&mut self, sock: Sock) -> Option<&mut T> {
        let current = self.by_index.get_mut(sock.index() as usize)?.as_mut()?;
        if current.0 == sock {
            return Some(&mut current.1);
        }
        let ending = self.ending.iter_mut().find(|(other, _)| *other == sock);
        ending.map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, sock: Sock) {
        match self.by_index.get_mut(sock.index() as usize) {
            Some(found) if found.as_ref().is_some_and(|(of, _)| *of == sock) => *found = None,
            Some(_) | None => self.ending.retain(|(other, _)| *other != sock),
        }
    }

    /// The socket that has this index now.
    pub(super) fn sock_at(&self, index: u32) -> Option<Sock> {
        let found = self.by_index.get(index as usize)?.as_ref();
        found.map(|(sock, _)| *sock)
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.by_index.iter().flatten().count() + self.ending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_when_another_socket_gets_its_index() {
        let (old, new) = (Sock::from_parts(3, 0), Sock::from_parts(3, 1));
        let mut table = Table::default();
        table.insert(old, 1);
        table.insert(new, 2);
        assert_eq!(
            (table.find(old).copied(), table.find(new).copied()),
            (Some(1), Some(2))
        );
        table.remove(old);
        assert_eq!((table.find(old).copied(), table.len()), (None, 1));
        assert_eq!(table.sock_at(3), Some(new));
        table.remove(old);
        table.remove(new);
        assert_eq!((table.find(new).copied(), table.len()), (None, 0));
    }
}
