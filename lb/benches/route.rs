//! Finding a virtual host among 10 000, by each kind of domain.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a bench fails where it stands")]

use codecs::Head;
use divan::{Bencher, black_box};
use ringlb::{
    filter::HttpChainConfig,
    route::{Action, ClientCert, Route, RouteMatch, RouteTable, VirtualHost},
};
use std::sync::Arc;

const HOSTS: usize = 10_000;

fn main() {
    divan::main();
}

/// Virtual hosts of one route each, with the domains that `domains` gives them, and one for the rest.
fn table(domains: impl Fn(usize) -> Vec<String>) -> RouteTable {
    let host = |name: &str| VirtualHost {
        name: name.into(),
        routes: vec![Arc::new(Route {
            name: String::new(),
            condition: RouteMatch::prefix("/"),
            action: Action::Direct {
                status: 200,
                body: Vec::new().into(),
            },
            filters: HttpChainConfig::default(),
        })],
    };
    let mut hosts: Vec<_> = (0..HOSTS).map(|n| (host("one"), domains(n))).collect();
    hosts.push((host("any"), vec!["*".into()]));
    RouteTable::new("t".into(), hosts).unwrap()
}

fn exact(n: usize) -> Vec<String> {
    vec![format!("www.tenant-{n}.example.com")]
}

fn suffix(n: usize) -> Vec<String> {
    vec![format!("*.tenant-{n}.example.com")]
}

fn prefix(n: usize) -> Vec<String> {
    vec![format!("tenant-{n}.*")]
}

/// All kinds at once, as many lengths as names have.
fn mixed(n: usize) -> Vec<String> {
    let long = "x".repeat(n % 30);
    match n % 4 {
        0 | 1 => vec![format!("www.tenant-{n}.{long}.example.com")],
        2 => vec![format!("*.tenant-{n}.{long}.example.com")],
        _ => vec![format!("tenant-{n}.{long}.*")],
    }
}

fn find(bencher: Bencher<'_, '_>, table: &RouteTable, authority: impl Fn(usize) -> String) {
    let heads = (0..1000).map(|n| {
        let mut head = Head::default();
        head.set_path(b"/some/path?query=1");
        head.set_authority(authority(n * 7919 % HOSTS).as_bytes());
        head
    });
    let heads: Vec<_> = heads.collect();
    let mut next = 0;
    bencher.bench_local(|| {
        next = (next + 1) % heads.len();
        table
            .find(black_box(&heads[next]), ClientCert::default(), &mut |_| 0)
            .unwrap()
    });
}

#[divan::bench(sample_size = 1000)]
fn by_exact_domain(bencher: Bencher<'_, '_>) {
    find(bencher, &table(exact), |n| {
        format!("www.tenant-{n}.example.com")
    });
}

#[divan::bench(sample_size = 1000)]
fn by_exact_domain_with_port_and_capitals(bencher: Bencher<'_, '_>) {
    find(bencher, &table(exact), |n| {
        format!("www.Tenant-{n}.Example.com:8080")
    });
}

#[divan::bench(sample_size = 1000)]
fn by_suffix(bencher: Bencher<'_, '_>) {
    find(bencher, &table(suffix), |n| {
        format!("www.tenant-{n}.example.com")
    });
}

#[divan::bench(sample_size = 1000)]
fn by_prefix(bencher: Bencher<'_, '_>) {
    find(bencher, &table(prefix), |n| {
        format!("tenant-{n}.example.com")
    });
}

#[divan::bench(sample_size = 1000)]
fn by_default(bencher: Bencher<'_, '_>) {
    find(bencher, &table(exact), |n| {
        format!("www.stranger-{n}.example.com")
    });
}

#[divan::bench(sample_size = 1000)]
fn by_default_among_all_kinds(bencher: Bencher<'_, '_>) {
    find(bencher, &table(mixed), |n| {
        format!("www.stranger-{n}.example.com")
    });
}

/// How long a configuration of so many takes to compile.
#[divan::bench(sample_count = 10)]
fn compile() -> RouteTable {
    table(mixed)
}
