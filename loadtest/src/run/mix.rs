//! The requests of a workload, made ready to be encoded, and the choice among them.

use super::Target;
use crate::serve::pattern;
use crate::workload::{Expect, Protocol, Request, Workload};
use codecs::{Head, Length};
use engines::Rng;

/// What is asked, chosen by weight.
#[derive(Debug)]
pub(super) struct Mix {
    kinds: Vec<Kind>,
    /// Sums of the weights up to each kind.
    sums: Vec<u64>,
    /// Bodies are compared with their checksum.
    pub(super) verify: bool,
    /// They are calls of gRPC.
    pub(super) is_grpc: bool,
}

/// One kind of request.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) head: Head,
    /// Bytes of body, without the prefix of a message.
    pub(super) body: u64,
    /// What the answer has to be; what comes back from an echo is in it.
    pub(super) expect: Expect,
}

impl Mix {
    pub(super) fn new(target: &Target, workload: &Workload) -> Self {
        // It takes a moment to make, which is not to be the first request's.
        pattern::pattern();
        let mut sum = 0;
        let weights = workload.requests.iter().map(|request| {
            sum += u64::from(request.weight);
            sum
        });
        Self {
            sums: weights.collect(),
            kinds: (workload.requests.iter())
                .map(|request| Kind::new(target, workload, request))
                .collect(),
            verify: workload.verify,
            is_grpc: workload.protocol.is_grpc(),
        }
    }

    pub(super) fn kind(&self, index: u32) -> &Kind {
        &self.kinds[index as usize]
    }

    /// Chooses a kind.
    pub(super) fn draw(&self, rng: &mut Rng) -> u32 {
        match self.sums.as_slice() {
            [] | [_] => 0,
            [.., total] => {
                let drawn = rng.below(*total);
                self.sums.partition_point(|sum| *sum <= drawn) as u32
            }
        }
    }
}

impl Kind {
    fn new(target: &Target, workload: &Workload, request: &Request) -> Self {
        let mut expect = request.expect.clone();
        if workload.protocol == Protocol::Echo {
            expect.bytes.get_or_insert(request.body);
            let crc32 = workload.verify.then(|| pattern::crc32(request.body));
            expect.crc32 = expect.crc32.or(crc32);
        }
        let mut head = head(target, request);
        if workload.protocol.is_grpc() {
            make_call(&mut head);
        }
        Self {
            head,
            body: request.body,
            expect,
        }
    }
}

fn head(target: &Target, request: &Request) -> Head {
    let mut head = Head::default();
    head.set_method(request.method.as_bytes());
    head.set_path(request.path.as_bytes());
    let (mut authority, mut fields) = (target.authority.as_str(), Vec::new());
    for (name, value) in &request.headers {
        match name.eq_ignore_ascii_case("host") {
            true => authority = value,
            false => fields.push((name, value)),
        }
    }
    head.set_authority(authority.as_bytes());
    for (name, value) in fields {
        head.fields.append(name.as_bytes(), value.as_bytes());
    }
    head.length = match (request.body, request.chunked) {
        (_, true) => Length::Unknown,
        (0, false) => Length::None,
        (bytes, false) => Length::Known(bytes),
    };
    head
}

/// What every call of gRPC says, if the workload does not say it otherwise.
fn make_call(head: &mut Head) {
    head.set_method(b"POST");
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "loadtest"),
    ] {
        if head.fields.get(name.as_bytes()).is_none() {
            head.fields.append(name.as_bytes(), value.as_bytes());
        }
    }
    head.length = Length::Unknown;
}

#[cfg(test)]
mod tests {
    use super::*;
    use engines::SockAddr;

    fn mix(weights: &[u32]) -> Mix {
        let target = Target {
            address: SockAddr::Unix("x".into()),
            authority: "a".to_owned(),
            tls: None,
        };
        let requests = weights.iter().map(|weight| Request {
            weight: *weight,
            headers: vec![
                ("Host".to_owned(), "b".to_owned()),
                ("x".to_owned(), "y".to_owned()),
            ],
            ..Request::default()
        });
        let workload = Workload {
            requests: requests.collect(),
            ..Workload::default()
        };
        Mix::new(&target, &workload)
    }

    #[test]
    fn kinds_come_as_often_as_they_weigh() {
        let (mix, mut rng, mut seen) = (mix(&[1, 2, 7]), Rng::seeded(3), [0i32; 3]);
        for _ in 0..10_000 {
            seen[mix.draw(&mut rng) as usize] += 1;
        }
        let near = |index: usize, want: i32| (seen[index] - want).abs() < 200;
        assert!(near(0, 1000) && near(1, 2000) && near(2, 7000), "{seen:?}");
    }

    #[test]
    fn a_host_of_its_own_is_the_authority() {
        let mix = mix(&[1]);
        let head = &mix.kind(0).head;
        assert_eq!((head.authority(), head.fields.len()), (&b"b"[..], 1));
    }
}
