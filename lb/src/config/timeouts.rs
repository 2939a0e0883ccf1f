//! The time limits of a route.

use super::compile::Compiler;
use crate::route::{Forward, GrpcTimeout};
use prost_types::Duration as ProtoDuration;
use std::time::Duration;
use xds::api::envoy::config::route::v3::{RouteAction, route_action::MaxStreamDuration};

impl Compiler {
    /// A route with its time limits, and nothing else set.
    pub(super) fn time_limits(&mut self, path: &str, from: &RouteAction) -> Forward {
        let fifteen = Some(Duration::from_secs(15));
        // As in Envoy, a limit of the whole stream stands in for the default of a part.
        let default = fifteen.filter(|_| from.max_stream_duration.is_none());
        let timeout = from.timeout.as_ref();
        let idle = from.idle_timeout.as_ref();
        let whole = from.max_stream_duration.as_ref();
        let whole_path = format!("{path}.max_stream_duration");
        Forward {
            timeout: self.timeout(&format!("{path}.timeout"), timeout, default),
            idle_timeout: idle.map(|_| self.timeout(&format!("{path}.idle_timeout"), idle, None)),
            max_stream_duration: self.timeout(
                &format!("{whole_path}.max_stream_duration"),
                whole.and_then(|whole| whole.max_stream_duration.as_ref()),
                None,
            ),
            grpc: match whole {
                Some(whole) => self.grpc_duration(path, from, whole),
                None => self.grpc_timeout(path, from),
            },
            ..Forward::default()
        }
    }

    fn grpc_duration(
        &mut self,
        path: &str,
        from: &RouteAction,
        whole: &MaxStreamDuration,
    ) -> GrpcTimeout {
        for (field, deprecated) in [
            ("max_grpc_timeout", &from.max_grpc_timeout),
            ("grpc_timeout_offset", &from.grpc_timeout_offset),
        ] {
            if deprecated.is_some() {
                let reason = "cannot stand beside `max_stream_duration`, which replaces it";
                self.wrong(&format!("{path}.{field}"), reason);
            }
        }
        let path = format!("{path}.max_stream_duration");
        let max = ("grpc_timeout_header_max", &whole.grpc_timeout_header_max);
        let offset = &whole.grpc_timeout_header_offset;
        match self.most_and_offset(&path, max, ("grpc_timeout_header_offset", offset)) {
            Some((max, offset)) => GrpcTimeout::Duration { max, offset },
            None => GrpcTimeout::Further,
        }
    }

    fn grpc_timeout(&mut self, path: &str, from: &RouteAction) -> GrpcTimeout {
        let max = ("max_grpc_timeout", &from.max_grpc_timeout);
        match self.most_and_offset(
            path,
            max,
            ("grpc_timeout_offset", &from.grpc_timeout_offset),
        ) {
            Some((max, offset)) => GrpcTimeout::Timeout { max, offset },
            None => GrpcTimeout::Further,
        }
    }

    /// What `grpc-timeout` counts as at most, and what is taken off it; nothing without the former.
    fn most_and_offset(
        &mut self,
        path: &str,
        (max_field, max): (&str, &Option<ProtoDuration>),
        (offset_field, offset): (&str, &Option<ProtoDuration>),
    ) -> Option<(Option<Duration>, Duration)> {
        let offset_path = format!("{path}.{offset_field}");
        if max.is_none() && offset.is_some() {
            self.wrong(&offset_path, format!("has no effect without `{max_field}`"));
        }
        let offset = self.duration(&offset_path, offset.as_ref(), Duration::ZERO);
        let most = self.timeout(&format!("{path}.{max_field}"), max.as_ref(), None);
        max.is_some().then_some((most, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{
            Terminal,
            sample::{MANAGER, Sample},
        },
        route::Action,
    };

    fn forward(route: &str) -> Forward {
        let sample = Sample {
            route,
            ..Sample::default()
        };
        let snapshot = sample.loaded().snapshot;
        let Terminal::Http(http) = &snapshot.listeners[0].chains.first_chain().terminal else {
            panic!("an HTTP listener")
        };
        match &http.routes.hosts()[0].routes[0].action {
            Action::Forward(forward) => forward.clone(),
            Action::Direct { .. } => panic!("it forwards"),
        }
    }

    fn seconds(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    #[test]
    fn each_limit_has_its_default_and_its_nothing() {
        for (route, timeout, whole) in [
            ("", seconds(15), None),
            ("timeout: 0s", None, None),
            ("max_stream_duration: {}", None, None),
            ("max_stream_duration: {max_stream_duration: 0s}", None, None),
            (
                "max_stream_duration: {max_stream_duration: 9s}",
                None,
                seconds(9),
            ),
            (
                "timeout: 3s, max_stream_duration: {max_stream_duration: 9s}",
                seconds(3),
                seconds(9),
            ),
        ] {
            let found = forward(route);
            assert_eq!(
                (found.timeout, found.max_stream_duration),
                (timeout, whole),
                "{route}"
            );
            assert_eq!(found.grpc, GrpcTimeout::Further);
        }
    }

    #[test]
    fn a_grpc_timeout_takes_the_part_that_the_route_gives_it() {
        let no_offset = Duration::ZERO;
        let offset = Duration::from_secs(2);
        for (route, expected) in [
            (
                "max_grpc_timeout: 0s",
                GrpcTimeout::Timeout {
                    max: None,
                    offset: no_offset,
                },
            ),
            (
                "max_grpc_timeout: 5s, grpc_timeout_offset: 2s",
                GrpcTimeout::Timeout {
                    max: seconds(5),
                    offset,
                },
            ),
            (
                "max_stream_duration: {grpc_timeout_header_max: 0s}",
                GrpcTimeout::Duration {
                    max: None,
                    offset: no_offset,
                },
            ),
            (
                "max_stream_duration: \
                 {grpc_timeout_header_max: 5s, grpc_timeout_header_offset: 2s}",
                GrpcTimeout::Duration {
                    max: seconds(5),
                    offset,
                },
            ),
        ] {
            assert_eq!(forward(route).grpc, expected, "{route}");
        }
    }

    #[test]
    fn limits_that_do_not_go_together_are_told() {
        let beside = "cannot stand beside `max_stream_duration`, which replaces it";
        for (route, field, reason) in [
            (
                "grpc_timeout_offset: 1s",
                "grpc_timeout_offset",
                "has no effect without `max_grpc_timeout`",
            ),
            (
                "max_stream_duration: {grpc_timeout_header_offset: 1s}",
                "max_stream_duration.grpc_timeout_header_offset",
                "has no effect without `grpc_timeout_header_max`",
            ),
            (
                "max_stream_duration: {}, max_grpc_timeout: 1s",
                "max_grpc_timeout",
                beside,
            ),
            (
                "max_stream_duration: {}, grpc_timeout_offset: 1s",
                "grpc_timeout_offset",
                beside,
            ),
            (
                "max_grpc_timeout: -1s",
                "max_grpc_timeout",
                "cannot be negative",
            ),
        ] {
            let sample = Sample {
                route,
                ..Sample::default()
            };
            let problems = sample.problems();
            let path = format!("{MANAGER}.route_config.virtual_hosts[0].routes[0].route.{field}: ");
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(&path), "{problems:?}");
            assert!(problems[0].ends_with(reason), "{problems:?}");
        }
    }
}
