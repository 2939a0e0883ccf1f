//! Filters: what a guest on the request path implements, and how its configuration is made.
//!
//! A filter holds no handle on the proxy, so it cannot re-enter it: it gets values, returns a
//! [`Verdict`], and asks for effects through [`FilterCx`].

mod chain;
mod registry;

pub use chain::{Chain, Dir, Env, Flow};
pub use registry::{ConfigError, FILTERS, Factory, FilterType, find};

use crate::stream::{LocalReply, Record};
use codecs::{Fields, Head, Reason};
use engines::{BufList, Rng, UnixTime};
use std::{
    any::Any,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// What becomes of the direction that a hook was called for.
#[must_use]
#[derive(Debug)]
pub enum Verdict {
    /// Call the data hook once, with the whole body; 413 if it is over the limit.
    Collect,
    /// On to the next filter.
    Continue,
    /// Hold the direction here until a later hook of this filter continues it.
    Pause,
    /// Give the stream up.
    Reset(Reason),
    /// Answer instead of the upstream.
    Respond(Box<LocalReply>),
}

/// The hooks of an HTTP (stream) filter, for every L7 protocol; each defaults to `Continue`.
pub trait HttpFilter {
    /// The request's head. Called once, before any data.
    fn on_request_head(&mut self, head: &mut Head, end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        let _ = (head, end, cx);
        Verdict::Continue
    }
    /// A part of the request's body; `end`: no more data follows. Not called if the head ended the
    /// request, unless it was to be collected.
    fn on_request_data(&mut self, data: &mut BufList, end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        let _ = (data, end, cx);
        Verdict::Continue
    }
    /// The end of the request, with empty `fields` if no trailers came. What is pushed to `data` goes
    /// before the trailers, through the filters that follow.
    fn on_request_trailers(
        &mut self,
        fields: &mut Fields,
        data: &mut BufList,
        cx: &mut FilterCx<'_>,
    ) -> Verdict {
        let _ = (fields, data, cx);
        Verdict::Continue
    }
    /// The final answer's head.
    fn on_response_head(&mut self, head: &mut Head, end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        let _ = (head, end, cx);
        Verdict::Continue
    }
    /// A part of the answer's body; `end`: no more data follows.
    fn on_response_data(
        &mut self,
        data: &mut BufList,
        end: bool,
        cx: &mut FilterCx<'_>,
    ) -> Verdict {
        let _ = (data, end, cx);
        Verdict::Continue
    }
    /// The end of the answer, with empty `fields` if no trailers came.
    fn on_response_trailers(
        &mut self,
        fields: &mut Fields,
        data: &mut BufList,
        cx: &mut FilterCx<'_>,
    ) -> Verdict {
        let _ = (fields, data, cx);
        Verdict::Continue
    }
    /// A timer that this filter armed has run out.
    fn on_timer(&mut self, cx: &mut FilterCx<'_>) -> Verdict {
        let _ = cx;
        Verdict::Continue
    }
    /// The stream is over.
    fn on_complete(&mut self, record: &Record) {
        let _ = record;
    }
}

/// The hooks of a network filter: bytes of a connection before its terminal sees them.
pub trait NetworkFilter {
    /// A connection was accepted.
    fn on_connection(&mut self, cx: &mut FilterCx<'_>) -> Verdict {
        let _ = cx;
        Verdict::Continue
    }
    /// Bytes from downstream.
    fn on_read(&mut self, data: &mut BufList, end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        let _ = (data, end, cx);
        Verdict::Continue
    }
    /// Bytes on their way downstream.
    fn on_write(&mut self, data: &mut BufList, end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        let _ = (data, end, cx);
        Verdict::Continue
    }
    /// A timer that this filter armed has run out.
    fn on_timer(&mut self, cx: &mut FilterCx<'_>) -> Verdict {
        let _ = cx;
        Verdict::Continue
    }
    /// The connection is over.
    fn on_close(&mut self, record: &Record) {
        let _ = record;
    }
}

/// The hooks of a listener filter: the first bytes of a connection, before a filter chain is chosen.
pub trait ListenerFilter {
    /// A connection was accepted.
    fn on_accept(&mut self, cx: &mut FilterCx<'_>) -> Verdict {
        let _ = cx;
        Verdict::Continue
    }
    /// The bytes that came so far; they stay in place.
    fn on_peek(&mut self, bytes: &[u8], cx: &mut FilterCx<'_>) -> Verdict {
        let _ = (bytes, cx);
        Verdict::Continue
    }
    /// A timer that this filter armed has run out.
    fn on_timer(&mut self, cx: &mut FilterCx<'_>) -> Verdict {
        let _ = cx;
        Verdict::Continue
    }
}

/// Which hooks of an HTTP filter are worth calling; the others are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `on_request_head`.
    pub request_head: bool,
    /// `on_request_data`.
    pub request_data: bool,
    /// `on_request_trailers`.
    pub request_trailers: bool,
    /// `on_response_head`.
    pub response_head: bool,
    /// `on_response_data`.
    pub response_data: bool,
    /// `on_response_trailers`.
    pub response_trailers: bool,
}

/// A parsed configuration of an HTTP filter, shared by all streams.
pub trait HttpFilterConfig: Any + Send + Sync + fmt::Debug {
    /// The hooks that its filters implement.
    fn hooks(&self) -> Hooks;
    /// A filter for one stream; it finds this configuration again in [`FilterCx::config`].
    fn create(&self) -> Box<dyn HttpFilter>;
    /// This configuration over that of the next outer layer; `None`: this one alone counts.
    fn merge(&self, outer: &dyn HttpFilterConfig) -> Option<Arc<dyn HttpFilterConfig>> {
        let _ = outer;
        None
    }
}

/// A parsed configuration of a network filter.
pub trait NetworkFilterConfig: Any + Send + Sync + fmt::Debug {
    /// A filter for one connection.
    fn create(&self) -> Box<dyn NetworkFilter>;
}

/// A parsed configuration of a listener filter.
pub trait ListenerFilterConfig: Any + Send + Sync + fmt::Debug {
    /// A filter for one connection.
    fn create(&self) -> Box<dyn ListenerFilter>;
}

/// The HTTP filters of a route, configurations merged.
#[derive(Clone, Debug, Default)]
pub struct HttpChainConfig {
    /// In the order in which a request passes them.
    pub entries: Vec<HttpFilterEntry>,
}

/// One filter of a chain.
#[derive(Clone, Debug)]
pub struct HttpFilterEntry {
    /// `HttpFilter.name`; routes refer to it.
    pub name: String,
    /// Its configuration.
    pub config: Arc<dyn HttpFilterConfig>,
    /// `HttpFilter.disabled`: off unless a route configures it.
    pub disabled: bool,
}

/// `typed_per_filter_config` of a virtual host or route.
pub type PerFilterConfig = Vec<(String, PerFilter)>;

/// What a virtual host or route says about a filter.
#[derive(Clone, Debug)]
pub enum PerFilter {
    /// `FilterConfig.disabled`.
    Disabled,
    /// Another configuration.
    Config(Arc<dyn HttpFilterConfig>),
}

impl HttpChainConfig {
    /// The chain of a route: this (the listener's) under `layers`, from the outermost to the innermost.
    #[must_use]
    pub fn merged(&self, layers: &[&PerFilterConfig]) -> Self {
        let entries = self.entries.iter().map(|entry| {
            let mut merged = entry.clone();
            for layer in layers {
                match layer.iter().find(|(name, _)| *name == entry.name) {
                    Some((_, PerFilter::Disabled)) => merged.disabled = true,
                    Some((_, PerFilter::Config(inner))) => {
                        let over = inner.merge(&*merged.config);
                        merged.config = over.unwrap_or_else(|| inner.clone());
                        merged.disabled = false;
                    }
                    None => {}
                }
            }
            merged
        });
        Self {
            entries: entries.filter(|entry| !entry.disabled).collect(),
        }
    }
}

/// What a hook sees of the world, and the effects it may ask for.
pub struct FilterCx<'a> {
    pub(crate) config: &'a dyn Any,
    pub(crate) now: Instant,
    pub(crate) wall: UnixTime,
    pub(crate) rng: &'a mut Rng,
    pub(crate) record: &'a mut Record,
    pub(crate) cluster: &'a str,
    pub(crate) tls: Option<&'a tls::Facts>,
    pub(crate) held_head: Option<&'a mut Head>,
    pub(crate) effects: Effects,
}

/// What a hook asked for.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) timer: Option<Instant>,
    pub(crate) rematch: bool,
}

impl<'a> FilterCx<'a> {
    /// The filter's configuration, merged from listener, virtual host and route.
    ///
    /// # Panics
    /// If `T` is not the type that the filter's own `FilterType::parse` made.
    pub fn config<T: Any>(&self) -> &'a T {
        self.config
            .downcast_ref()
            .expect("a filter asks for the type of its own configuration")
    }

    /// The time of this turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Calendar time of this turn.
    pub fn wall(&self) -> UnixTime {
        self.wall
    }

    /// The worker's random source.
    pub fn rng(&mut self) -> &mut Rng {
        self.rng
    }

    /// The stream's decision record.
    pub fn record(&mut self) -> &mut Record {
        self.record
    }

    /// The name of the cluster that the request was routed to; empty if to none.
    pub fn cluster(&self) -> &str {
        self.cluster
    }

    /// What TLS with the client has agreed on, and who the client is, if there is any.
    pub fn tls(&self) -> Option<&tls::Facts> {
        self.tls
    }

    /// In a data hook: the message's head, if it still waits at this filter, which may change it yet.
    pub fn held_head(&mut self) -> Option<&mut Head> {
        self.held_head.as_deref_mut()
    }

    /// Calls `on_timer` after that time, unless the stream ends first. One timer a filter and
    /// direction; a later call replaces it.
    pub fn arm(&mut self, after: Duration) {
        self.effects.timer = Some(self.now + after);
    }

    /// Sends the request back to route matching, once this hook returns `Continue`.
    pub fn rematch(&mut self) {
        self.effects.rematch = true;
    }
}
