//! The streams that a connection carries.

use crate::stream::StreamKey;
use codecs::StreamId;

/// The streams of one connection. A single one, as HTTP/1 has it, needs no memory of its own.
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

    pub(crate) fn push(&mut self, id: StreamId, key: StreamKey) {
        match self {
            Self::None => *self = Self::One((id, key)),
            Self::One(first) => *self = Self::Many(vec![*first, (id, key)]),
            Self::Many(all) => all.push((id, key)),
        }
    }

    /// Drops the stream of that key; the last one takes the memory along.
    pub(crate) fn remove(&mut self, key: StreamKey) {
        let is_last = match self {
            Self::None => return,
            Self::One((_, only)) => *only == key,
            Self::Many(all) => {
                all.retain(|(_, other)| *other != key);
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
        let key = |n| StreamKey::from_parts(n, 0);
        let mut streams = Streams::default();
        for n in 0..3 {
            assert_eq!(streams.len(), n);
            streams.push(StreamId(n as u64), key(n as u32));
        }
        streams.remove(key(1));
        assert_eq!(*streams, [(StreamId(0), key(0)), (StreamId(2), key(2))]);
        streams.remove(key(7));
        streams.remove(key(0));
        streams.remove(key(2));
        assert!(matches!(streams, Streams::None));
        streams.push(StreamId(9), key(9));
        streams.remove(key(8));
        assert_eq!(streams.first(), Some(&(StreamId(9), key(9))));
    }
}
