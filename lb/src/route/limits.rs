//! How long a request may take: a route's limits and, of a gRPC request, its own. Pure.

use super::Forward;
use std::time::Duration;

/// What `grpc-timeout` of a gRPC request is to its route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrpcTimeout {
    /// A further limit, from the head on; the route's stay.
    #[default]
    Further,
    /// `max_stream_duration.grpc_timeout_header_max` is there: it stands in for `max_stream_duration`.
    Duration {
        /// The most it counts as; `None`: as it is.
        max: Option<Duration>,
        /// Taken off it, down to nothing.
        offset: Duration,
    },
    /// `max_grpc_timeout` is there: it stands in for `timeout`, and one that is absent is infinite.
    Timeout {
        /// The most it counts as; `None`: as it is.
        max: Option<Duration>,
        /// Taken off it if it is longer.
        offset: Duration,
    },
}

/// How long one request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// From the end of the request to the end of the answer; `None`: no limit.
    pub timeout: Option<Duration>,
    /// From the head of the request to the end of its stream; `None`: no limit. Zero: it is over.
    pub duration: Option<Duration>,
}

impl Forward {
    /// The limits of a request that is not gRPC.
    pub fn time_limits(&self) -> TimeLimits {
        TimeLimits {
            timeout: self.timeout,
            duration: self.max_stream_duration,
        }
    }

    /// The limits of a gRPC request with its `grpc-timeout`, if it has one that can be read.
    pub fn grpc_time_limits(&self, header: Option<Duration>) -> TimeLimits {
        let own = self.time_limits();
        match (self.grpc, header) {
            (GrpcTimeout::Further, Some(time)) => TimeLimits {
                duration: Some(own.duration.map_or(time, |most| most.min(time))),
                ..own
            },
            (GrpcTimeout::Duration { max, offset }, Some(time)) => TimeLimits {
                duration: Some(max.map_or(time, |max| max.min(time)).saturating_sub(offset)),
                ..own
            },
            (GrpcTimeout::Further | GrpcTimeout::Duration { .. }, None) => own,
            (GrpcTimeout::Timeout { max, offset }, header) => {
                let time = header.map(|time| if time > offset { time - offset } else { time });
                TimeLimits {
                    timeout: [time, max].into_iter().flatten().min(),
                    ..own
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds; 0 stands for none.
    fn ms(n: u64) -> Option<Duration> {
        (n > 0).then(|| Duration::from_millis(n))
    }

    fn forward(timeout: u64, duration: u64, grpc: GrpcTimeout) -> Forward {
        Forward {
            timeout: ms(timeout),
            max_stream_duration: ms(duration),
            grpc,
            ..Forward::default()
        }
    }

    #[test]
    fn a_grpc_timeout_counts_as_the_route_says() {
        let duration = |max, offset| GrpcTimeout::Duration {
            max: ms(max),
            offset: Duration::from_millis(offset),
        };
        let timeout = |max, offset| GrpcTimeout::Timeout {
            max: ms(max),
            offset: Duration::from_millis(offset),
        };
        let over = Some(Duration::ZERO);
        for (route, header, expected) in [
            (forward(15, 0, GrpcTimeout::Further), 0, (ms(15), None)),
            (forward(15, 0, GrpcTimeout::Further), 20, (ms(15), ms(20))),
            (forward(0, 30, GrpcTimeout::Further), 20, (None, ms(20))),
            (forward(0, 10, GrpcTimeout::Further), 20, (None, ms(10))),
            (forward(0, 10, duration(0, 0)), 20, (None, ms(20))),
            (forward(0, 10, duration(0, 0)), 0, (None, ms(10))),
            (forward(0, 10, duration(15, 5)), 20, (None, ms(10))),
            (forward(0, 10, duration(15, 5)), 5, (None, over)),
            (forward(15, 9, timeout(0, 0)), 20, (ms(20), ms(9))),
            (forward(15, 0, timeout(0, 0)), 0, (None, None)),
            (forward(15, 0, timeout(50, 5)), 20, (ms(15), None)),
            (forward(15, 0, timeout(50, 5)), 5, (ms(5), None)),
            (forward(15, 0, timeout(50, 5)), 90, (ms(50), None)),
            (forward(15, 0, timeout(50, 5)), 0, (ms(50), None)),
        ] {
            let limits = route.grpc_time_limits(ms(header));
            let found = (limits.timeout, limits.duration);
            assert_eq!(found, expected, "{:?} {header}", route.grpc);
        }
    }

    #[test]
    fn other_requests_have_the_route_s_limits_alone() {
        let grpc = GrpcTimeout::Timeout {
            max: ms(1),
            offset: Duration::ZERO,
        };
        let limits = forward(15, 20, grpc).time_limits();
        assert_eq!((limits.timeout, limits.duration), (ms(15), ms(20)));
    }
}
