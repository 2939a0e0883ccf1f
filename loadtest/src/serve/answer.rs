//! What a request's path and query ask for.

use super::limits;
use crate::grpc;
use std::time::Duration;

/// What is answered where a path or query does not say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Bytes of body.
    pub bytes: u64,
    /// Time between the end of a request and its answer's head.
    pub delay: Duration,
    /// The status, 200 to 599.
    pub status: u16,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            bytes: 100,
            delay: Duration::ZERO,
            status: 200,
        }
    }
}

/// An answer to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Body,
    /// Bytes of body a second; none: as fast as they go.
    pub(super) rate: Option<u64>,
    pub(super) delay: Duration,
    pub(super) fault: Option<Fault>,
    /// The head tells the body's checksum.
    pub(super) tells_crc: bool,
    /// The status of a call of gRPC; none: it is no call.
    pub(super) call: Option<u8>,
}

/// Where a body comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// The pattern, of told length.
    Bytes(u64),
    /// The pattern, of untold length.
    Chunked(u64),
    /// The request.
    Echo,
    /// The pattern, without end.
    Endless,
    /// Messages of gRPC, each the beginning of the pattern.
    Messages { each: u64, count: u64 },
}

/// How an answer goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The request is given up instead, as a failure.
    Cancel,
    /// The connection ends instead.
    Close,
    /// The connection ends in the middle of the body.
    Cut,
    /// The answer comes, and the connection takes no more requests.
    Drain,
    /// What comes is of no protocol.
    Garbage,
    /// The request is not taken: it may be tried again.
    Refuse,
    /// The connection is reset instead.
    Reset,
    /// Nothing comes.
    Stall,
}

impl Answer {
    /// What `path` asks for; `is_call`: by gRPC. A number that is none, or a name that does not exist, is
    /// told with 400, to a call with INVALID_ARGUMENT.
    pub(super) fn of(path: &[u8], is_call: bool, defaults: &Defaults) -> Self {
        let mut answer = Self {
            status: defaults.status,
            body: Body::Bytes(defaults.bytes),
            rate: None,
            delay: defaults.delay,
            fault: None,
            tells_crc: false,
            call: is_call.then_some(0),
        };
        let mut messages = None;
        let (path, query) = match path.iter().position(|byte| *byte == b'?') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (path, &[][..]),
        };
        let is_understood = answer.take_path(path).is_some()
            && query
                .split(|byte| *byte == b'&')
                .all(|part| answer.take_parameter(part, &mut messages).is_some());
        if !is_understood {
            answer.fault = None;
            answer.body = Body::Bytes(0);
            match &mut answer.call {
                Some(status) => (*status, messages) = (INVALID_ARGUMENT, Some(0)),
                None => answer.status = 400,
            }
        }
        if is_call {
            answer.call(messages, defaults);
        }
        if answer.fault.is_some() && answer.body == Body::Echo {
            answer.body = Body::Bytes(defaults.bytes);
        }
        answer
    }

    /// Makes the body one of messages. A call that fails brings none if it is not asked for some.
    fn call(&mut self, messages: Option<u64>, defaults: &Defaults) {
        let count = messages.unwrap_or(u64::from(self.call == Some(0)));
        self.body = match self.body {
            Body::Bytes(each) | Body::Chunked(each) => Body::Messages { each, count },
            Body::Endless => Body::Messages {
                each: defaults.bytes,
                count: u64::MAX,
            },
            body @ (Body::Echo | Body::Messages { .. }) => body,
        };
    }

    fn take_path(&mut self, path: &[u8]) -> Option<()> {
        if path == b"/" {
            return Some(());
        }
        if let Some(rest) = path.strip_prefix(b"/bytes/") {
            self.body = Body::Bytes(number(rest)?);
        } else if let Some(rest) = path.strip_prefix(b"/chunked/") {
            self.body = Body::Chunked(number(rest)?);
        } else if let Some(rest) = path.strip_prefix(b"/slow/") {
            self.body = Body::Bytes(number(rest)?);
            self.rate = Some(SLOW_RATE);
        } else if path == b"/endless" {
            self.body = Body::Endless;
        } else if path == b"/echo" || self.call.is_some() && is_echo_method(path) {
            self.body = Body::Echo;
        }
        Some(())
    }

    fn take_parameter(&mut self, part: &[u8], messages: &mut Option<u64>) -> Option<()> {
        let (name, value) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (&part[..at], &part[at + 1..]),
            None => (part, &[][..]),
        };
        match name {
            b"crc" => self.tells_crc = true,
            b"delay" => {
                let delay = Duration::from_millis(number(value)?);
                self.delay = Some(delay).filter(|delay| *delay <= limits::DELAY_MAX)?;
            }
            b"fault" => self.fault = Some(fault(value)?),
            b"grpc-status" if self.call.is_some() => {
                let status = u8::try_from(number(value)?).ok();
                let status = status.filter(|status| *status <= grpc::STATUS_MAX)?;
                self.call = Some(status);
            }
            b"messages" => *messages = Some(number(value)?),
            b"rate" => self.rate = Some(number(value).filter(|rate| *rate > 0)?),
            b"status" => self.status = status(value)?,
            // What else a query has is the client's own affair (a cache buster, say).
            _ => {}
        }
        Some(())
    }
}

/// A method that is called `Echo`, of whatever service.
fn is_echo_method(path: &[u8]) -> bool {
    let method = path.rsplit(|byte| *byte == b'/').next();
    method.is_some_and(|method| method.eq_ignore_ascii_case(b"echo"))
}

/// A status of gRPC.
const INVALID_ARGUMENT: u8 = 3;

/// Bytes a second of `/slow/` without a rate.
const SLOW_RATE: u64 = 1000;

fn fault(name: &[u8]) -> Option<Fault> {
    Some(match name {
        b"cancel" => Fault::Cancel,
        b"close" => Fault::Close,
        b"cut" => Fault::Cut,
        b"drain" => Fault::Drain,
        b"garbage" => Fault::Garbage,
        b"refuse" => Fault::Refuse,
        b"reset" => Fault::Reset,
        b"stall" => Fault::Stall,
        _ => return None,
    })
}

fn status(digits: &[u8]) -> Option<u16> {
    let status = u16::try_from(number(digits)?).ok()?;
    (200..600).contains(&status).then_some(status)
}

fn number(digits: &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    (!digits.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer with that body.
    fn with(body: Body) -> Answer {
        Answer {
            status: 200,
            body,
            rate: None,
            delay: Duration::ZERO,
            fault: None,
            tells_crc: false,
            call: None,
        }
    }

    fn asked(path: &str, is_call: bool) -> Answer {
        let defaults = Defaults {
            bytes: 7,
            ..Defaults::default()
        };
        Answer::of(path.as_bytes(), is_call, &defaults)
    }

    fn of(path: &str) -> Answer {
        asked(path, false)
    }

    #[test]
    fn a_call_is_answered_with_messages_and_a_status() {
        let some = |each, count| Body::Messages { each, count };
        for (path, status, body) in [
            ("/p.S/M", 0, some(7, 1)),
            ("/bytes/9", 0, some(9, 1)),
            ("/bytes/9?messages=3", 0, some(9, 3)),
            ("/p.S/M?grpc-status=14", 14, some(7, 0)),
            ("/p.S/M?grpc-status=14&messages=2", 14, some(7, 2)),
            ("/p.S/M?grpc-status=17", INVALID_ARGUMENT, some(0, 0)),
            ("/bytes/x?messages=2", INVALID_ARGUMENT, some(0, 0)),
            ("/endless", 0, some(7, u64::MAX)),
            ("/echo", 0, Body::Echo),
            ("/p.S/Echo", 0, Body::Echo),
            ("/p.S/NoEcho", 0, some(7, 1)),
        ] {
            let answer = asked(path, true);
            let found = (answer.status, answer.call, answer.body);
            assert_eq!(found, (200, Some(status), body), "{path}");
        }
        assert_eq!(of("/?grpc-status=99&messages=3").status, 200);
    }

    #[test]
    fn a_path_says_what_the_body_is() {
        for (path, body) in [
            ("/", Body::Bytes(7)),
            ("/bytes/0", Body::Bytes(0)),
            ("/bytes/18446744073709551615", Body::Bytes(u64::MAX)),
            ("/chunked/5", Body::Chunked(5)),
            ("/endless", Body::Endless),
            ("/echo", Body::Echo),
            ("/else?nonsense=1&&x", Body::Bytes(7)),
        ] {
            assert_eq!(of(path), with(body), "{path}");
        }
        assert_eq!(
            (of("/slow/9").rate, of("/slow/9").body),
            (Some(1000), Body::Bytes(9))
        );
    }

    #[test]
    fn a_query_says_what_else() {
        let answer = of("/chunked/5?crc&status=201&delay=20&rate=3");
        let delay = Duration::from_millis(20);
        assert_eq!((answer.status, answer.tells_crc), (201, true));
        assert_eq!((answer.delay, answer.rate), (delay, Some(3)));
        assert_eq!(of("/?fault=stall").fault, Some(Fault::Stall));
        let echo = of("/echo?fault=cut");
        assert_eq!((echo.fault, echo.body), (Some(Fault::Cut), Body::Bytes(7)));
    }

    #[test]
    fn what_is_no_number_or_out_of_range_is_told() {
        let wrong = [
            "/bytes/",
            "/bytes/-1",
            "/bytes/18446744073709551616",
            "/slow/x",
        ];
        let queries = "status=199 status=600 status= delay=x delay=3600001 rate=0 fault=f";
        let queries = queries.split(' ').map(|query| format!("/?{query}"));
        for path in wrong.into_iter().map(str::to_owned).chain(queries) {
            assert_eq!(
                (of(&path).status, of(&path).body),
                (400, Body::Bytes(0)),
                "{path}"
            );
        }
    }
}
