//! The streams that a connection carries.

use crate::stream::StreamKey;
use codecs::StreamId;

/// The streams of one connection, in the order of their names, which is that in which they began. A
/// single one, as HTTP/1 has it, needs no memory of its own.
#[derive(Debug, Default)]
pub(crate) enum Streams {
    #[default]
    None,
    One((StreamId, StreamKey)),
    /// At least one.
    Many(Vec<(StreamId, StreamKey)>),
}

impl Streams {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    pub(crate) fn find(&self, id: StreamId) -> Option<StreamKey> {
        match self {
            Self::None => None,
            Self::One((only, key)) => (*only == id).then_some(*key),
            Self::Many(all) => {
                let at = all.binary_search_by_key(&id, |(other, _)| *other).ok()?;
                Some(all[at].1)
            }
        }
    }

    /// Adds a stream that begins later than all others.
    pub(crate) fn push(&mut self, id: StreamId, key: StreamKey) {
        debug_assert!(self.last().is_none_or(|(last, _)| *last < id));
        match self {
            Self::None => *self = Self::One((id, key)),
            Self::One(first) => *self = Self::Many(vec![*first, (id, key)]),
            Self::Many(all) => all.push((id, key)),
        }
    }

    /// Drops a stream; the last one takes the memory along.
    pub(crate) fn remove(&mut self, id: StreamId) {
        let is_last = match self {
            Self::None => return,
            Self::One((only, _)) => *only == id,
            Self::Many(all) => {
                if let Ok(at) = all.binary_search_by_key(&id, |(other, _)| *other) {
                    all.remove(at);
                }
                all.is_empty()
            }
        };
        if is_last {
            *self = Self::None;
        }
    }
}

impl std::ops::Deref for Streams {
    type Target = [(StreamId, StreamKey)];
    fn deref(&self) -> &Self::Target {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(all) => all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engines::SlotKey;

    #[test]
    fn streams_come_and_go_in_any_number() {
        let key = |n: u64| StreamKey::from_parts(n as u32, 0);
        let mut streams = Streams::default();
        for n in 0..3 {
            assert_eq!(
                (streams.len(), streams.find(StreamId(n))),
                (n as usize, None)
            );
            streams.push(StreamId(n), key(n));
        }
        streams.remove(StreamId(1));
        assert_eq!(*streams, [(StreamId(0), key(0)), (StreamId(2), key(2))]);
        assert_eq!(streams.find(StreamId(2)), Some(key(2)));
        assert_eq!(streams.find(StreamId(1)), None);
        for n in [7, 0, 2] {
            streams.remove(StreamId(n));
        }
        assert!(matches!(streams, Streams::None));
        streams.push(StreamId(9), key(9));
        streams.remove(StreamId(8));
        assert_eq!(streams.find(StreamId(9)), Some(key(9)));
    }
}
