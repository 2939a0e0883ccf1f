use super::*;
use xds::api::envoy::{
    config::core::v3::{DataSource, data_source::Specifier},
    extensions::transport_sockets::tls::v3::{TlsSessionTicketKeys, secret},
};

/// Two ticket keys that may differ only if the first is 0.
struct Pair;

impl Use for Pair {
    fn secrets(&self) -> Vec<usize> {
        vec![0, 1]
    }

    fn remake(&self, values: &Values<'_>, _: &[usize]) -> Result<Box<dyn FnOnce()>, String> {
        let key = |index| match values.get(index) {
            Value::Tickets(keys) => keys[0][0],
            Value::Certificate(_) | Value::Trust(_) => unreachable!("they are tickets"),
        };
        match key(0) == key(1) || key(0) == 0 {
            true => Ok(Box::new(|| {})),
            false => Err("they differ".into()),
        }
    }

    fn rotate_tickets(&self, _: tls::Now) {}
}

fn named(name: &str, key: u8) -> Secret {
    let keys = vec![DataSource {
        specifier: Some(Specifier::InlineBytes(vec![key; 80])),
        watched_directory: None,
    }];
    Secret {
        name: name.into(),
        r#type: Some(secret::Type::SessionTicketKeys(TlsSessionTicketKeys {
            keys,
        })),
    }
}

fn store() -> Store {
    let mut store = Store::default();
    for name in ["a", "b"] {
        assert_eq!(store.add_named(&named(name, 1)), Ok(true));
    }
    store.add_use(Arc::new(Pair));
    store
}

/// Name, key, and whether it is used at once.
type Step = (&'static str, u8, bool);

/// With the times that each was and was not replaced.
type Case = (&'static [Step], [(u64, u64); 2]);

#[test]
fn secrets_that_can_only_be_used_together_are_used_when_both_are_there() {
    let cases: [Case; 4] = [
        (&[("a", 2, false), ("b", 2, true)], [(1, 1), (1, 0)]),
        (&[("b", 2, false), ("a", 2, true)], [(1, 0), (1, 1)]),
        (&[("b", 2, false), ("a", 0, true)], [(1, 0), (1, 1)]),
        (
            &[("a", 2, false), ("b", 3, false), ("a", 3, true)],
            [(1, 1), (1, 1)],
        ),
    ];
    for (steps, expected) in cases {
        let mut store = store();
        for (name, key, is_used) in steps {
            let outcome = store.set(&named(name, *key)).unwrap();
            assert_eq!(outcome.error.is_none(), *is_used, "{steps:?}");
        }
        let counts = store.stats().into_iter();
        let counts: Vec<_> = counts
            .map(|one| (one.updates, one.update_failures))
            .collect();
        assert_eq!(counts, expected, "{steps:?}");
        assert_eq!(store.waiting().count(), 0);
    }
}

#[test]
fn a_secret_that_was_read_wrong_waits_for_nothing() {
    let mut store = store();
    assert!(store.set(&named("a", 2)).unwrap().error.is_some());
    let mut wrong = named("a", 2);
    if let Some(secret::Type::SessionTicketKeys(keys)) = &mut wrong.r#type {
        keys.keys.clear();
    }
    assert!(store.set(&wrong).unwrap().error.is_some());
    assert!(store.set(&named("b", 2)).unwrap().error.is_some());
    assert_eq!(store.waiting().collect::<Vec<_>>(), [1]);
}

#[test]
fn nothing_is_shown_of_keys() {
    let recipe = Recipe::of(&named("a", 77)).unwrap();
    assert_eq!(format!("{recipe:?}"), "Recipe(tickets)");
}

#[test]
fn what_has_one_name_is_told_once() {
    let day = |days: u64| Some(std::time::Duration::from_secs(86_400 * days));
    let of = |updates, update_failures, expires, staple_expires| SecretStats {
        secret: "cert.pem".into(),
        updates,
        update_failures,
        expires,
        staple_expires,
    };
    let mut one = of(2, 0, day(9), None);
    one.join(of(1, 3, day(8), day(1)));
    assert_eq!((one.updates, one.update_failures), (2, 3));
    assert_eq!((one.expires, one.staple_expires), (day(8), day(1)));
    one.join(of(0, 0, None, None));
    assert_eq!((one.expires, one.staple_expires), (day(8), day(1)));

    let mut store = store();
    store.entries[1].name = store.entries[0].name.clone();
    let stats = store.stats();
    assert_eq!(
        stats.iter().map(|one| &*one.secret).collect::<Vec<_>>(),
        ["a"]
    );
}

#[test]
fn what_has_expired_is_told_of() {
    let at = |hours: u64| Some(std::time::Duration::from_secs(hours * 3600));
    let now = std::time::Duration::from_secs(1000 * 3600);
    for (expires, staple_expires, expected) in [
        (None, None, &[][..]),
        (at(5000), at(1000), &[]),
        (
            at(1010),
            None,
            &["secret a: its certificate expires in 10 hours"],
        ),
        (
            at(999),
            at(999),
            &[
                "secret a: its certificate has expired",
                "secret a: its OCSP response is outdated and is not sent",
            ],
        ),
    ] {
        let stats = SecretStats {
            secret: "a".into(),
            updates: 0,
            update_failures: 0,
            expires,
            staple_expires,
        };
        assert_eq!(stats.warnings(now), expected);
    }
}
