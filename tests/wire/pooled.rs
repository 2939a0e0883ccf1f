//! What happens to pooled connections at the very moment in which they are used again. The process is
//! stopped meanwhile, so that it finds both at once.

use crate::support::{Client, Origin, Proxy, Setup, until};
use engines::EngineKind;
use nix::sys::signal::Signal;
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

on_each_engine!(
    a_connection_that_ended_is_not_used_again,
    a_post_that_may_have_left_is_not_sent_again,
    bytes_from_before_a_request_are_not_its_answer,
);

const POISON: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";

/// An origin that answers with the path, and hands out its connections.
fn origin_with_connections() -> (Origin, Arc<Mutex<Vec<TcpStream>>>) {
    let connections = Arc::new(Mutex::new(Vec::new()));
    let taken = connections.clone();
    let origin = Origin::new(move |request, stream| {
        let path = request.path();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}",
            path.len()
        );
        taken.lock().unwrap().push(stream.try_clone().unwrap());
        stream.write_all(answer.as_bytes()).is_ok()
    });
    (origin, connections)
}

/// Lets `happen` befall the pooled connection when a request arrives; the request has its own answer,
/// and the endpoint sees it once.
fn check(engine: EngineKind, happen: impl Fn(&mut TcpStream)) {
    let (origin, connections) = origin_with_connections();
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    for (number, method) in (0..).zip(["GET", "POST", "GET", "POST"]) {
        let mut client = Client::new(proxy.at("http"));
        assert_eq!(client.get("/first").text(), "/first");
        let mut pooled = connections.lock().unwrap().pop().unwrap();
        let request =
            format!("{method} /{number} HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi");
        proxy.stop();
        // The request comes first, or second.
        if number < 2 {
            client.send(&request);
            happen(&mut pooled);
        } else {
            happen(&mut pooled);
            client.send(&request);
        }
        proxy.signal(Signal::SIGCONT);
        let answer = client.answer();
        let want = format!("/{number}");
        assert_eq!((answer.status, answer.text()), (200, want.clone()));
        let requests = origin.requests();
        let seen = requests.iter().filter(|request| request.path() == want);
        assert_eq!(seen.count(), 1);
    }
    proxy.settle();
}

fn bytes_from_before_a_request_are_not_its_answer(engine: EngineKind) {
    check(engine, |pooled| pooled.write_all(POISON).unwrap());
    check(engine, |pooled| pooled.write_all(b"\r\n").unwrap());
}

fn a_connection_that_ended_is_not_used_again(engine: EngineKind) {
    check(engine, |pooled| pooled.shutdown(Shutdown::Write).unwrap());
    check(engine, |pooled| pooled.shutdown(Shutdown::Both).unwrap());
}

fn a_post_that_may_have_left_is_not_sent_again(engine: EngineKind) {
    let (late, ended) = (Arc::new(Mutex::new(String::new())), Arc::default());
    let (seen, over) = (late.clone(), Arc::<AtomicUsize>::clone(&ended));
    // Finishes right behind its first answer, then notes what comes all the same.
    let origin = Origin::raw(move |mut stream| {
        let mut room = [0; 4096];
        if stream.read(&mut room).is_ok_and(|len| len > 0) {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        seen.lock()
            .unwrap()
            .push_str(&String::from_utf8_lossy(&rest));
        over.fetch_add(1, Ordering::SeqCst);
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut answered = Vec::new();
    for number in 0..100 {
        let mut client = Client::new(proxy.at("http"));
        assert_eq!(client.get("/").status, 200);
        let post = format!("POST /{number} HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi");
        if client.ask(post).status == 200 {
            answered.push(format!("POST /{number} "));
        }
    }
    drop(proxy);
    until("all connections are over", || {
        ended.load(Ordering::SeqCst) == origin.connections()
    });
    let late = late.lock().unwrap();
    for post in answered {
        assert!(!late.contains(&post), "{post} was sent twice");
    }
}
