//! `%GRPC_STATUS%`: what a gRPC request came to, as a number or by name.

use super::operator::{number, text};
use crate::{grpc, stream::Record};

/// How a `grpc-status` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrpcStyle {
    /// `DeadlineExceeded`.
    Camel,
    Number,
    /// `DEADLINE_EXCEEDED`.
    Snake,
}

/// A gRPC request that came to no status of its own has that of its HTTP status, as clients see it.
pub(super) fn take(record: &Record, style: GrpcStyle, out: &mut Vec<u8>) {
    let answered = (record.grpc == grpc::Outcome::OPEN && record.status > 0)
        .then(|| grpc::status(record.status));
    let status = record.grpc.status().or(answered);
    let name = status.and_then(match style {
        GrpcStyle::Camel => grpc::camel_name,
        GrpcStyle::Number => |_| None,
        GrpcStyle::Snake => grpc::snake_name,
    });
    match name {
        Some(name) => text(out, name.as_bytes()),
        None => number(out, status.map(u64::from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access_log::operator::{Operator, Value, read},
        grpc::Outcome,
    };
    use engines::SimNet;

    #[test]
    fn a_grpc_status_is_written_in_each_style() {
        let operators = [
            "",
            "(CAMEL_STRING)",
            "(SNAKE_STRING)",
            "(NUMBER)",
            "_NUMBER",
        ];
        for (outcome, http, expected) in [
            (Outcome::of(4), 200, "DeadlineExceeded DEADLINE_EXCEEDED 4"),
            (Outcome::of(0), 200, "OK OK 0"),
            (Outcome::of(17), 200, "17 17 17"),
            (Outcome::OPEN, 503, "Unavailable UNAVAILABLE 14"),
            (Outcome::OPEN, 200, "Unknown UNKNOWN 2"),
            (Outcome::OPEN, 0, "- - -"),
            (Outcome::ODD, 200, "- - -"),
            (Outcome::FOREIGN, 200, "- - -"),
        ] {
            let mut record = Record::new(SimNet::new(1).now());
            (record.grpc, record.status) = (outcome, http);
            let mut found = Vec::new();
            for operator in operators {
                let operator = Operator::parse(&format!("GRPC_STATUS{operator}")).unwrap();
                let Operator::GrpcStatus(style) = operator else {
                    panic!("{operator:?}");
                };
                let mut out = Vec::new();
                take(&record, style, &mut out);
                found.push(match read(&mut &out[..]) {
                    Some(Value::Number(number)) => number.to_string(),
                    Some(Value::Text(text)) => String::from_utf8(text.to_vec()).unwrap(),
                    other => other.map_or("-".to_owned(), |other| panic!("{other:?}")),
                });
            }
            let mut expected: Vec<_> = expected.split(' ').collect();
            expected.insert(0, expected[0]);
            expected.push(expected[3]);
            assert_eq!(found, expected, "{outcome:?} {http}");
        }
        assert!(Operator::parse("GRPC_STATUS(WORDS)").is_err());
    }
}
