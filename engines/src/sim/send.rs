//! Sending what is queued: one gathered segment, as far as the network takes it.

use super::{SimEngine, socket::NetKey};
use crate::{BufList, Event, Sock, outlet::Finish};
use std::io;

impl SimEngine {
    pub(super) fn send_queued(&mut self, sock: Sock, key: NetKey, events: &mut Vec<Event>) {
        let Some(entry) = self.live(sock) else { return };
        let Some(queued) = entry.outlet.queue().map(BufList::len) else {
            return self.finish_if_asked(sock, key);
        };
        let mut world = self.net.world();
        let sent = match world.room(key) {
            Ok(0) => return,
            Ok(room) => {
                let bytes = world.cut_send(queued.min(room));
                let queue = self.entries.get(sock).and_then(|e| e.outlet.queue());
                let data = queue.map_or_else(Vec::new, |queue| first_bytes(queue, bytes));
                world.write(key, data).map(|()| bytes)
            }
            Err(code) => Err(code),
        };
        drop(world);
        match sent {
            Ok(bytes) => self.on_sent(sock, bytes, events),
            Err(code) => self.fail(sock, io::Error::from_raw_os_error(code)),
        }
    }

    fn on_sent(&mut self, sock: Sock, bytes: usize, events: &mut Vec<Event>) {
        let Some(entry) = self.entries.get_mut(sock) else {
            return;
        };
        let (own, relayed) = entry.outlet.advance(bytes, &mut self.spares);
        let done = entry.has_sent_all();
        if !done {
            self.mark(sock);
        }
        if own > 0 {
            events.push(Event::Sent { sock, bytes: own });
        }
        if relayed > 0 {
            self.on_relayed(sock, relayed);
        }
    }

    fn finish_if_asked(&mut self, sock: Sock, key: NetKey) {
        let Some(entry) = self.entries.get_mut(sock) else {
            return;
        };
        if entry.outlet.is_to_finish() {
            entry.outlet.finish = Finish::Done;
            self.net.world().half_close(key);
            self.on_half_closed(sock);
        }
    }

    pub(super) fn send_datagrams(&mut self, sock: Sock, key: NetKey) {
        let Some(entry) = self.entries.get_mut(sock) else {
            return;
        };
        for datagram in entry.datagrams.drain(..) {
            let sent = self.net.world().send_packet(key, &datagram);
            self.counters.datagrams_dropped += u64::from(!sent);
        }
    }
}

fn first_bytes(queue: &BufList, bytes: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(bytes);
    for buf in queue.iter() {
        let part = buf.len().min(bytes - data.len());
        data.extend_from_slice(&buf[..part]);
        if data.len() == bytes {
            break;
        }
    }
    data
}
