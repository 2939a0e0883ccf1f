//! A stream's filters: running a direction through them, and doing what they decide.

use super::{Flags, Half, LocalReply, Phase, StreamKey};
use crate::epoch::Place;
use crate::{
    filter::{Chain, Dir, Env, Flow},
    limits,
    worker::{Epoch, Worker},
};
use codecs::Head;
use std::rc::Rc;

/// What filters may change of a stream.
struct Parts<'a> {
    head: &'a mut Head,
    request: &'a mut Half,
    answer: Option<&'a mut Head>,
    response: &'a mut Half,
}

impl Worker {
    /// Runs a direction's filters; `None` if there are none.
    pub(super) fn run_chain(&mut self, key: StreamKey, dir: Dir) -> Option<Flow> {
        let stream = self.streams.get_mut(key)?;
        if stream.chain.is_none() {
            stream.half(dir).pass();
            return None;
        }
        self.with_chain(key, |chain, parts, env| {
            let (half, head) = match dir {
                Dir::Request => (parts.request, Some(parts.head)),
                Dir::Response => (parts.response, parts.answer),
            };
            head.map_or(Flow::Wait, |head| {
                chain.run(dir, head, half, limits::STREAM_BYTES_MAX, env)
            })
        })
    }

    /// Lets filters whose timer has run out go on.
    pub(super) fn fire_filter_timers(&mut self, key: StreamKey) {
        if let Some(flow) = self.with_chain(key, |chain, _, env| chain.on_timer(env)) {
            self.obey(key, flow);
        }
    }

    /// Calls a stream's filters with what they may see; `None` if it has none.
    fn with_chain(
        &mut self,
        key: StreamKey,
        call: impl FnOnce(&mut Chain, Parts<'_>, &mut Env<'_>) -> Flow,
    ) -> Option<Flow> {
        let stream = self.streams.get_mut(key)?;
        let chain = stream.chain.as_mut()?;
        let epoch = &stream.epoch;
        let empty = Default::default();
        let mut env = Env {
            now: self.now,
            wall: self.net.engine.wall(),
            rng: &mut self.rng,
            config: chain_config(epoch, stream.place, stream.record.route, &empty),
            cluster: cluster_name(epoch, stream.record.cluster),
            tls: stream.tls.as_deref(),
            record: &mut stream.record,
        };
        let parts = Parts {
            head: &mut stream.head,
            request: &mut stream.request,
            answer: stream.answer.as_deref_mut(),
            response: &mut stream.response,
        };
        Some(call(chain, parts, &mut env))
    }

    /// Does what a filter decided, other than going on.
    pub(super) fn obey(&mut self, key: StreamKey, flow: Flow) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        match flow {
            Flow::Go | Flow::Wait => {}
            Flow::Rematch => {
                stream.rematches += 1;
                if stream.rematches > limits::REMATCHES_MAX {
                    let place = stream.place;
                    self.listener_stats(place).rematch_overflows.inc();
                    self.answer(key, LocalReply::new(500, "too_many_rematches"), None);
                } else if stream.phase == Phase::Filter {
                    stream.phase = Phase::Match;
                }
            }
            Flow::Reset(_) => {
                stream.record.flags.set(Flags::LOCAL_RESET);
                stream.record.detail = "filter_reset";
                self.reset_stream(key, codecs::Reason::Internal);
            }
            Flow::Respond { reply, behind } => self.answer(key, *reply, Some(behind)),
        }
    }
}

fn chain_config<'a>(
    epoch: &'a Rc<Epoch>,
    place: Place,
    route: Option<super::RouteId>,
    empty: &'a crate::filter::HttpChainConfig,
) -> &'a crate::filter::HttpChainConfig {
    route.map_or(empty, |id| &epoch.route(place, id).filters)
}

fn cluster_name(epoch: &Rc<Epoch>, cluster: Option<u32>) -> &str {
    cluster.map_or("", |index| &epoch.cluster(index as usize).name)
}
