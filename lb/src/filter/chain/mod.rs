//! One stream's run through its HTTP filters: which hook is called when, and what each verdict means.
//!
//! The head goes ahead; data follows, filter by filter, and waits where the head or the data is held.
//! A filter sees the end of the data, then the trailers hook, before the next one sees the end.

mod direction;
#[cfg(test)]
mod tests;

use super::{Effects, FilterCx, Hooks, HttpChainConfig, HttpFilter, Verdict};
use crate::stream::{Half, LocalReply, Record};
use codecs::{Head, Reason};
use direction::{Direction, End, Hold, Work};
use engines::{Rng, UnixTime};
use std::time::Instant;

/// A direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dir {
    /// Downstream to upstream.
    Request,
    /// Upstream to downstream, filters in reverse order.
    Response,
}

/// What a run through the chain came to.
#[must_use]
#[derive(Debug)]
pub enum Flow {
    /// The head has passed; what data has passed stands in the half's `ready`.
    Go,
    /// A filter wants the request matched anew.
    Rematch,
    /// A filter gave the stream up.
    Reset(Reason),
    /// A filter answers; the answer passes the first `behind` filters, in reverse order.
    Respond {
        /// The answer.
        reply: Box<LocalReply>,
        /// How many.
        behind: usize,
    },
    /// A filter holds the head.
    Wait,
}

/// What filters see of the world.
pub struct Env<'a> {
    /// The time of this turn.
    pub now: Instant,
    /// Calendar time of this turn.
    pub wall: UnixTime,
    /// The worker's random source.
    pub rng: &'a mut Rng,
    /// The stream's record.
    pub record: &'a mut Record,
    /// The filters' merged configurations.
    pub config: &'a HttpChainConfig,
    /// The name of the cluster matched.
    pub cluster: &'a str,
    /// What TLS with the client has agreed on.
    pub tls: Option<&'a tls::Facts>,
}

/// The filters of one stream.
pub struct Chain {
    filters: Vec<Running>,
    request: Direction,
    response: Direction,
    timers: Vec<Timer>,
}

struct Running {
    filter: Box<dyn HttpFilter>,
    hooks: Hooks,
}

#[derive(Clone, Copy)]
struct Timer {
    at: Instant,
    dir: Dir,
    /// Position in the direction's order.
    position: usize,
}

impl Chain {
    /// Filters for a new stream; `None` if there are none.
    pub fn new(config: &HttpChainConfig) -> Option<Box<Self>> {
        if config.entries.is_empty() {
            return None;
        }
        let running = |entry: &super::HttpFilterEntry| Running {
            filter: entry.config.create(),
            hooks: entry.config.hooks(),
        };
        let filters: Vec<_> = config.entries.iter().map(running).collect();
        Some(Box::new(Self {
            request: Direction::new(filters.len()),
            response: Direction::new(filters.len()),
            filters,
            timers: Vec::new(),
        }))
    }

    /// Lets head and data of a direction go as far as they may. `limit`: bytes one filter may hold.
    pub fn run(
        &mut self,
        dir: Dir,
        head: &mut Head,
        half: &mut Half,
        limit: usize,
        env: &mut Env<'_>,
    ) -> Flow {
        loop {
            if let Some(stop) = self.run_head(dir, head, half, env) {
                return stop;
            }
            let stop = match self.direction(dir).next_work(limit) {
                Some(Work::Overflow(position)) => Some(overflow(dir, position)),
                Some(Work::Data(position, whole)) => {
                    self.run_data(dir, position, whole, head, half, env)
                }
                Some(Work::Seen(position)) => self.go_on(dir, position, half, env),
                None if self.direction_mut(dir).take_in(half) => None,
                None => break,
            };
            if let Some(stop) = stop {
                return stop;
            }
        }
        if self.direction(dir).has_passed() {
            Flow::Go
        } else {
            Flow::Wait
        }
    }

    /// Gives the proxy's own answer its way back: through the first `behind` filters of the request, or
    /// through all. What the filters held of either direction is dropped, and so are their timers.
    pub fn answer_from(&mut self, behind: Option<usize>) {
        self.request = Direction::default();
        self.response = Direction::new(behind.unwrap_or(self.filters.len()));
        self.timers.clear();
    }

    /// Gives back what the request's filters hold, for another chain to begin with.
    pub fn give_back(&mut self, half: &mut Half) {
        self.request.give_back(half);
    }

    /// Bytes held by filters of a direction.
    pub fn held_bytes(&self, dir: Dir) -> usize {
        self.direction(dir).held_bytes()
    }

    /// The earliest timer that a filter armed.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.iter().map(|timer| timer.at).min()
    }

    /// Calls the filters whose timer has run out, and lets go what they held. A flow other than `Go` is
    /// to be obeyed; then `run` goes on.
    pub fn on_timer(&mut self, env: &mut Env<'_>) -> Flow {
        while let Some(found) = self.timers.iter().position(|timer| timer.at <= env.now) {
            let Timer { dir, position, .. } = self.timers.swap_remove(found);
            let (verdict, effects) =
                self.call(dir, position, None, env, |filter, cx| filter.on_timer(cx));
            match verdict {
                Verdict::Continue => {
                    self.direction_mut(dir).release(position);
                    if effects.rematch {
                        return Flow::Rematch;
                    }
                }
                Verdict::Pause | Verdict::Collect => {}
                Verdict::Reset(reason) => return Flow::Reset(reason),
                Verdict::Respond(reply) => return respond(dir, position, reply),
            }
        }
        Flow::Go
    }

    /// What is held leaves its receive block.
    pub fn settle(&mut self) {
        self.request.settle();
        self.response.settle();
    }

    /// Tells every filter that the stream is over.
    pub fn on_complete(&mut self, record: &Record) {
        self.filters
            .iter_mut()
            .for_each(|running| running.filter.on_complete(record));
    }

    fn run_head(
        &mut self,
        dir: Dir,
        head: &mut Head,
        half: &Half,
        env: &mut Env<'_>,
    ) -> Option<Flow> {
        let end = self.direction_mut(dir).is_bare(half);
        loop {
            let direction = self.direction(dir);
            let position = direction.head_at;
            let stage = direction.stages.get(position)?;
            if stage.hold.is_some() {
                return None;
            }
            let wanted = match dir {
                Dir::Request => self.hooks(dir, position).request_head,
                Dir::Response => self.hooks(dir, position).response_head,
            };
            if !wanted {
                self.direction_mut(dir).pass_head(position);
                continue;
            }
            let (verdict, effects) = self.call(dir, position, None, env, |filter, cx| match dir {
                Dir::Request => filter.on_request_head(head, end, cx),
                Dir::Response => filter.on_response_head(head, end, cx),
            });
            match verdict {
                Verdict::Continue => {
                    self.direction_mut(dir).pass_head(position);
                    if effects.rematch {
                        return Some(Flow::Rematch);
                    }
                }
                Verdict::Pause => self.hold(dir, position, Hold::Pause),
                Verdict::Collect => self.hold(dir, position, Hold::Collect),
                Verdict::Reset(reason) => return Some(Flow::Reset(reason)),
                Verdict::Respond(reply) => return Some(respond(dir, position, reply)),
            }
        }
    }

    /// Shows what waits at a filter to its data hook; `whole`: it is the body that it collected.
    fn run_data(
        &mut self,
        dir: Dir,
        position: usize,
        whole: bool,
        head: &mut Head,
        half: &mut Half,
        env: &mut Env<'_>,
    ) -> Option<Flow> {
        let is_bare = self.direction_mut(dir).is_bare(half);
        let stage = &mut self.direction_mut(dir).stages[position];
        let mut data = std::mem::take(&mut stage.unseen);
        let end = std::mem::take(&mut stage.end) == End::Unseen;
        stage.hold = None;
        let wanted = match dir {
            Dir::Request => self.hooks(dir, position).request_data,
            Dir::Response => self.hooks(dir, position).response_data,
        };
        let verdict = if wanted && (whole || !is_bare) {
            let hook = |filter: &mut dyn HttpFilter, cx: &mut FilterCx<'_>| match dir {
                Dir::Request => filter.on_request_data(&mut data, end, cx),
                Dir::Response => filter.on_response_data(&mut data, end, cx),
            };
            let held = (self.direction(dir).head_at == position).then_some(head);
            self.call(dir, position, held, env, hook).0
        } else {
            Verdict::Continue
        };
        let seen_end = if end { End::Data } else { End::Away };
        let stage = &mut self.direction_mut(dir).stages[position];
        match verdict {
            Verdict::Collect if !whole => {
                stage.hold = Some(Hold::Collect);
                stage.unseen = data;
                stage.end = if end { End::Unseen } else { End::Away };
                return None;
            }
            // There is no more to collect than all.
            Verdict::Collect | Verdict::Continue => {}
            Verdict::Pause => stage.hold = Some(Hold::Pause),
            Verdict::Reset(reason) => return Some(Flow::Reset(reason)),
            Verdict::Respond(reply) => return Some(respond(dir, position, reply)),
        }
        (stage.seen, stage.end) = (data, seen_end);
        if stage.hold.is_some() {
            return None;
        }
        self.direction_mut(dir).pass_head(position);
        self.go_on(dir, position, half, env)
    }

    /// What the data hook of a filter has let go passes its trailers hook, if the message ends with it,
    /// and goes on to the next filter.
    fn go_on(
        &mut self,
        dir: Dir,
        position: usize,
        half: &mut Half,
        env: &mut Env<'_>,
    ) -> Option<Flow> {
        let stage = &mut self.direction_mut(dir).stages[position];
        let (mut data, end) = (std::mem::take(&mut stage.seen), stage.end);
        let wanted = match dir {
            Dir::Request => self.hooks(dir, position).request_trailers,
            Dir::Response => self.hooks(dir, position).response_trailers,
        };
        if wanted && end == End::Data {
            let fields = half.trailers.get_or_insert_default();
            let (verdict, _) = self.call(dir, position, None, env, |filter, cx| match dir {
                Dir::Request => filter.on_request_trailers(fields, &mut data, cx),
                Dir::Response => filter.on_response_trailers(fields, &mut data, cx),
            });
            match verdict {
                Verdict::Continue | Verdict::Collect => {}
                Verdict::Pause => {
                    let stage = &mut self.direction_mut(dir).stages[position];
                    (stage.seen, stage.end) = (data, End::Seen);
                    stage.hold = Some(Hold::Pause);
                    return None;
                }
                Verdict::Reset(reason) => return Some(Flow::Reset(reason)),
                Verdict::Respond(reply) => return Some(respond(dir, position, reply)),
            }
        }
        let is_end = matches!(end, End::Data | End::Seen);
        let direction = self.direction_mut(dir);
        if is_end {
            direction.stages[position].end = End::Away;
        }
        direction.hand_to(position + 1, data, is_end, half);
        None
    }

    fn call(
        &mut self,
        dir: Dir,
        position: usize,
        held_head: Option<&mut Head>,
        env: &mut Env<'_>,
        hook: impl FnOnce(&mut dyn HttpFilter, &mut FilterCx<'_>) -> Verdict,
    ) -> (Verdict, Effects) {
        let index = self.index(dir, position);
        let mut cx = FilterCx {
            config: &*env.config.entries[index].config,
            now: env.now,
            wall: env.wall,
            rng: env.rng,
            record: env.record,
            cluster: env.cluster,
            tls: env.tls,
            held_head,
            effects: Effects::default(),
        };
        let verdict = hook(&mut *self.filters[index].filter, &mut cx);
        let effects = cx.effects;
        if let Some(at) = effects.timer {
            self.timers
                .retain(|timer| (timer.dir, timer.position) != (dir, position));
            self.timers.push(Timer { at, dir, position });
        }
        (verdict, effects)
    }

    /// A filter looks at the data of the direction, or holds some.
    pub fn sees_data(&self, dir: Dir) -> bool {
        let sees = |hooks: Hooks| match dir {
            Dir::Request => hooks.request_data,
            Dir::Response => hooks.response_data,
        };
        let mut positions = 0..self.direction(dir).stages.len();
        self.held_bytes(dir) > 0 || positions.any(|position| sees(self.hooks(dir, position)))
    }

    fn hold(&mut self, dir: Dir, position: usize, hold: Hold) {
        self.direction_mut(dir).stages[position].hold = Some(hold);
    }

    fn hooks(&self, dir: Dir, position: usize) -> Hooks {
        self.filters[self.index(dir, position)].hooks
    }

    fn index(&self, dir: Dir, position: usize) -> usize {
        match dir {
            Dir::Request => position,
            Dir::Response => self.response.len() - 1 - position,
        }
    }

    fn direction(&self, dir: Dir) -> &Direction {
        match dir {
            Dir::Request => &self.request,
            Dir::Response => &self.response,
        }
    }

    fn direction_mut(&mut self, dir: Dir) -> &mut Direction {
        match dir {
            Dir::Request => &mut self.request,
            Dir::Response => &mut self.response,
        }
    }
}

/// The answer of a filter passes those that the request passed before it; an answer to an answer passes
/// no filter again.
fn respond(dir: Dir, position: usize, reply: Box<LocalReply>) -> Flow {
    let behind = match dir {
        Dir::Request => position,
        Dir::Response => 0,
    };
    Flow::Respond { reply, behind }
}

/// A body is too long to be collected.
fn overflow(dir: Dir, position: usize) -> Flow {
    let reply = match dir {
        Dir::Request => LocalReply::new(413, "request_payload_too_large"),
        Dir::Response => LocalReply::new(500, "response_payload_too_large"),
    };
    respond(dir, position, Box::new(reply))
}
