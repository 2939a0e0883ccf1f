//! The fault filter: delays a share of requests and answers a share itself
//! (`envoy.extensions.filters.http.fault.v3.HTTPFault`).
//!
//! The delay comes first; a request may get both.

use crate::{
    filter::{
        ConfigError, Factory, FilterCx, FilterType, Hooks, HttpFilter, HttpFilterConfig, Verdict,
    },
    route::{HeaderMatch, Percent},
    stream::{Flags, LocalReply},
};
use codecs::Head;
use engines::Buf;
use std::time::Duration;

/// The filter type.
#[derive(Debug)]
pub struct Fault;

impl FilterType for Fault {
    fn type_url(&self) -> &'static str {
        "envoy.extensions.filters.http.fault.v3.HTTPFault"
    }

    fn parse(&self, config: &[u8]) -> Result<Factory, ConfigError> {
        let _ = config;
        Err(ConfigError::new("", "not available"))
    }
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
