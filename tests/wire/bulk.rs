//! Long bodies stream through in constant memory.

use crate::support::{Client, Origin, Proxy, Setup};
use engines::EngineKind;
use std::{
    io::{Read, Write},
    net::Shutdown,
};

on_each_engine!(
    a_client_that_leaves_a_long_answer_ends_its_connection,
    a_long_answer_that_is_cut_is_seen_to_be_cut,
    a_long_download_takes_no_memory,
    a_long_upload_takes_no_memory,
    long_answers_of_one_connection_follow_each_other
);

/// Where each byte tells of its place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// Answers as many bytes as the path tells.
fn sized() -> Origin {
    Origin::new(|request, stream| {
        let len = request.path()[1..].parse().unwrap_or(0);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\n\r\n");
        stream.write_all(head.as_bytes()).is_ok() && stream.write_all(&pattern(len)).is_ok()
    })
}

fn long_answers_of_one_connection_follow_each_other(engine: EngineKind) {
    let origin = sized();
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    let sizes = [2, 200_000, 270_000, 5 << 20, 0, 600_000, 4096, 1 << 20];
    for size in sizes {
        let answer = client.get(&format!("/{size}"));
        assert!(
            answer.body == pattern(size),
            "{size}: {}",
            answer.body.len()
        );
    }
    assert_eq!(origin.connections(), 1);
    // Pipelined, and read late: what a slow client pins may need a second connection.
    for size in sizes {
        client.send(format!("GET /{size} HTTP/1.1\r\nhost: h\r\n\r\n"));
    }
    for size in sizes {
        let answer = client.answer();
        assert!(
            answer.body == pattern(size),
            "{size}: {}",
            answer.body.len()
        );
    }
    assert!(proxy.metric("ringlb_listener_passes_total") >= 6);
    let all: usize = sizes.iter().sum();
    drop(client);
    proxy.settle();
    assert_eq!(
        proxy.metric("ringlb_listener_sent_bytes_total"),
        2 * all as u64
    );
}

fn a_long_answer_that_is_cut_is_seen_to_be_cut(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let _ = stream.read(&mut [0; 1000]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n");
        let _ = stream.write_all(&pattern(3_000_000));
        let _ = stream.shutdown(Shutdown::Both);
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    let got = client.rest();
    let end = got.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert!(
        got[end..] == pattern(3_000_000),
        "{} bytes",
        got.len() - end
    );
    assert!(client.is_closed());
    proxy.settle();
}

fn a_client_that_leaves_a_long_answer_ends_its_connection(engine: EngineKind) {
    let (told, ended) = std::sync::mpsc::channel();
    let origin = Origin::raw(move |mut stream| {
        let _ = stream.read(&mut [0; 1000]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9000000000\r\n\r\n");
        let block = pattern(1 << 20);
        while stream.write_all(&block).is_ok() {}
        let _ = told.send(());
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    client.take(4 << 20);
    drop(client);
    ended.recv().unwrap();
    proxy.settle();
}

const BODY: usize = 256 << 20;

fn a_long_download_takes_no_memory(engine: EngineKind) {
    let origin = Origin::new(|_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n");
        let block: Vec<u8> = (0..64u32 << 10).map(|i| (i % 251) as u8).collect();
        stream.write_all(head.as_bytes()).is_ok()
            && (0..BODY / block.len()).all(|_| stream.write_all(&block).is_ok())
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    let mut received = 0;
    let mut room = vec![0; 1 << 20];
    loop {
        match client.stream.read(&mut room).unwrap() {
            0 => break,
            n => received += n,
        }
    }
    assert!((BODY..BODY + 1000).contains(&received), "{received}");
    assert!(
        proxy.resident_bytes() < 100 << 20,
        "{}",
        proxy.resident_bytes()
    );
    drop(client);
    proxy.settle();
}

fn a_long_upload_takes_no_memory(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let mut room = vec![0; 1 << 20];
        let mut left = usize::MAX;
        let mut head = Vec::new();
        loop {
            let Ok(n @ 1..) = stream.read(&mut room) else {
                return;
            };
            if left == usize::MAX {
                head.extend_from_slice(&room[..n]);
                if let Some(end) = head.windows(4).position(|w| w == b"\r\n\r\n") {
                    left = BODY - (head.len() - end - 4);
                }
            } else {
                left -= n;
            }
            if left == 0 {
                break;
            }
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send(format!(
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {BODY}\r\n\r\n"
    ));
    let block = vec![b'x'; 1 << 20];
    (0..BODY >> 20).for_each(|_| client.send(&block));
    assert_eq!(client.answer().text(), "ok");
    assert!(
        proxy.resident_bytes() < 100 << 20,
        "{}",
        proxy.resident_bytes()
    );
    drop(client);
    proxy.settle();
}
