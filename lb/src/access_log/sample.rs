//! One entry that is logged again and again, to measure what that costs.

use super::{
    Facts, LogFormat, LogRing,
    connection_id::ConnectionIds,
    logs,
    ring::{FirstLogs, Shared},
};
use crate::epoch::Place;
use crate::{
    addresses::Addresses,
    config::Snapshot,
    stream::{Record, RouteId},
    worker::Epoch,
};
use codecs::Head;
use engines::{SockAddr, UnixTime};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A usual request's entry in the log of a snapshot's first listener.
pub struct Sample {
    epoch: Epoch,
    record: Record,
    request: Head,
    response: Head,
    addresses: Addresses,
    ring: LogRing,
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sample")
    }
}

impl Sample {
    /// The entry of a request that began at `started`; this thread plays the writer.
    pub fn new(snapshot: Arc<Snapshot>, started: Instant) -> Self {
        let (mut request, mut response) = (Head::default(), Head::default());
        request.set_method(b"GET");
        request.set_path(b"/some/path?query=1");
        request.set_authority(b"example.com");
        request.fields.append(b"user-agent", b"Mozilla/5.0 (X11)");
        request.fields.append(b"x-forwarded-for", b"192.0.2.17");
        response.status = 200;
        let mut record = Record::new(started);
        record.response_started = record.moment(started + Duration::from_millis(3));
        record.route = Some(RouteId { host: 0, route: 0 });
        (record.cluster, record.endpoint) = (Some(0), Some(0));
        (record.status, record.response_bytes) = (200, 100);
        record.detail = "via_upstream";
        let address = |port| SockAddr::Inet(([192, 0, 2, 17], port).into());
        let first = FirstLogs {
            chains: vec![0],
            ..FirstLogs::default()
        };
        let shared = Shared {
            waiting: Mutex::default(),
            writer: std::thread::current(),
            first_log: vec![first; snapshot.listeners.len()],
        };
        Self {
            epoch: Epoch { snapshot },
            record,
            request,
            response,
            addresses: Addresses::new(address(40_000), address(80)),
            ring: LogRing::new(Arc::new(shared), ConnectionIds::default()),
        }
    }

    /// What a worker does: copies the entry into its ring.
    pub fn copy(&mut self) {
        self.ring.forget(1 << 16);
        let (wall, duration) = (
            Duration::from_millis(951_782_400_123),
            Duration::from_millis(5),
        );
        self.ring.add(&Facts {
            request: Some(&self.request),
            response: Some(&self.response),
            addresses: Some(&self.addresses),
            ..Facts::new(
                &self.record,
                &self.epoch,
                Place::default(),
                UnixTime(wall),
                duration,
            )
        });
    }

    /// What the writer does: makes a line of the entry copied first.
    pub fn write(&self, line: &mut Vec<u8>) {
        let format: &LogFormat = &logs(&self.epoch, Place::default())[0].format;
        format.write(self.ring.first(), line);
    }
}
