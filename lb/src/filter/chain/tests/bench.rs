//! A chain whose filters do what they are told, and the messages that pass it.

use crate::{
    filter::{
        Chain, Dir, Env, FilterCx, Flow, Hooks, HttpChainConfig, HttpFilter, HttpFilterConfig,
        HttpFilterEntry, Verdict,
    },
    stream::{Half, LocalReply, Record},
};
use codecs::{Fields, Head, Reason};
use engines::{Buf, BufList, Rng, SimNet, UnixTime};
use std::{
    any::Any,
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// What a scripted filter does in a hook; without an act it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Continues and arms a timer of so many milliseconds.
    Arm(u64),
    Collect,
    Continue,
    /// Pauses, and arms a timer of so many milliseconds.
    Delay(u64),
    Pause,
    /// Adds to the body, or a trailer if it is `t: …`.
    Push(&'static str),
    /// Names the path of the head, if it waits here.
    Path(&'static str),
    Rematch,
    Reset,
    Respond(u16),
}

pub(super) type Script = &'static [(&'static str, Act)];
pub(super) type Trace = Arc<Mutex<Vec<String>>>;

#[derive(Clone, Debug)]
pub(super) struct Scripted {
    pub(super) name: &'static str,
    pub(super) script: Script,
    pub(super) trace: Trace,
    pub(super) hooks: Hooks,
}

struct ScriptedFilter {
    config: Scripted,
    left: VecDeque<(&'static str, Act)>,
}

impl HttpFilterConfig for Scripted {
    fn hooks(&self) -> Hooks {
        self.hooks
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        let left = self.script.iter().copied().collect();
        Box::new(ScriptedFilter {
            config: self.clone(),
            left,
        })
    }

    fn merge(&self, outer: &dyn HttpFilterConfig) -> Option<Arc<dyn HttpFilterConfig>> {
        let outer = (outer as &dyn Any).downcast_ref::<Self>()?;
        (self.name == "both").then(|| {
            Arc::new(Self {
                script: outer.script,
                ..self.clone()
            }) as _
        })
    }
}

impl ScriptedFilter {
    fn play(&mut self, hook: &str, shown: &str, cx: &mut FilterCx<'_>) -> (Verdict, &'static str) {
        let line = format!("{}{hook}{shown}", cx.config::<Scripted>().name);
        self.config.trace.lock().unwrap().push(line);
        let next = self.left.pop_front_if(|(next, _)| *next == hook);
        let act = next.map_or(Act::Continue, |(_, act)| act);
        self.act(act, cx)
    }

    fn act(&self, act: Act, cx: &mut FilterCx<'_>) -> (Verdict, &'static str) {
        let verdict = match act {
            Act::Arm(after) => {
                cx.arm(Duration::from_millis(after));
                Verdict::Continue
            }
            Act::Collect => Verdict::Collect,
            Act::Continue => Verdict::Continue,
            Act::Delay(after) => {
                cx.arm(Duration::from_millis(after));
                Verdict::Pause
            }
            Act::Pause => Verdict::Pause,
            Act::Path(path) => {
                if let Some(head) = cx.held_head() {
                    head.set_path(path.as_bytes());
                }
                Verdict::Continue
            }
            Act::Push(text) => return (Verdict::Continue, text),
            Act::Rematch => {
                cx.rematch();
                Verdict::Continue
            }
            Act::Reset => Verdict::Reset(Reason::Cancel),
            Act::Respond(status) => Verdict::Respond(Box::new(LocalReply::new(status, "scripted"))),
        };
        (verdict, "")
    }

    fn head(&mut self, hook: &str, end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        self.play(hook, if end { "." } else { "" }, cx).0
    }

    fn data(
        &mut self,
        hook: &str,
        data: &mut BufList,
        end: bool,
        cx: &mut FilterCx<'_>,
    ) -> Verdict {
        let text = String::from_utf8(data.to_vec()).unwrap();
        let (verdict, more) =
            self.play(hook, &format!(":{text}{}", if end { "." } else { "" }), cx);
        data.push(Buf::from_static(more.as_bytes()));
        verdict
    }

    fn trailers(
        &mut self,
        hook: &str,
        fields: &mut Fields,
        data: &mut BufList,
        cx: &mut FilterCx<'_>,
    ) -> Verdict {
        let (verdict, more) = self.play(hook, if fields.is_empty() { "" } else { "+" }, cx);
        match more.strip_prefix("t: ") {
            Some(value) => fields.append(b"t", value.as_bytes()),
            None => data.push(Buf::from_static(more.as_bytes())),
        }
        verdict
    }
}

impl HttpFilter for ScriptedFilter {
    fn on_request_head(&mut self, _: &mut Head, end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        self.head(">h", end, cx)
    }

    fn on_request_data(&mut self, data: &mut BufList, end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        self.data(">d", data, end, cx)
    }

    fn on_request_trailers(
        &mut self,
        fields: &mut Fields,
        data: &mut BufList,
        cx: &mut FilterCx<'_>,
    ) -> Verdict {
        self.trailers(">t", fields, data, cx)
    }

    fn on_response_head(&mut self, _: &mut Head, end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        self.head("<h", end, cx)
    }

    fn on_response_data(
        &mut self,
        data: &mut BufList,
        end: bool,
        cx: &mut FilterCx<'_>,
    ) -> Verdict {
        self.data("<d", data, end, cx)
    }

    fn on_response_trailers(
        &mut self,
        fields: &mut Fields,
        data: &mut BufList,
        cx: &mut FilterCx<'_>,
    ) -> Verdict {
        self.trailers("<t", fields, data, cx)
    }

    fn on_timer(&mut self, cx: &mut FilterCx<'_>) -> Verdict {
        self.play("!", "", cx).0
    }

    fn on_complete(&mut self, _: &Record) {
        self.config
            .trace
            .lock()
            .unwrap()
            .push(format!("{}#", self.config.name));
    }
}

/// A chain, the message in each direction, and what happened.
pub(super) struct Bench {
    pub(super) chain: Box<Chain>,
    pub(super) config: HttpChainConfig,
    pub(super) heads: [Head; 2],
    pub(super) halves: [Half; 2],
    pub(super) now: Instant,
    trace: Trace,
}

const LIMIT: usize = 8;

fn all_hooks(trailers: bool) -> Hooks {
    Hooks {
        request_head: true,
        request_data: true,
        request_trailers: trailers,
        response_head: true,
        response_data: true,
        response_trailers: trailers,
    }
}

pub(super) fn entry(name: &'static str, script: Script, trace: &Trace) -> HttpFilterEntry {
    // A filter in capitals wants trailers.
    let hooks = all_hooks(name.to_uppercase() == name);
    let config = Scripted {
        name,
        script,
        trace: trace.clone(),
        hooks,
    };
    HttpFilterEntry {
        name: name.into(),
        config: Arc::new(config),
        disabled: false,
    }
}

impl Bench {
    pub(super) fn new(filters: &[(&'static str, Script)]) -> Self {
        let trace = Trace::default();
        let entries = filters
            .iter()
            .map(|(name, script)| entry(name, script, &trace));
        let config = HttpChainConfig {
            entries: entries.collect(),
        };
        Self {
            chain: Chain::new(&config).unwrap(),
            config,
            heads: Default::default(),
            halves: Default::default(),
            now: SimNet::new(1).now(),
            trace,
        }
    }

    fn note(&self, what: impl Into<String>) {
        self.trace.lock().unwrap().push(what.into());
    }

    fn with<T>(
        &mut self,
        play: impl FnOnce(&mut Chain, &mut [Head; 2], &mut [Half; 2], &mut Env<'_>) -> T,
    ) -> T {
        let mut env = Env {
            now: self.now,
            wall: UnixTime::default(),
            rng: &mut Rng::seeded(1),
            record: &mut Record::new(self.now),
            config: &self.config,
            tls: None,
            cluster: "c",
        };
        play(&mut self.chain, &mut self.heads, &mut self.halves, &mut env)
    }

    pub(super) fn run(&mut self, dir: Dir) {
        let at = dir as usize;
        let flow = self.with(|chain, heads, halves, env| {
            chain.run(dir, &mut heads[at], &mut halves[at], LIMIT, env)
        });
        self.on_flow(flow);
    }

    fn on_flow(&mut self, flow: Flow) {
        let text = match flow {
            Flow::Go => "=go".to_owned(),
            Flow::Rematch => "=rematch".to_owned(),
            Flow::Reset(_) => "=reset".to_owned(),
            Flow::Wait => "=wait".to_owned(),
            Flow::Respond { reply, behind } => {
                let text = format!("={}", reply.status);
                self.answer(Some(behind));
                text
            }
        };
        self.note(text);
    }

    /// What the stream does when it answers itself.
    pub(super) fn answer(&mut self, behind: Option<usize>) {
        self.chain.answer_from(behind);
        self.halves[1].reset();
        self.halves[1].receive(Buf::from_static(b"no"), true);
    }

    /// `>text` and `<text` are bytes of a message that come, `.` its end, `;` its end with trailers;
    /// `+n` lets milliseconds pass; `~` builds the chain anew.
    pub(super) fn step(&mut self, step: &'static str) {
        let (kind, text) = step.split_at(1);
        let dir = match kind {
            ">" => Dir::Request,
            "<" => Dir::Response,
            "+" => {
                self.now += Duration::from_millis(text.parse().unwrap());
                let flow = self.with(|chain, _, _, env| chain.on_timer(env));
                if !matches!(flow, Flow::Go) {
                    return self.on_flow(flow);
                }
                return self.run(Dir::Request);
            }
            "~" => {
                self.chain.give_back(&mut self.halves[0]);
                self.chain = Chain::new(&self.config).unwrap();
                return self.run(Dir::Request);
            }
            other => panic!("{other}"),
        };
        let half = &mut self.halves[dir as usize];
        let body = text.trim_end_matches(['.', ';']);
        half.receive(Buf::from_static(body.as_bytes()), text.ends_with('.'));
        if text.ends_with(';') {
            half.trailers.get_or_insert_default().append(b"x", b"1");
            half.incoming_end = true;
        }
        self.run(dir);
    }

    /// What is ready to be sent, with its end.
    pub(super) fn ready(&self, dir: Dir) -> String {
        let half = &self.halves[dir as usize];
        let body = String::from_utf8(half.ready.to_vec()).unwrap();
        let end = match (&half.trailers, half.ready_end) {
            (_, false) => "",
            (None, true) => ".",
            (Some(_), true) => ";",
        };
        body + end
    }

    pub(super) fn trace(&self) -> String {
        self.trace.lock().unwrap().join(" ")
    }
}
