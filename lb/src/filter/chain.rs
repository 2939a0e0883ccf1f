//! One stream's run through its HTTP filters: where each direction stands and what it holds.
//!
//! A direction is held by at most one filter. While a *head* is held, data still passes the filters
//! before and waits at the holder. While *data* is held, nothing more is taken in. `Collect` is a hold
//! that ends with the body.

use super::{Effects, FilterCx, Hooks, HttpChainConfig, HttpFilter, Verdict};
use crate::stream::{Half, LocalReply, Record};
use codecs::{Head, Reason};
use engines::{BufList, Rng, UnixTime};
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
    /// A filter answers.
    Respond(Box<LocalReply>),
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

#[derive(Default)]
struct Direction {
    /// Filters to pass, less than all for a filter's own answer.
    len: usize,
    /// Filters that the head has passed.
    head_at: usize,
    /// The head ends the message: data hooks are not called.
    bare: bool,
    hold: Option<Hold>,
    /// Data that waits, and the position whose data hook it has to see next.
    parked: BufList,
    parked_at: usize,
    parked_end: bool,
    /// The end of the message was taken from the half.
    end_taken: bool,
    /// The end of the data has passed every filter.
    data_done: bool,
    /// Filters whose trailers hook was called.
    trailers_at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Hold {
    position: usize,
    what: Held,
    collect: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Data,
    Head,
    Trailers,
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
        let direction = || Direction {
            len: filters.len(),
            ..Direction::default()
        };
        let (request, response) = (direction(), direction());
        Some(Box::new(Self {
            filters,
            request,
            response,
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
            let Some((mut data, end, from)) = self.direction_mut(dir).next_data(half) else {
                break;
            };
            let stop = self
                .run_data(dir, from, &mut data, end, half, env)
                .or_else(|| self.collect(dir, limit, env));
            if let Some(stop) = stop {
                return stop;
            }
        }
        if let Some(stop) = self.run_trailers(dir, half, env) {
            return stop;
        }
        let direction = self.direction(dir);
        if direction.head_at == direction.len {
            Flow::Go
        } else {
            Flow::Wait
        }
    }

    /// Gives the answer of a filter or of the proxy its own way back: from the filter at `position` of
    /// the request (or from behind the last one) through those before it.
    pub fn answer_from(&mut self, position: Option<usize>) {
        let len = position.unwrap_or(self.filters.len());
        self.request.hold = None;
        self.response = Direction {
            len,
            ..Direction::default()
        };
        self.timers.retain(|timer| timer.dir == Dir::Response);
    }

    /// The request filter that holds the head now or whose turn it is.
    pub fn request_position(&self) -> usize {
        self.request.head_at
    }

    /// Forgets the response's progress, for a retry.
    pub fn restart_response(&mut self) {
        self.response = Direction {
            len: self.filters.len(),
            ..Direction::default()
        };
    }

    /// Bytes held by filters of a direction.
    pub fn held_bytes(&self, dir: Dir) -> usize {
        self.direction(dir).parked.len()
    }

    /// The earliest timer that a filter armed.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.iter().map(|timer| timer.at).min()
    }

    /// Calls the filters whose timer has run out, and lets go what they held. A flow other than `Go` is
    /// to be obeyed, for the direction it comes with; then `run` goes on.
    pub fn on_timer(&mut self, env: &mut Env<'_>) -> (Flow, Dir) {
        while let Some(found) = self.timers.iter().position(|timer| timer.at <= env.now) {
            let Timer { dir, position, .. } = self.timers.swap_remove(found);
            let (verdict, effects) =
                self.call(dir, position, env, |filter, cx| filter.on_timer(cx));
            match verdict {
                Verdict::Continue => {
                    self.direction_mut(dir).release(position);
                    if effects.rematch {
                        return (Flow::Rematch, dir);
                    }
                }
                Verdict::Pause | Verdict::Collect => {}
                Verdict::Reset(reason) => return (Flow::Reset(reason), dir),
                Verdict::Respond(reply) => return (Flow::Respond(reply), dir),
            }
        }
        (Flow::Go, Dir::Request)
    }

    /// What is held leaves its receive block.
    pub fn settle(&mut self) {
        self.request.parked.settle();
        self.response.parked.settle();
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
        let end = half.is_bare();
        self.direction_mut(dir).bare |= end;
        while self.direction(dir).hold.is_none()
            && self.direction(dir).head_at < self.direction(dir).len
        {
            let position = self.direction(dir).head_at;
            let hooks = self.filters[self.index(dir, position)].hooks;
            let wanted = match dir {
                Dir::Request => hooks.request_head,
                Dir::Response => hooks.response_head,
            };
            if !wanted {
                self.direction_mut(dir).head_at += 1;
                continue;
            }
            let (verdict, effects) = self.call(dir, position, env, |filter, cx| match dir {
                Dir::Request => filter.on_request_head(head, end, cx),
                Dir::Response => filter.on_response_head(head, end, cx),
            });
            if let Some(flow) = self.obey(dir, position, Held::Head, verdict) {
                return Some(flow);
            }
            if self.direction(dir).hold.is_none() {
                self.direction_mut(dir).head_at += 1;
                if effects.rematch {
                    return Some(Flow::Rematch);
                }
            }
        }
        None
    }

    /// Data passes the filters from `from` on, up to a holder or the end.
    fn run_data(
        &mut self,
        dir: Dir,
        from: usize,
        data: &mut BufList,
        end: bool,
        half: &mut Half,
        env: &mut Env<'_>,
    ) -> Option<Flow> {
        for position in from..self.direction(dir).len {
            if position == self.direction(dir).head_at {
                self.direction_mut(dir).park(data, end, position);
                return None;
            }
            if let Some(flow) = self.data_hook(dir, position, data, end, env) {
                return Some(flow);
            }
            if let Some(hold) = self
                .direction(dir)
                .hold
                .filter(|hold| hold.position == position)
            {
                // A collector sees the same data again, as part of the whole.
                let next = if hold.collect { position } else { position + 1 };
                self.direction_mut(dir).park(data, end, next);
                return None;
            }
        }
        move_all(data, &mut half.ready);
        self.direction_mut(dir).data_done |= end;
        None
    }

    /// A collecting holder gets the whole body once it is there.
    fn collect(&mut self, dir: Dir, limit: usize, env: &mut Env<'_>) -> Option<Flow> {
        let direction = self.direction_mut(dir);
        let hold = direction.hold.filter(|hold| hold.collect)?;
        if direction.parked.len() > limit {
            return Some(Flow::Respond(Box::new(LocalReply::new(
                413,
                "request_payload_too_large",
            ))));
        }
        if !direction.parked_end {
            return None;
        }
        direction.release(hold.position);
        direction.parked_at = hold.position + 1;
        let mut whole = std::mem::take(&mut direction.parked);
        let stop = self.data_hook(dir, hold.position, &mut whole, true, env);
        self.direction_mut(dir).parked = whole;
        stop
    }

    fn data_hook(
        &mut self,
        dir: Dir,
        position: usize,
        data: &mut BufList,
        end: bool,
        env: &mut Env<'_>,
    ) -> Option<Flow> {
        let hooks = self.filters[self.index(dir, position)].hooks;
        let wanted = match dir {
            Dir::Request => hooks.request_data,
            Dir::Response => hooks.response_data,
        };
        let collecting = end && self.direction(dir).parked_at == position + 1;
        if !wanted || (self.direction(dir).bare && !collecting) {
            return None;
        }
        let (verdict, _) = self.call(dir, position, env, |filter, cx| match dir {
            Dir::Request => filter.on_request_data(data, end, cx),
            Dir::Response => filter.on_response_data(data, end, cx),
        });
        self.obey(dir, position, Held::Data, verdict)
    }

    fn run_trailers(&mut self, dir: Dir, half: &mut Half, env: &mut Env<'_>) -> Option<Flow> {
        while self.direction(dir).data_done && self.direction(dir).hold.is_none() {
            let position = self.direction(dir).trailers_at;
            if position == self.direction(dir).len {
                half.trailers = half.trailers.take().filter(|fields| !fields.is_empty());
                half.ready_end = true;
                return None;
            }
            self.direction_mut(dir).trailers_at += 1;
            let hooks = self.filters[self.index(dir, position)].hooks;
            let wanted = match dir {
                Dir::Request => hooks.request_trailers,
                Dir::Response => hooks.response_trailers,
            };
            if wanted {
                let (fields, ready) = (half.trailers.get_or_insert_default(), &mut half.ready);
                let (verdict, _) = self.call(dir, position, env, |filter, cx| match dir {
                    Dir::Request => filter.on_request_trailers(fields, ready, cx),
                    Dir::Response => filter.on_response_trailers(fields, ready, cx),
                });
                if let Some(flow) = self.obey(dir, position, Held::Trailers, verdict) {
                    return Some(flow);
                }
            }
        }
        None
    }

    fn obey(&mut self, dir: Dir, position: usize, what: Held, verdict: Verdict) -> Option<Flow> {
        let collect = matches!(verdict, Verdict::Collect);
        match verdict {
            Verdict::Continue => None,
            Verdict::Pause | Verdict::Collect => {
                self.direction_mut(dir).hold = Some(Hold {
                    position,
                    what,
                    collect,
                });
                None
            }
            Verdict::Reset(reason) => Some(Flow::Reset(reason)),
            Verdict::Respond(reply) => Some(Flow::Respond(reply)),
        }
    }

    fn call(
        &mut self,
        dir: Dir,
        position: usize,
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

    fn index(&self, dir: Dir, position: usize) -> usize {
        match dir {
            Dir::Request => position,
            Dir::Response => self.response.len - 1 - position,
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

impl Direction {
    /// Ends the hold of the filter at `position`, if it is the holder.
    fn release(&mut self, position: usize) {
        let Some(hold) = self.hold.filter(|hold| hold.position == position) else {
            return;
        };
        self.hold = None;
        if hold.what == Held::Head {
            self.head_at = position + 1;
        }
    }

    fn park(&mut self, data: &mut BufList, end: bool, at: usize) {
        move_all(data, &mut self.parked);
        self.parked_at = at;
        self.parked_end |= end;
    }

    /// The next data that may move: what is parked first, then what came in; with its end and the
    /// position of the hook it has to see next.
    fn next_data(&mut self, half: &mut Half) -> Option<(BufList, bool, usize)> {
        let holds_head = self.hold.is_some_and(|hold| hold.what == Held::Head);
        let parked = !self.parked.is_empty() || self.parked_end;
        let free = self.hold.is_none() || (holds_head && self.parked_at < self.head_at);
        if parked && free {
            let end = std::mem::take(&mut self.parked_end);
            return Some((std::mem::take(&mut self.parked), end, self.parked_at));
        }
        let takes = self.hold.is_none() || holds_head || self.hold.is_some_and(|hold| hold.collect);
        let end = half.incoming_end && !self.end_taken;
        if !takes || (half.incoming.is_empty() && !end) {
            return None;
        }
        self.end_taken |= end;
        Some((std::mem::take(&mut half.incoming), end, 0))
    }
}

fn move_all(from: &mut BufList, to: &mut BufList) {
    while let Some(buf) = from.pop() {
        to.push(buf);
    }
}
