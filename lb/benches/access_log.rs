//! An access log entry: what a worker copies, and what the writer makes of it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a bench fails where it stands")]

use divan::Bencher;
use engines::{Engine, EngineOptions, SimNet};
use ringlb::{
    access_log::{LogFormat, Sample},
    config::{self, AccessLogConfig, HttpConfig, Listen, LogTarget, Quickstart, Terminal},
};
use std::sync::Arc;

fn main() {
    divan::main();
}

fn sample(format: LogFormat) -> Sample {
    let quickstart = Quickstart {
        listeners: vec![Listen::new("127.0.0.1:80", vec!["127.0.0.1:8080".into()])],
        admin: None,
    };
    let mut snapshot = config::compile(&quickstart.bootstrap().unwrap()).unwrap();
    let listener = Arc::get_mut(&mut snapshot.listeners[0]).unwrap();
    let chain = &mut listener.chains.all_mut()[0];
    let Terminal::Http(http) = &mut Arc::get_mut(chain).unwrap().terminal else {
        panic!("the short form speaks HTTP");
    };
    let http: &mut HttpConfig = Arc::get_mut(http).unwrap();
    http.access_logs.push(Arc::new(AccessLogConfig {
        target: LogTarget::Stderr,
        format,
    }));
    let started = SimNet::new(1).engine(&EngineOptions::default()).now();
    Sample::new(Arc::new(snapshot), started)
}

#[divan::bench(sample_size = 500)]
fn copy(bencher: Bencher<'_, '_>) {
    let mut sample = sample(LogFormat::standard());
    bencher.bench_local(|| sample.copy());
}

#[divan::bench(sample_size = 500)]
fn format(bencher: Bencher<'_, '_>) {
    let mut sample = sample(LogFormat::standard());
    sample.copy();
    let mut line = Vec::new();
    bencher.bench_local(|| {
        line.clear();
        sample.write(&mut line);
        line.len()
    });
}
