//! Connecting, and failing to.

use super::{
    lab::{Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use std::io;

pub(crate) fn a_refused_connection_closes_with_its_cause<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        let to = lab.local(listener);
        lab.close(listener);
        lab.until("closed", |log| log[listener].is_over());
        let client = lab.connect(0, &to);
        lab.send(client, bytes(1, 100));
        lab.resume(client);
        lab.finish(client);
        lab.until("closed", |log| log[client].is_over());
        assert_eq!(lab.log[client].cause(), io::ErrorKind::ConnectionRefused);
        assert_eq!(lab.log[client].events, 1, "more than Closed");
    }
    lab.end();
}

pub(crate) fn a_missing_path_closes_with_its_cause<W: World>() {
    let mut lab = Lab::<W>::new(1);
    for family in [Family::Unix, Family::Abstract] {
        let to = lab.address(family);
        let client = lab.connect(0, &to);
        lab.until("closed", |log| log[client].is_over());
        let expected = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
        assert!(expected.contains(&lab.log[client].cause()));
        assert!(!lab.log[client].connected);
    }
    lab.end();
}

pub(crate) fn an_impossible_address_closes_with_its_cause<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let client = lab.connect(0, &engines::SockAddr::Unix("x".repeat(4000).into()));
    lab.resume(client);
    assert_eq!(lab.log[client].events, 0);
    lab.until("closed", |log| log[client].is_over());
    assert!(lab.log[client].has_failed() && !lab.log[client].connected);
    lab.end();
}

pub(crate) fn both_sides_know_their_addresses<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let to = lab.local(listener);
        let (client, server) = lab.pair_by(0, listener);
        let accepted = lab.log[listener].accepted[0].clone();
        assert_eq!(accepted.local, to);
        assert_eq!(lab.local(server), to);
        if to.inet().is_some() {
            assert_eq!(lab.local(client), accepted.peer);
        }
    }
    lab.end();
}

pub(crate) fn a_thousand_connections_live_at_once<W: World>() {
    const CONNECTIONS: usize = 1000;
    super::process::allow_descriptors();
    let mut lab = Lab::<W>::new(2);
    let listener = lab.listen(1, Family::V4);
    lab.resume(listener);
    let to = lab.local(listener);
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| lab.connect(0, &to)).collect();
    for (client, seed) in clients.iter().zip(0..) {
        lab.resume(*client);
        lab.send(*client, bytes(seed, 600));
        lab.finish(*client);
    }
    lab.until("all accepted", |log| {
        log[listener].accepted.len() == CONNECTIONS
    });
    let servers: Vec<_> = lab.log[listener].accepted.iter().map(|a| a.end).collect();
    servers.iter().for_each(|server| lab.resume(*server));
    lab.until("all requests", |log| {
        servers.iter().all(|server| log[*server].finished)
    });
    for server in servers {
        let request = lab.log[server].received.clone();
        lab.send(server, request);
        lab.finish(server);
    }
    lab.until("all answers", |log| {
        clients.iter().all(|client| log[*client].finished)
    });
    for (client, seed) in clients.iter().zip(0..) {
        assert_same(&lab.log[*client].received, &bytes(seed, 600));
    }
    lab.end();
}
