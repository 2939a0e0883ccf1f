//! A stream's deadlines: when each begins, and what happens when it passes.

use super::{Failure, Flags, LocalReply, Phase, Stream, StreamKey, Upgrade};
use crate::{
    config::HttpConfig,
    grpc::{self, Outcome},
    route::{Action, Forward, GrpcTimeout, TimeLimits},
    worker::Worker,
};
use std::time::{Duration, Instant};

/// When a stream's patience ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadlines {
    /// The request has to be complete.
    pub(crate) request: Option<Instant>,
    /// The answer has to be complete.
    pub(crate) route: Option<Instant>,
    /// The stream has to be over, a tunnel too.
    pub(crate) duration: Option<Instant>,
    /// This try's answer has to begin.
    pub(crate) per_try: Option<Instant>,
    /// When the last byte came by, in either direction; the idle time runs from then on.
    pub(crate) touched: Option<Instant>,
}

impl Deadlines {
    /// The answer is there, and is ours.
    pub(super) fn forget_answer(&mut self) {
        (self.route, self.duration, self.per_try) = (None, None, None);
    }
}

impl Stream {
    /// When its first deadline or filter's timer passes.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = &self.deadlines;
        let filters = self.chain.as_ref().and_then(|chain| chain.next_timer());
        let all = [
            deadlines.request,
            deadlines.route,
            deadlines.duration,
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

    /// Who was waited for: the client for the rest of its request, or the endpoint.
    fn timeout_status(&self) -> u16 {
        if self.request.incoming_end { 504 } else { 408 }
    }

    /// Looks whether the request is gRPC, as it is now.
    pub(super) fn see_grpc(&mut self) {
        self.record.grpc = match grpc::is_request(&self.head) {
            true => Outcome::OPEN,
            false => Outcome::FOREIGN,
        };
    }

    /// Where the route that matched sends it.
    fn forward(&self) -> Option<&Forward> {
        match &self.epoch.route(self.place, self.record.route?).action {
            Action::Forward(forward) => Some(forward),
            Action::Direct { .. } => None,
        }
    }

    fn time_limits(&self, forward: &Forward) -> TimeLimits {
        if !self.record.grpc.is_grpc() {
            return forward.time_limits();
        }
        let header = self.head.fields.get(b"grpc-timeout");
        forward.grpc_time_limits(header.and_then(grpc::timeout))
    }

    /// Starts the clock of the whole stream, by the route that matched and the request as it is now.
    pub(super) fn start_duration_clock(&mut self) {
        let limits = self.forward().map(|forward| self.time_limits(forward));
        let started = self.record.started;
        let time = limits.and_then(|limits| limits.duration);
        self.deadlines.duration = time.and_then(|time| started.checked_add(time));
    }

    /// Where `max_grpc_timeout` makes a timeout of `grpc-timeout`, the endpoint is told what is left of
    /// it for one try.
    fn tell_timeout(&mut self) {
        let Some(forward) = self.forward().filter(|_| self.record.grpc.is_grpc()) else {
            return;
        };
        match forward.grpc {
            GrpcTimeout::Timeout { .. } => {}
            GrpcTimeout::Duration { .. } | GrpcTimeout::Further => return,
        }
        let all = self.time_limits(forward).timeout;
        let time = [all, forward.retry.per_try_timeout]
            .into_iter()
            .flatten()
            .min();
        if let Some(time) = time {
            let text = grpc::timeout_text(time);
            self.head.fields.set(b"grpc-timeout", text.as_bytes());
        }
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

    /// The route's timeouts hold from now on: the filters have let the head go.
    pub(super) fn start_route_clocks(&mut self, key: StreamKey) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if stream.chain.is_some() {
            stream.see_grpc();
        }
        if let Some(idle) = stream.forward().and_then(|forward| forward.idle_timeout) {
            stream.idle_time = idle;
            stream.touch(now);
        }
        stream.start_duration_clock();
        self.start_route_clock(key);
        if let Some(stream) = self.streams.get_mut(key) {
            stream.tell_timeout();
            if stream.deadlines.duration.is_some_and(|at| at <= now) {
                self.on_duration_over(key);
            }
        }
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
        if forwards
            && stream.deadlines.route.is_none()
            && (stream.request.incoming_end || stream.upgrade == Upgrade::Asked)
            && stream.upgrade != Upgrade::Open
        {
            let limits = stream.forward().map(|forward| stream.time_limits(forward));
            let time = limits.and_then(|limits| limits.timeout);
            stream.deadlines.route = time.and_then(|time| self.now.checked_add(time));
        }
    }

    pub(super) fn start_try_clock(&mut self, key: StreamKey) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if let Some(forward) = stream.forward() {
            let time = forward.retry.per_try_timeout;
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
        } else if passed(deadlines.duration) {
            self.on_duration_over(key);
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
        let place = stream.place;
        self.listener_stats(place).request_timeouts.inc();
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
        let reply = LocalReply::new(504, "upstream_response_timeout");
        self.fail(key, reply.with_grpc_status(grpc::DEADLINE_EXCEEDED));
    }

    fn on_duration_over(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.deadlines.duration = None;
        stream.record.flags.set(Flags::DURATION_TIMEOUT);
        let (place, status) = (stream.place, stream.timeout_status());
        self.listener_stats(place).duration_timeouts.inc();
        let reply = LocalReply::new(status, "max_duration_timeout");
        self.fail(key, reply.with_grpc_status(grpc::DEADLINE_EXCEEDED));
    }

    fn on_stream_idle(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.deadlines.touched = None;
        stream.record.flags.set(Flags::STREAM_IDLE);
        let (place, status) = (stream.place, stream.timeout_status());
        self.listener_stats(place).stream_idle_timeouts.inc();
        if self.is_stalled(key) {
            return self.give_stalled_up(key);
        }
        self.fail(key, LocalReply::new(status, "stream_idle_timeout"));
    }
}
