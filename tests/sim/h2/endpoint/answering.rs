//! What endpoints answer, and what goes wrong with it.

use super::{Alarm, Conn, MuxEndpoints};
use crate::h2::{fields, frame, outgoing::Outgoing, peer::Peer, plan::Mishap};
use engines::{Buf, Sock};
use std::time::Duration;

const QUEUED_MAX: usize = 8 << 10;
/// Frames that are no frames at all, or not now.
const GARBAGE: &[&[u8]] = &[
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0, 0, 1, 1, 4, 0, 0, 0, 1, 0xbf],
    &[0, 0, 4, 3, 0, 0, 0, 0, 99, 0, 0, 0, 0],
];

impl MuxEndpoints {
    pub(super) fn begin_answer(&mut self, sock: Sock, stream: u32) {
        let Some(conn) = self.conns.get_mut(&sock) else {
            return;
        };
        let Some(serving) = conn.serving.get_mut(&stream).filter(|s| !s.has_begun) else {
            return;
        };
        serving.has_begun = true;
        let (plan, peer, rng) = (&serving.plan, &mut conn.peer, &mut self.rng);
        let is_whole = plan.mishap == Mishap::None && plan.status == 200;
        self.ledger
            .borrow_mut()
            .promise(serving.id, is_whole.then_some(plan.len));
        let cut = match plan.mishap {
            Mishap::Silence => return,
            Mishap::Quit => return self.engine.close(sock),
            Mishap::Garbage => {
                conn.is_broken = true;
                peer.out
                    .extend_from_slice(GARBAGE[rng.index(GARBAGE.len())]);
                return;
            }
            Mishap::Cut(code) => Some((rng.below(plan.len + 1), code)),
            Mishap::None | Mishap::Refuse => None,
        };
        if plan.hint {
            peer.head(stream, &fields(&[(":status", "103"), ("link", "x")]), false);
        }
        if cut.is_some() && rng.chance(1, 2) {
            // Before the head.
            serving.answer = Some(Outgoing::of(serving.id, plan, Some((0, frame::CANCEL))));
            return;
        }
        let is_empty = serving.is_head || plan.len == 0 && !plan.trailers && rng.chance(1, 2);
        let ends = is_empty && cut.is_none();
        peer.head(stream, &plan.head(serving.id), ends);
        let mut answer = Outgoing::of(serving.id, plan, cut);
        answer.is_over = ends;
        if serving.is_head && !ends {
            (answer.len, answer.cut) = (0, cut.map(|(_, code)| (0, code)));
        }
        serving.answer = Some(answer);
    }

    /// Sends what may be sent now, every stream in turn.
    pub(super) fn push(&mut self, sock: Sock) {
        loop {
            let Some(conn) = self.conns.get_mut(&sock).filter(|c| !c.finished) else {
                return;
            };
            let mut moved = false;
            let is_full = conn.unsent >= QUEUED_MAX;
            if !is_full && !conn.is_resting {
                for (stream, serving) in &mut conn.serving {
                    let Some(answer) = &mut serving.answer else {
                        continue;
                    };
                    let most = 1 << self.rng.between(6, 14);
                    let pushed = answer.push(&mut conn.peer, *stream, most, &mut self.rng);
                    moved |= pushed.is_some();
                }
                conn.end_streams();
            }
            let out = conn.peer.take_out();
            if !out.is_empty() {
                conn.unsent += out.len();
                self.engine.send(sock, Buf::from(out));
            }
            if conn.slow && !conn.is_resting && (moved || is_full) {
                conn.is_resting = true;
                let after = Duration::from_millis(self.rng.between(1, 100));
                self.engine.after(after, Alarm::Push(sock));
                return;
            }
            if !moved {
                return self.maybe_finish(sock);
            }
        }
    }

    /// Ends behind GOAWAY, when everything is answered.
    fn maybe_finish(&mut self, sock: Sock) {
        if let Some(conn) = self.conns.get_mut(&sock)
            && conn.peer.our_last.is_some()
            && conn.serving.is_empty()
            && conn.peer.open_streams() == 0
        {
            conn.finished = true;
            self.engine.finish(sock);
        }
    }
}

impl Conn {
    /// Drops what is answered. Where the rest of a request is not wanted, it is told.
    fn end_streams(&mut self) {
        let peer = &mut self.peer;
        self.serving.retain(|stream, serving| {
            if !serving.answer.as_ref().is_some_and(|answer| answer.is_over) {
                return true;
            }
            let is_over = |peer: &Peer| peer.streams.get(stream).is_none_or(|s| s.is_over());
            if !is_over(peer) && serving.plan.stops {
                peer.reset(*stream, frame::NO_ERROR);
            }
            !is_over(peer)
        });
    }
}
