//! The access log of a listener (`Listener.access_log`): a line for each of its connections, when that ends, whether or
//! not it came as far as a filter chain or through its handshake.

use super::{Arrived, End};
use crate::{
    access_log::Facts,
    addresses::Addresses,
    conn::{Conn, ConnPhase, Side},
    drain,
    epoch::Place,
    stream::{Flags, Record},
    worker::Worker,
};

impl Worker {
    /// A listener has a log of its connections.
    pub(crate) fn logs_connections(&self, listener: u32) -> bool {
        !self.epoch.listener(listener).access_logs.is_empty()
    }

    /// Logs a connection that ends before it has come to a filter chain.
    pub(super) fn log_arrival(&mut self, listener: u32, arrived: &Arrived, end: &End) {
        if !self.logs_connections(listener) {
            return;
        }
        let mut record = Record::new(arrived.since);
        record.flags.set(end.flags);
        record.detail = end.detail;
        let addresses = Addresses::new(arrived.peer.clone(), arrived.local.clone());
        let (wall, duration) = (
            self.net.engine.wall(),
            self.now.saturating_duration_since(arrived.since),
        );
        let place = Place { listener, chain: 0 };
        self.log.add_connection(&Facts {
            server_name: arrived.sni.as_deref(),
            addresses: Some(&addresses),
            connection_id: Some(arrived.id),
            failure: end.failure.as_ref(),
            ..Facts::new(&record, &self.epoch, place, wall, duration)
        });
    }

    /// Logs a connection that carried HTTP, or was to.
    pub(crate) fn log_conn(&mut self, conn: &Conn) {
        let (
            Some(opened),
            Side::Down {
                place,
                addresses,
                id,
            },
        ) = (conn.opened(), &conn.side)
        else {
            return;
        };
        let mut record = Record::new(opened);
        if let Some(failure) = conn.failure() {
            record.flags.set(failure.flag());
            record.detail = failure.detail();
        } else if self.drain.is_over() && conn.phase != ConnPhase::Lingering {
            record.flags.set(Flags::DOWNSTREAM_TERMINATION);
            record.detail = drain::CUT;
        } else if self.drain.is_draining() && conn.phase == ConnPhase::Handshaking {
            record.detail = drain::SILENT;
        }
        let (wall, duration) = (
            self.net.engine.wall(),
            self.now.saturating_duration_since(opened),
        );
        self.log.add_connection(&Facts {
            tls: conn.transport.facts().map(|facts| &**facts),
            server_name: conn.transport.server_name(),
            addresses: Some(addresses),
            connection_id: Some(*id),
            failure: conn.failure(),
            ..Facts::new(&record, &self.epoch, *place, wall, duration)
        });
    }
}
