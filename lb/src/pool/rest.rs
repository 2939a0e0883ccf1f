//! Connections that carry one request at a time, between two requests.
//!
//! A connection whose answer has come in whole still owns the receive blocks that wait in a slow client's
//! queue. So many of them could keep it from receiving the next answer, and that one client's slowness
//! would be another's. It rests until they are home, or is closed if its place is needed.

use crate::{
    conn::{Conn, ConnKey},
    stream::Target,
    worker::{Todo, Worker},
};

impl Worker {
    /// A connection's answer is complete: it is free, or rests until `down` has taken the most of it.
    pub(crate) fn rest_or_put_free(&mut self, key: ConnKey, target: Target, down: ConnKey) {
        if self.is_shared(target) || !self.net.pins_many(down) {
            return self.put_free(key, target);
        }
        if let Some(down) = self.net.conns.get_mut(down) {
            down.add_resting(key);
        }
        self.pool(target).resting.push(key);
        self.todo.push_back(Todo::Serve(target));
    }

    /// More has left on a downstream connection: what rests because of it may be free now.
    pub(crate) fn end_rests(&mut self, down: ConnKey) {
        if self.net.pins_many(down) {
            return;
        }
        let Some(conn) = self.net.conns.get_mut(down) else {
            return;
        };
        for rested in conn.take_resting() {
            self.end_rest(rested);
        }
    }

    /// A connection's rest is over, if it still rests.
    pub(crate) fn end_rest(&mut self, key: ConnKey) {
        let Some(target) = self.net.conns.get(key).and_then(Conn::target) else {
            return;
        };
        let resting = &mut self.pool(target).resting;
        if let Some(at) = resting.iter().position(|other| *other == key) {
            resting.swap_remove(at);
            self.put_free(key, target);
        }
    }
}
