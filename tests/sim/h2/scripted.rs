//! One end of an HTTP/2 connection for played scenes: what it says is scripted, its books are kept.

use super::{
    fields,
    frame::Settings,
    hpack::Fields,
    peer::{Peer, Role, Told},
    stream::Head,
};
use crate::stage::Stage;
use engines::{Rng, Sock};

pub(crate) struct Scripted {
    pub(crate) sock: Sock,
    pub(crate) peer: Peer,
    /// What was told so far.
    pub(crate) told: Vec<Told>,
    /// What is received of streams is given back to their windows.
    pub(crate) gives: bool,
    /// PINGs are answered, and all else that a peer answers by itself.
    pub(crate) is_mute: bool,
}

impl Scripted {
    pub(crate) fn client(stage: &mut Stage) -> Self {
        let settings = Settings {
            push: false,
            ..Settings::default()
        };
        let sock = stage.client();
        Self::new(sock, Role::Client, &settings)
    }

    /// The endpoint's side of the connection that was accepted as the `number`th.
    pub(crate) fn endpoint(stage: &Stage, number: usize, streams: usize) -> Self {
        let settings = Settings {
            streams,
            connect: true,
            ..Settings::default()
        };
        Self::new(stage.accepted(number), Role::Server, &settings)
    }

    fn new(sock: Sock, role: Role, settings: &Settings) -> Self {
        Self {
            sock,
            peer: Peer::new(role, settings, false, &mut Rng::seeded(1)),
            told: Vec::new(),
            gives: true,
            is_mute: false,
        }
    }

    /// Opens a stream.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, end: bool) -> u32 {
        self.ask_for(
            &[
                (":method", method),
                (":scheme", "http"),
                (":authority", "h"),
                (":path", "/"),
            ],
            end,
        )
    }

    #[track_caller]
    pub(crate) fn ask_for(&mut self, pairs: &[(&str, &str)], end: bool) -> u32 {
        self.peer.open(&fields(pairs), end).expect("a free stream")
    }

    /// Sends a whole answer, as far as windows allow; returns the bytes that were sent.
    pub(crate) fn answer(&mut self, stream: u32, len: usize) -> usize {
        let head: Fields = fields(&[(":status", "200")]);
        self.peer.head(stream, &head, false);
        self.push(stream, len)
    }

    /// Sends so many bytes as far as windows allow, and the end if all could be sent.
    pub(crate) fn push(&mut self, stream: u32, len: usize) -> usize {
        let mut left = len;
        loop {
            let part = left.min(self.peer.room(stream));
            if part == 0 && left > 0 {
                return len - left;
            }
            left -= part;
            self.peer.data(stream, &vec![b'b'; part], left == 0);
            if left == 0 {
                return len;
            }
        }
    }

    /// Exchanges what there is to say.
    #[track_caller]
    fn exchange(&mut self, stage: &mut Stage) {
        let told = self.peer.receive(&stage.bytes(self.sock));
        self.told.extend(told.unwrap());
        self.peer.give_conn(i64::MAX);
        if self.gives {
            let ids: Vec<u32> = self.peer.streams.keys().copied().collect();
            ids.iter().for_each(|id| self.peer.give(*id, i64::MAX));
        }
        let out = self.peer.take_out();
        if !out.is_empty() && !self.is_mute {
            stage.send(self.sock, out);
        }
    }

    /// The bytes of a stream's body that came, and whether all did.
    pub(crate) fn body(&self, stream: u32) -> (usize, bool) {
        let mut all = (0, false);
        for told in &self.told {
            if let Told::Data { id, bytes, end } = told
                && *id == stream
            {
                all = (all.0 + bytes.len(), *end);
            } else if let Told::Head { id, end, .. } = told
                && *id == stream
            {
                all.1 = *end;
            } else if let Told::Trailers { id, .. } = told
                && *id == stream
            {
                all.1 = true;
            }
        }
        all
    }

    fn heads(&self) -> impl DoubleEndedIterator<Item = (u32, &Head)> {
        self.told.iter().filter_map(|told| {
            let Told::Head { id, head, .. } = told else {
                return None;
            };
            Some((*id, head))
        })
    }

    pub(crate) fn status(&self, stream: u32) -> Option<u16> {
        let mut heads = self.heads().rev();
        let found = heads.find(|(id, _)| *id == stream);
        found.map(|(_, head)| head.status())
    }

    /// A field of the last head that came on a stream.
    pub(crate) fn field(&self, stream: u32, name: &str) -> Option<&str> {
        let mut heads = self.heads().rev();
        let found = heads.find(|(id, _)| *id == stream);
        found.and_then(|(_, head)| head.field(name))
    }

    /// The streams on which requests came.
    pub(crate) fn asked(&self) -> Vec<u32> {
        self.heads().map(|(id, _)| id).collect()
    }

    /// The GOAWAYs that came: last stream and code.
    pub(crate) fn farewells(&self) -> Vec<(u32, u32)> {
        let told = self.told.iter().filter_map(|told| {
            let Told::GoAway { last, code } = told else {
                return None;
            };
            Some((*last, *code))
        });
        told.collect()
    }
}

/// Lets all ends say what they have to, until nothing more comes of it.
#[track_caller]
pub(crate) fn settle(stage: &mut Stage, ends: &mut [&mut Scripted]) {
    for _ in 0..6 {
        for end in ends.iter_mut() {
            end.exchange(stage);
        }
        stage.settle();
    }
    for end in ends.iter_mut() {
        end.exchange(stage);
    }
}
