//! Which names are known, and how the encoder treats their fields.
//!
//! Fields whose values hardly ever come again are not inserted: each would push out one that does. But
//! their names are: the first field of a name that the static table lacks is inserted for its name, and
//! later ones refer to it. What is secret is never inserted (§7.1.3), and short cookies count as that, as
//! they could be guessed byte by byte. Longer cookies are not inserted either: a connection to an endpoint
//! carries those of many clients. `date` is inserted, since it is the same for a second.

use super::equal::same;
use super::static_table::{self, STATIC_LEN};

/// How the fields of a name are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// Inserted.
    Index,
    /// The name is inserted, once.
    Name,
    /// Never inserted, not even by those who pass it on.
    Never,
    /// Never inserted if it is shorter than `COOKIE_MIN`, else not inserted.
    Cookie,
}

/// Bytes of a cookie below which it could be guessed.
pub(super) const COOKIE_MIN: usize = 20;

/// Names behind the static table's that have a number of their own, from `STATIC_LEN + 1` on.
const OTHER_NAMES: [&[u8]; 18] = [
    b"x-request-id",
    b"traceparent",
    b"tracestate",
    b"grpc-timeout",
    b"grpc-message",
    b"x-forwarded-for",
    b"x-envoy-upstream-service-time",
    b"x-envoy-expected-rq-timeout-ms",
    b"x-b3-traceid",
    b"x-b3-spanid",
    b"x-b3-parentspanid",
    b"b3",
    b"x-amzn-trace-id",
    b"x-correlation-id",
    b"x-real-ip",
    b"x-datadog-trace-id",
    b"x-datadog-parent-id",
    b"x-cloud-trace-context",
];

/// How the fields of a known name are treated; `id` as `find` tells it.
#[inline]
pub(super) fn of(id: u8) -> Policy {
    POLICIES
        .get(usize::from(id))
        .copied()
        .unwrap_or(Policy::Index)
}

static POLICIES: [Policy; STATIC_LEN as usize + 1 + OTHER_NAMES.len()] = {
    let mut policies = [Policy::Index; STATIC_LEN as usize + 1 + OTHER_NAMES.len()];
    // authorization, proxy-authorization
    policies[23] = Policy::Never;
    policies[49] = Policy::Never;
    // cookie, set-cookie
    policies[static_table::COOKIE as usize] = Policy::Cookie;
    policies[55] = Policy::Cookie;
    // :path, age, content-length, content-range, etag, expires, if-match, if-modified-since,
    // if-none-match, if-range, if-unmodified-since, last-modified, location, range
    let changing = [4, 21, 28, 30, 34, 36, 39, 40, 41, 42, 43, 44, 46, 50];
    let mut n = 0;
    while n < changing.len() {
        policies[changing[n]] = Policy::Name;
        n += 1;
    }
    let mut other = STATIC_LEN as usize + 1;
    while other < policies.len() {
        policies[other] = Policy::Name;
        other += 1;
    }
    policies
};

/// The number of a known name: its first index in the static table, or a higher one; 0 if it is unknown.
#[inline]
pub(super) fn find(name: &[u8]) -> u8 {
    let id = match fingerprint(name) {
        Some(fingerprint) => IDS[slot(fingerprint)],
        None => 0,
    };
    if id != 0 && same(known(id), name) {
        id
    } else {
        0
    }
}

/// The name of a number that `find` told.
#[inline]
const fn known(id: u8) -> &'static [u8] {
    let id = id as usize;
    if id <= STATIC_LEN as usize {
        static_table::ENTRIES[id - 1].0
    } else {
        OTHER_NAMES[id - 1 - STATIC_LEN as usize]
    }
}

/// Length and three bytes of a name; the known names differ in them.
#[inline]
const fn fingerprint(name: &[u8]) -> Option<u32> {
    match name {
        [] => None,
        [first, .., last] => {
            let middle = name[name.len() / 2];
            Some(u32::from_le_bytes([
                name.len() as u8,
                *first,
                middle,
                *last,
            ]))
        }
        [only] => Some(u32::from_le_bytes([1, *only, *only, *only])),
    }
}

/// Spreads the fingerprints of the known names over the slots without a collision.
#[inline]
const fn slot(fingerprint: u32) -> usize {
    (fingerprint.wrapping_mul(0xe350_835f) >> 24) as usize
}

static IDS: [u8; 256] = {
    let mut ids = [0; 256];
    let mut id = 1;
    while id as usize <= STATIC_LEN as usize + OTHER_NAMES.len() {
        let is_first = id as u32 > STATIC_LEN || static_table::first_of(id as u32) == id;
        if is_first && let Some(fingerprint) = fingerprint(known(id)) {
            let slot = slot(fingerprint);
            assert!(ids[slot] == 0, "two known names have one slot");
            ids[slot] = id;
        }
        id += 1;
    }
    ids
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found() {
        for index in 1..=STATIC_LEN {
            let (name, _) = static_table::entry(index).unwrap();
            assert_eq!(find(name), static_table::first_of(index));
        }
        for (at, name) in OTHER_NAMES.iter().enumerate() {
            assert_eq!(usize::from(find(name)), STATIC_LEN as usize + 1 + at);
        }
    }

    #[test]
    fn other_names_are_not_found() {
        for name in [
            "",
            "a",
            "x",
            ":",
            ":patx",
            ":pxth",
            "Host",
            "hosts",
            "x-request-ie",
        ] {
            assert_eq!(find(name.as_bytes()), 0, "{name}");
        }
    }

    #[test]
    fn names_are_treated_as_they_should_be() {
        for (name, want) in [
            ("authorization", Policy::Never),
            ("proxy-authorization", Policy::Never),
            ("cookie", Policy::Cookie),
            ("set-cookie", Policy::Cookie),
            (":authority", Policy::Index),
            (":status", Policy::Index),
            ("date", Policy::Index),
            ("user-agent", Policy::Index),
            ("x-custom", Policy::Index),
        ] {
            assert_eq!(of(find(name.as_bytes())), want, "{name}");
        }
        let changing = ":path age content-length content-range etag expires if-match if-modified-since \
            if-none-match if-range if-unmodified-since last-modified location range x-request-id traceparent \
            tracestate grpc-timeout x-forwarded-for x-envoy-upstream-service-time";
        for name in changing.split_whitespace() {
            assert_eq!(of(find(name.as_bytes())), Policy::Name, "{name}");
        }
    }
}
