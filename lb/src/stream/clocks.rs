//! A stream's deadlines: when each begins, and what happens when it passes.

use super::{Failure, Flags, LocalReply, Phase, Stream, StreamKey, Upgrade};
use crate::{config::HttpConfig, route::Action, worker::Worker};
use std::time::{Duration, Instant};

/// When a stream's patience ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadlines {
    /// The request has to be complete.
    pub(crate) request: Option<Instant>,
    /// The answer has to be complete.
    pub(crate) route: Option<Instant>,
    /// This try's answer has to begin.
    pub(crate) per_try: Option<Instant>,
    /// When the last byte came by, in either direction; the idle time runs from then on.
    pub(crate) touched: Option<Instant>,
}

impl Stream {
    /// When its first deadline or filter's timer passes.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = &self.deadlines;
        let filters = self.chain.as_ref().and_then(|chain| chain.next_timer());
        let all = [
            deadlines.request,
            deadlines.route,
            deadlines.per_try,
            self.idle_deadline(),
            filters,
        ];
        all.into_iter().flatten().min()
    }

    /// When it has been idle for too long.
    fn idle_deadline(&self) -> Option<Instant> {
        self.deadlines.touched?.checked_add(self.idle_time?)
    }
}

impl Worker {
    pub(super) fn start_clocks(&mut self, key: StreamKey, http: &HttpConfig, end: bool) {
        let now = self.now;
        let after = |time: Option<Duration>| time.and_then(|time| now.checked_add(time));
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.deadlines.request = if end {
            None
        } else {
            after(http.request_timeout)
        };
        stream.idle_time = http.stream_idle_timeout;
        stream.touch(now);
    }

    /// The route's timeouts hold from now on.
    pub(super) fn start_route_clocks(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if let Some(id) = stream.record.route
            && let Action::Forward(forward) = &stream.epoch.route(stream.listener, id).action
            && let Some(idle) = forward.idle_timeout
        {
            stream.idle_time = idle;
            stream.touch(self.now);
        }
        self.start_route_clock(key);
    }

    /// The route's timeout runs from the end of the request, once the filters have let its head go;
    /// waiting for a connection counts.
    pub(super) fn start_route_clock(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let forwards = match stream.phase {
            Phase::Acquire | Phase::Queued => true,
            Phase::Stream => stream.up.is_some(),
            Phase::Done | Phase::Filter | Phase::Match => false,
        };
        if let Some(id) = stream.record.route
            && let Action::Forward(forward) = &stream.epoch.route(stream.listener, id).action
            && forwards
            && stream.deadlines.route.is_none()
            && (stream.request.incoming_end || stream.upgrade == Upgrade::Asked)
            && stream.upgrade != Upgrade::Open
        {
            let started = |time| self.now.checked_add(time);
            stream.deadlines.route = forward.timeout.and_then(started);
        }
    }

    pub(super) fn start_try_clock(&mut self, key: StreamKey) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(id) = stream.record.route else {
            return;
        };
        if let Action::Forward(forward) = &stream.epoch.route(stream.listener, id).action {
            let time: Option<Duration> = forward.retry.per_try_timeout;
            stream.deadlines.per_try = time.and_then(|time| now.checked_add(time));
        }
    }

    /// A deadline of the stream, or a filter's timer.
    pub(crate) fn on_stream_timer(&mut self, key: StreamKey) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        let (deadlines, idle) = (stream.deadlines, stream.idle_deadline());
        if stream
            .chain
            .as_ref()
            .is_some_and(|chain| passed(chain.next_timer()))
        {
            self.fire_filter_timers(key);
        } else if passed(deadlines.request) {
            self.on_request_timeout(key);
        } else if passed(deadlines.route) {
            self.on_route_timeout(key);
        } else if passed(deadlines.per_try) {
            stream.deadlines.per_try = None;
            self.on_upstream_failed(key, Failure::Timeout);
        } else if passed(idle) {
            self.on_stream_idle(key);
        }
        self.advance(key);
    }

    fn on_request_timeout(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.deadlines.request = None;
        let listener = stream.listener;
        self.listener_stats(listener).request_timeouts.inc();
        self.answer(key, LocalReply::new(408, "request_overall_timeout"), None);
    }

    fn on_route_timeout(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.deadlines.route = None;
        stream.record.flags.set(Flags::UPSTREAM_TIMEOUT);
        if let Some(target) = stream.target {
            self.cluster_stats(target.cluster).timeouts.inc();
        }
        self.fail(key, LocalReply::new(504, "upstream_response_timeout"));
    }

    fn on_stream_idle(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.deadlines.touched = None;
        stream.record.flags.set(Flags::STREAM_IDLE);
        let (listener, waits) = (stream.listener, stream.request.incoming_end);
        self.listener_stats(listener).stream_idle_timeouts.inc();
        let status = if waits { 504 } else { 408 };
        self.fail(key, LocalReply::new(status, "stream_idle_timeout"));
    }
}
