//! The fault filter: delays a share of requests and answers a share itself
//! (`envoy.extensions.filters.http.fault.v3.HTTPFault`).
//!
//! The delay comes first; a request may get both.

use crate::{
    config::{header_match, percent},
    filter::{
        ConfigError, Factory, FilterCx, FilterType, Hooks, HttpFilter, HttpFilterConfig, Verdict,
    },
    grpc,
    route::{HeaderMatch, Percent},
    stream::{Flags, LocalReply},
};
use codecs::Head;
use engines::Buf;
use prost::Message;
use std::{sync::Arc, time::Duration};
use xds::api::envoy::extensions::filters::{
    common::fault::v3::{FaultDelay, fault_delay::FaultDelaySecifier},
    http::fault::v3::{FaultAbort, HttpFault, fault_abort::ErrorType},
};

/// The filter type.
#[derive(Debug)]
pub struct Fault;

impl FilterType for Fault {
    fn type_url(&self) -> &'static str {
        "envoy.extensions.filters.http.fault.v3.HTTPFault"
    }

    fn parse(&self, config: &[u8]) -> Result<Factory, ConfigError> {
        let from = HttpFault::decode(config).map_err(|e| ConfigError::new("", e.to_string()))?;
        let headers = from.headers.iter().enumerate().map(|(index, header)| {
            let field = format!("headers[{index}]");
            header_match(header).map_err(|reason| ConfigError::new(&field, reason))
        });
        let config = FaultConfig {
            delay: from.delay.as_ref().map(delay).transpose()?,
            abort: from.abort.as_ref().map(abort_status).transpose()?,
            cluster: from.upstream_cluster.clone(),
            headers: headers.collect::<Result<_, _>>()?,
        };
        Ok(Factory::Http(Arc::new(config)))
    }
}

fn delay(from: &FaultDelay) -> Result<(Duration, Percent), ConfigError> {
    let Some(FaultDelaySecifier::FixedDelay(time)) = &from.fault_delay_secifier else {
        return Err(ConfigError::new("delay.fixed_delay", "is missing"));
    };
    let time = Duration::try_from(*time)
        .ok()
        .filter(|time| !time.is_zero());
    let time = time.ok_or_else(|| ConfigError::new("delay.fixed_delay", "has to be above 0"))?;
    Ok((time, percent(from.percentage.as_ref())))
}

fn abort_status(from: &FaultAbort) -> Result<(Abort, Percent), ConfigError> {
    let (field, reason, abort) = match from.error_type {
        Some(ErrorType::HttpStatus(status)) => {
            let status = u16::try_from(status).ok();
            let status = status.filter(|status| (200..600).contains(status));
            let abort = status.map(Abort::Http);
            ("abort.http_status", "has to be 200 to 599", abort)
        }
        Some(ErrorType::GrpcStatus(status)) => {
            let status = grpc::Status::try_from(status).ok();
            let status = status.filter(|status| usize::from(*status) < grpc::STATUSES);
            let abort = status.map(Abort::Grpc);
            ("abort.grpc_status", "has to be 0 to 16", abort)
        }
        None => ("abort", "needs `http_status` or `grpc_status`", None),
    };
    let abort = abort.ok_or_else(|| ConfigError::new(field, reason))?;
    Ok((abort, percent(from.percentage.as_ref())))
}

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// `grpc_status`.
    Grpc(grpc::Status),
    /// `http_status`.
    Http(u16),
}

impl Abort {
    fn reply(self) -> LocalReply {
        let with = |status| {
            let body = Buf::from_static(b"fault filter abort");
            LocalReply::with_body(status, "fault_filter_abort", body)
        };
        match self {
            Self::Grpc(status) => with(grpc::http_status(status)).with_grpc_status(status),
            Self::Http(status) => with(status),
        }
    }
}

/// A compiled `HTTPFault`.
#[derive(Clone, Debug)]
pub struct FaultConfig {
    /// `delay`: how long, and how often.
    pub delay: Option<(Duration, Percent)>,
    /// `abort`: with which status, and how often.
    pub abort: Option<(Abort, Percent)>,
    /// `upstream_cluster`: only requests to this cluster; empty: all.
    pub cluster: String,
    /// `headers`: only requests that match all of them.
    pub headers: Vec<HeaderMatch>,
}

impl HttpFilterConfig for FaultConfig {
    fn hooks(&self) -> Hooks {
        Hooks {
            request_head: true,
            ..Hooks::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(FaultFilter)
    }
}

/// The filter keeps nothing: what is left to do after the delay is decided then.
struct FaultFilter;

impl HttpFilter for FaultFilter {
    fn on_request_head(&mut self, head: &mut Head, _end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        let config = cx.config::<FaultConfig>();
        let meant = config.cluster.is_empty() || config.cluster == cx.cluster();
        if !meant || !config.headers.iter().all(|header| header.matches(head)) {
            return Verdict::Continue;
        }
        if let Some((time, percent)) = config.delay
            && hit(percent, cx)
        {
            cx.record().flags.set(Flags::DELAY_INJECTED);
            cx.arm(time);
            return Verdict::Pause;
        }
        abort(config, cx)
    }

    fn on_timer(&mut self, cx: &mut FilterCx<'_>) -> Verdict {
        abort(cx.config::<FaultConfig>(), cx)
    }
}

fn abort(config: &FaultConfig, cx: &mut FilterCx<'_>) -> Verdict {
    let Some((how, _)) = config.abort.filter(|(_, percent)| hit(*percent, cx)) else {
        return Verdict::Continue;
    };
    cx.record().flags.set(Flags::FAULT_INJECTED);
    Verdict::Respond(Box::new(how.reply()))
}

fn hit(percent: Percent, cx: &mut FilterCx<'_>) -> bool {
    let rng = cx.rng();
    percent.hit(&mut |bound| rng.below(bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(error_type: Option<ErrorType>) -> Result<Abort, String> {
        let abort = FaultAbort {
            error_type,
            ..FaultAbort::default()
        };
        let abort = abort_status(&abort);
        abort.map(|(abort, _)| abort).map_err(|error| error.field)
    }

    #[test]
    fn an_abort_has_a_status_of_either_kind() {
        for (error_type, expected) in [
            (Some(ErrorType::HttpStatus(200)), Ok((200, 2))),
            (Some(ErrorType::HttpStatus(503)), Ok((503, 14))),
            (Some(ErrorType::GrpcStatus(0)), Ok((200, 0))),
            (Some(ErrorType::GrpcStatus(8)), Ok((429, 8))),
            (Some(ErrorType::GrpcStatus(16)), Ok((401, 16))),
            (Some(ErrorType::HttpStatus(199)), Err("abort.http_status")),
            (Some(ErrorType::HttpStatus(600)), Err("abort.http_status")),
            (Some(ErrorType::GrpcStatus(17)), Err("abort.grpc_status")),
            (Some(ErrorType::GrpcStatus(256)), Err("abort.grpc_status")),
            (None, Err("abort")),
        ] {
            let found = parsed(error_type).map(|abort| {
                let reply = abort.reply();
                (reply.status, reply.grpc_status())
            });
            assert_eq!(found, expected.map_err(str::to_owned), "{error_type:?}");
        }
    }
}
