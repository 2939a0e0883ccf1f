//! Long bodies stream through in constant memory.

use crate::support::{Client, Origin, Proxy, Setup};
use engines::EngineKind;
use std::io::{Read, Write};

on_each_engine!(
    a_long_download_takes_no_memory,
    a_long_upload_takes_no_memory
);

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
