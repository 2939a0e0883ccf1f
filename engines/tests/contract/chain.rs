//! A connection through a proxy that relays: client — proxy — endpoint, each on an engine of its own.

use super::{
    lab::{End, Family, Lab},
    world::World,
};

/// A connection through a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    pub(crate) client: End,
    pub(crate) down: End,
    pub(crate) up: End,
    pub(crate) endpoint: End,
}

impl Chain {
    pub(crate) fn new<W: World>(lab: &mut Lab<W>, family: Family) -> Self {
        let (inner, outer) = (lab.listen(1, family), lab.listen(2, family));
        lab.resume(inner);
        lab.resume(outer);
        let (client, down) = lab.pair_by(0, inner);
        let (up, endpoint) = lab.pair_by(1, outer);
        Self {
            client,
            down,
            up,
            endpoint,
        }
    }

    pub(crate) fn relay<W: World>(self, lab: &mut Lab<W>) {
        lab.relay(self.down, self.up);
        lab.relay(self.up, self.down);
    }

    /// Passes that many bytes of the client's on to the endpoint.
    pub(crate) fn pass<W: World>(self, lab: &mut Lab<W>, bytes: usize) {
        lab.pass(self.down, self.up, bytes as u64);
    }
}
