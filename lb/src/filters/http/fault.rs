//! The fault filter: delays a share of requests and answers a share itself
//! (`envoy.extensions.filters.http.fault.v3.HTTPFault`).
//!
//! The delay comes first; a request may get both.

use crate::{
    config::{header_match, percent},
    filter::{
        ConfigError, Factory, FilterCx, FilterType, Hooks, HttpFilter, HttpFilterConfig, Verdict,
    },
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

fn abort_status(from: &FaultAbort) -> Result<(u16, Percent), ConfigError> {
    let Some(ErrorType::HttpStatus(status)) = from.error_type else {
        return Err(ConfigError::new("abort.http_status", "is missing"));
    };
    let status = u16::try_from(status)
        .ok()
        .filter(|status| (200..600).contains(status));
    let status =
        status.ok_or_else(|| ConfigError::new("abort.http_status", "has to be 200 to 599"))?;
    Ok((status, percent(from.percentage.as_ref())))
}

/// A compiled `HTTPFault`.
#[derive(Clone, Debug)]
pub struct FaultConfig {
    /// `delay`: how long, and how often.
    pub delay: Option<(Duration, Percent)>,
    /// `abort`: with which status, and how often.
    pub abort: Option<(u16, Percent)>,
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
    let Some((status, _)) = config.abort.filter(|(_, percent)| hit(*percent, cx)) else {
        return Verdict::Continue;
    };
    cx.record().flags.set(Flags::FAULT_INJECTED);
    let body = Buf::from_static(b"fault filter abort");
    Verdict::Respond(Box::new(LocalReply::with_body(
        status,
        "fault_filter_abort",
        body,
    )))
}

fn hit(percent: Percent, cx: &mut FilterCx<'_>) -> bool {
    let rng = cx.rng();
    percent.hit(&mut |bound| rng.below(bound))
}
