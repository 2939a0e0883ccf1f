//! The conditions under which a route applies.

use codecs::Head;

/// `envoy.config.route.v3.RouteMatch`.
#[derive(Clone, Debug)]
pub struct RouteMatch {
    /// `prefix`, `path`, `path_separated_prefix`.
    pub path: PathMatch,
    /// `case_sensitive`.
    pub case_sensitive: bool,
    /// `headers`; all have to match.
    pub headers: Vec<HeaderMatch>,
    /// `runtime_fraction.default_value`.
    pub fraction: Option<Percent>,
    /// `tls_context`.
    pub client_cert: ClientCertMatch,
}

/// `RouteMatch.TlsContextMatchOptions`; `None`: either will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCertMatch {
    /// `presented`.
    pub presented: Option<bool>,
    /// `validated`.
    pub validated: Option<bool>,
}

/// What is known of the certificate of a request's client; without TLS it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCert {
    /// One was presented.
    pub is_presented: bool,
    /// It was verified, too.
    pub is_validated: bool,
}

impl ClientCertMatch {
    fn matches(self, cert: ClientCert) -> bool {
        self.presented
            .is_none_or(|wanted| wanted == cert.is_presented)
            && self
                .validated
                .is_none_or(|wanted| wanted == cert.is_validated)
    }
}

impl RouteMatch {
    /// Matches every path that begins with `prefix`.
    pub fn prefix(prefix: &str) -> Self {
        Self {
            path: PathMatch::Prefix(prefix.as_bytes().to_vec()),
            case_sensitive: true,
            headers: Vec::new(),
            fraction: None,
            client_cert: ClientCertMatch::default(),
        }
    }

    /// Whether the route applies; `dice` gives a number in `0..bound`.
    pub fn matches(&self, head: &Head, cert: ClientCert, dice: &mut dyn FnMut(u64) -> u64) -> bool {
        self.path.matches(head.path(), self.case_sensitive)
            && self.client_cert.matches(cert)
            && self.headers.iter().all(|header| header.matches(head))
            && self.fraction.is_none_or(|fraction| fraction.hit(dice))
    }
}

/// How a route's path is compared; the query is never part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// The whole path.
    Exact(Vec<u8>),
    /// Its beginning.
    Prefix(Vec<u8>),
    /// Its beginning, up to the end or a `/`.
    SeparatedPrefix(Vec<u8>),
}

impl PathMatch {
    fn matches(&self, target: &[u8], case_sensitive: bool) -> bool {
        let end = target
            .iter()
            .position(|byte| *byte == b'?')
            .unwrap_or(target.len());
        let path = &target[..end];
        let begins = |prefix: &[u8]| {
            path.get(..prefix.len())
                .is_some_and(|start| same(start, prefix, case_sensitive))
        };
        match self {
            // CONNECT has no path and matches none.
            _ if path.is_empty() => false,
            Self::Exact(exact) => same(path, exact, case_sensitive),
            // RFC 9110 §7.1: `*` asks about all that is here, so what takes everything takes it too.
            Self::Prefix(prefix) if path == b"*" => matches!(&prefix[..], b"" | b"/" | b"*"),
            Self::Prefix(prefix) => begins(prefix),
            Self::SeparatedPrefix(prefix) => {
                begins(prefix) && matches!(path.get(prefix.len()), None | Some(b'/'))
            }
        }
    }

    /// Length of the part of the path that matched.
    pub fn matched_len(&self) -> usize {
        match self {
            Self::Exact(part) | Self::Prefix(part) | Self::SeparatedPrefix(part) => part.len(),
        }
    }
}

fn same(a: &[u8], b: &[u8], case_sensitive: bool) -> bool {
    if case_sensitive {
        a == b
    } else {
        a.eq_ignore_ascii_case(b)
    }
}

/// `envoy.config.route.v3.HeaderMatcher`.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// Lower-case; `:path`, `:method`, `:authority` and `:scheme` name the request's parts.
    pub name: Vec<u8>,
    /// `None`: the header only has to be there.
    pub value: Option<StringMatch>,
    /// `invert_match`.
    pub invert: bool,
    /// `present_match: false`: it has to be absent.
    pub absent: bool,
}

impl HeaderMatch {
    /// Whether a request or answer has such a header. Several fields of the name count as one value
    /// joined by commas.
    pub fn matches(&self, head: &Head) -> bool {
        let value = self.value_of(head);
        let hit = match (&self.value, &value) {
            (_, found) if self.absent => found.is_none(),
            (None, found) => found.is_some(),
            // Envoy: a value matcher on an absent header does not match, inverted or not.
            (Some(_), None) => return false,
            (Some(wanted), Some(found)) => wanted.matches(found),
        };
        hit != self.invert
    }

    fn value_of<'a>(&self, head: &'a Head) -> Option<std::borrow::Cow<'a, [u8]>> {
        let slot = match self.name.as_slice() {
            b":path" => head.path(),
            b":method" => head.method(),
            b":authority" | b"host" => head.authority(),
            b":scheme" => head.scheme(),
            name => {
                let mut all = head
                    .fields
                    .iter()
                    .filter(|(n, _)| *n == name)
                    .map(|(_, v)| v);
                let first = all.next()?;
                let Some(second) = all.next() else {
                    return Some(first.into());
                };
                let mut joined = [first, b",", second].concat();
                for more in all {
                    joined.push(b',');
                    joined.extend_from_slice(more);
                }
                return Some(joined.into());
            }
        };
        (!slot.is_empty()).then(|| slot.into())
    }
}

/// `envoy.type.matcher.v3.StringMatcher`.
#[derive(Clone, Debug)]
pub struct StringMatch {
    /// How it is compared.
    pub kind: StringKind,
    /// What it is compared with; lower-case if `ignore_case`.
    pub text: Vec<u8>,
    /// `ignore_case`.
    pub ignore_case: bool,
}

/// How a [`StringMatch`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringKind {
    /// `contains`.
    Contains,
    /// `exact`.
    Exact,
    /// `prefix`.
    Prefix,
    /// `suffix`.
    Suffix,
}

impl StringMatch {
    /// Whether `value` matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        let lower;
        let value = if self.ignore_case {
            lower = value.to_ascii_lowercase();
            &lower
        } else {
            value
        };
        let text = self.text.as_slice();
        match self.kind {
            StringKind::Contains => {
                text.is_empty() || value.windows(text.len()).any(|part| part == text)
            }
            StringKind::Exact => value == text,
            StringKind::Prefix => value.starts_with(text),
            StringKind::Suffix => value.ends_with(text),
        }
    }
}

/// `envoy.type.v3.FractionalPercent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent {
    /// Hits.
    pub numerator: u32,
    /// Of so many: 100, 10 000 or 1 000 000.
    pub denominator: u32,
}

impl Percent {
    /// Decides one case; `dice` gives a number in `0..bound`.
    pub fn hit(self, dice: &mut dyn FnMut(u64) -> u64) -> bool {
        dice(u64::from(self.denominator)) < u64::from(self.numerator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> Head {
        let mut head = Head::default();
        head.set_method(b"GET");
        head.set_path(path.as_bytes());
        head.fields.append(b"x-user", b"alice");
        head.fields.append(b"x-user", b"bob");
        head
    }

    #[test]
    fn paths_match_without_their_query() {
        let paths = |m: PathMatch| move |p: &str| m.matches(p.as_bytes(), true);
        let exact = paths(PathMatch::Exact(b"/a".to_vec()));
        assert!(exact("/a") && exact("/a?x") && !exact("/ab") && !exact("/A"));
        let prefix = paths(PathMatch::Prefix(b"/a".to_vec()));
        assert!(prefix("/a") && prefix("/ab") && !prefix("/?/a") && !prefix(""));
        let separated = paths(PathMatch::SeparatedPrefix(b"/a".to_vec()));
        assert!(separated("/a") && separated("/a/b") && separated("/a?x") && !separated("/ab"));
        assert!(PathMatch::Exact(b"/a".to_vec()).matches(b"/A", false));
    }

    #[test]
    fn headers_match_joined_inverted_and_absent() {
        let exact = |text: &str| {
            Some(StringMatch {
                kind: StringKind::Exact,
                text: text.as_bytes().to_vec(),
                ignore_case: false,
            })
        };
        for (name, value, invert, absent, expected) in [
            ("x-user", exact("alice,bob"), false, false, true),
            ("x-user", exact("alice"), true, false, true),
            ("x-user", None, false, false, true),
            ("x-none", None, false, true, true),
            ("x-none", exact("a"), true, false, false),
            (":method", exact("GET"), false, false, true),
        ] {
            let matcher = HeaderMatch {
                name: name.into(),
                value,
                invert,
                absent,
            };
            assert_eq!(matcher.matches(&request("/")), expected, "{matcher:?}");
        }
    }

    #[test]
    fn the_client_s_certificate_is_a_condition() {
        let cert = |is_presented, is_validated| ClientCert {
            is_presented,
            is_validated,
        };
        for (presented, validated, client, expected) in [
            (None, None, cert(false, false), true),
            (Some(true), None, cert(false, false), false),
            (Some(true), None, cert(true, false), true),
            (Some(false), None, cert(true, true), false),
            (None, Some(true), cert(true, false), false),
            (None, Some(true), cert(true, true), true),
            (Some(true), Some(false), cert(true, false), true),
        ] {
            let condition = RouteMatch {
                client_cert: ClientCertMatch {
                    presented,
                    validated,
                },
                ..RouteMatch::prefix("/")
            };
            let head = request("/");
            let matches = condition.matches(&head, client, &mut |_| 0);
            assert_eq!(matches, expected, "{condition:?} {client:?}");
        }
    }
}
