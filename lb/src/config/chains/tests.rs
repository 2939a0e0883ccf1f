use super::*;
use crate::config::{TcpConfig, Terminal};
use std::net::SocketAddr;

fn chain(name: &str) -> Arc<FilterChain> {
    let terminal = Terminal::Tcp(Arc::new(TcpConfig {
        stat_prefix: String::new(),
        cluster: 0,
        idle_timeout: None,
        connect_attempts: 1,
        access_logs: Vec::new(),
    }));
    Arc::new(FilterChain {
        name: name.to_owned(),
        tls: None,
        terminal,
    })
}

fn cidrs(list: &[&str]) -> Vec<Cidr> {
    let read = |text: &&str| {
        let (base, bits) = text.split_once('/').unwrap();
        Cidr::new(base.parse().unwrap(), bits.parse().unwrap()).unwrap()
    };
    list.iter().map(read).collect()
}

fn names(list: &[&str]) -> Vec<Box<str>> {
    list.iter().map(|name| (*name).into()).collect()
}

fn protocols(list: &[&str]) -> Vec<Box<[u8]>> {
    list.iter().map(|name| name.as_bytes().into()).collect()
}

fn chains(list: &[(&str, Conditions)]) -> FilterChains {
    let mut chains = FilterChains::default();
    for (name, conditions) in list {
        chains.add(conditions, chain(name)).unwrap();
    }
    chains
}

fn chosen<'a>(chains: &'a FilterChains, facts: &ChainFacts<'_>) -> &'a str {
    let found = chains.choose(facts);
    found.map_or("none", |index| &chains.get(index).name)
}

fn at(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn the_most_specific_server_name_wins() {
    let named = |list: &[&str]| Conditions {
        names: names(list),
        ..Conditions::default()
    };
    let chains = chains(&[
        ("wide", named(&[".example.com"])),
        ("exact", named(&["www.example.com", "www.example.org"])),
        ("narrow", named(&[".api.example.com"])),
        ("tld", named(&[".net"])),
        ("any", named(&[])),
    ]);
    assert!(chains.needs_hello);
    for (name, expected) in [
        (Some("www.example.com"), "exact"),
        (Some("www.example.org"), "exact"),
        (Some("a.example.com"), "wide"),
        (Some("a.b.example.com"), "wide"),
        (Some("a.api.example.com"), "narrow"),
        (Some("api.example.com"), "wide"),
        (Some("example.com"), "any"),
        (Some(".example.com"), "wide"),
        (Some("a.b.net"), "tld"),
        (Some("net"), "any"),
        (Some(""), "any"),
        (Some("..."), "any"),
        (None, "any"),
    ] {
        let facts = ChainFacts {
            server_name: name,
            ..ChainFacts::default()
        };
        assert_eq!(chosen(&chains, &facts), expected, "{name:?}");
    }
}

#[test]
fn an_exact_condition_is_not_left_again() {
    // The port is matched first: what it leads to asks for another name, and no other chain is tried.
    let mut chains = chains(&[
        (
            "port",
            Conditions {
                port: Some(443),
                names: names(&["a.com"]),
                ..Conditions::default()
            },
        ),
        ("other", Conditions::default()),
    ]);
    let facts = |to: &str, name| {
        let destination = at(to);
        ChainFacts {
            destination,
            server_name: Some(name),
            ..ChainFacts::default()
        }
    };
    assert_eq!(chosen(&chains, &facts("1.1.1.1:443", "a.com")), "port");
    assert_eq!(chosen(&chains, &facts("1.1.1.1:443", "b.com")), "none");
    assert_eq!(chosen(&chains, &facts("1.1.1.1:80", "b.com")), "other");
    chains.set_default(chain("default"));
    assert_eq!(chosen(&chains, &facts("1.1.1.1:443", "b.com")), "default");
}

#[test]
fn transport_and_protocols_decide() {
    let tls = Some(Transport::Tls);
    let chains = chains(&[
        (
            "h2",
            Conditions {
                transport: tls,
                protocols: protocols(&["h2", "h3"]),
                ..Conditions::default()
            },
        ),
        (
            "tls",
            Conditions {
                transport: tls,
                ..Conditions::default()
            },
        ),
        (
            "plain",
            Conditions {
                transport: Some(Transport::RawBuffer),
                ..Conditions::default()
            },
        ),
    ]);
    for (transport, offered, expected) in [
        (Transport::Tls, &["http/1.1", "h2"][..], "h2"),
        (Transport::Tls, &["http/1.1"], "tls"),
        (Transport::Tls, &[], "tls"),
        (Transport::RawBuffer, &["h2"], "plain"),
    ] {
        let offered = protocols(offered);
        let facts = ChainFacts {
            transport,
            protocols: &offered,
            ..ChainFacts::default()
        };
        assert_eq!(chosen(&chains, &facts), expected, "{offered:?}");
    }
}

#[test]
fn the_longest_range_wins_on_either_side() {
    let to = |list: &[&str]| Conditions {
        destinations: cidrs(list),
        ..Conditions::default()
    };
    let from = |list: &[&str]| Conditions {
        sources: cidrs(list),
        destinations: cidrs(&["192.0.2.0/24"]),
        ..Conditions::default()
    };
    let chains = chains(&[
        ("ten", to(&["10.0.0.0/8", "2001:db8::/32"])),
        ("one", to(&["10.1.0.0/16"])),
        ("near", from(&["198.51.100.7/32"])),
        ("far", from(&["198.51.100.0/24", "::/0"])),
        ("any", to(&[])),
    ]);
    assert!(!chains.needs_hello);
    for (destination, source, expected) in [
        ("10.2.3.4:1", "1.1.1.1:1", "ten"),
        ("10.1.3.4:1", "1.1.1.1:1", "one"),
        ("[::ffff:10.1.3.4]:1", "[::1]:1", "one"),
        ("[2001:db8::7]:1", "[::1]:1", "ten"),
        ("[2001:db9::7]:1", "[::1]:1", "any"),
        ("192.0.2.1:1", "198.51.100.7:1", "near"),
        ("192.0.2.1:1", "198.51.100.8:1", "far"),
        ("192.0.2.1:1", "[2001::1]:1", "far"),
        ("192.0.2.1:1", "1.1.1.1:1", "none"),
    ] {
        let (destination, source) = (at(destination), at(source));
        let facts = ChainFacts {
            destination,
            source,
            ..ChainFacts::default()
        };
        assert_eq!(chosen(&chains, &facts), expected, "{facts:?}");
    }
    // A Unix socket has no address: only what holds for all does.
    assert_eq!(chosen(&chains, &ChainFacts::default()), "any");
}

#[test]
fn the_source_decides_last() {
    let chains = chains(&[
        (
            "local",
            Conditions {
                source_type: SourceType::Local,
                ..Conditions::default()
            },
        ),
        (
            "ports",
            Conditions {
                source_type: SourceType::External,
                source_ports: vec![7, 8],
                ..Conditions::default()
            },
        ),
        (
            "peer",
            Conditions {
                peers: cidrs(&["203.0.113.0/24"]),
                ..Conditions::default()
            },
        ),
    ]);
    for (source, expected) in [
        (at("127.0.0.2:5"), "local"),
        (at("10.0.0.1:5"), "local"),
        (None, "local"),
        (at("10.0.0.2:7"), "ports"),
        (at("10.0.0.2:8"), "ports"),
        (at("10.0.0.2:9"), "none"),
        (at("203.0.113.9:7"), "peer"),
    ] {
        let facts = ChainFacts {
            destination: at("10.0.0.1:80"),
            source,
            ..ChainFacts::default()
        };
        assert_eq!(chosen(&chains, &facts), expected, "{source:?}");
    }
}

#[test]
fn two_chains_for_the_same_connections_are_refused() {
    let named = |list: &[&str]| Conditions {
        names: names(list),
        ..Conditions::default()
    };
    let mut chains = chains(&[("a", named(&["a.com", "b.com"])), ("b", named(&["c.com"]))]);
    assert_eq!(chains.add(&named(&["d.com", "b.com"]), chain("c")), Err(0));
    assert_eq!(chains.add(&named(&["e.com", "e.com"]), chain("d")), Ok(()));
    assert_eq!(chains.add(&named(&[]), chain("e")), Ok(()));
    assert_eq!(chains.add(&named(&[]), chain("f")), Err(4));
}

#[test]
fn a_range_has_no_more_bits_than_its_address() {
    let ip = |text: &str| text.parse().unwrap();
    assert!(Cidr::new(ip("1.2.3.4"), 33).is_none());
    assert!(Cidr::new(ip("::1"), 129).is_none());
    assert!(Cidr::new(ip("::1"), 500).is_none());
    let all = Cidr::new(ip("1.2.3.4"), 0).unwrap();
    assert!(all.contains(ip("9.9.9.9")) && !all.contains(ip("::1")));
    assert!(Cidr::new(ip("::1"), 0).unwrap().contains(ip("2001::")));
}
