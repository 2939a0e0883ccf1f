//! Engines of one kind that reach each other, in one thread.

use engines::{
    Chance, Engine, EngineKind, EngineOptions, Event, Faults, Rng, SimEngine, SimNet, open,
    uring_available,
};
use std::{marker::PhantomData, time::Duration};

/// How long an engine may wait while none has anything to tell.
const REST: Duration = Duration::from_millis(1);

/// What the tests need beside the engines' own calls.
pub(crate) trait World: Sized {
    /// `count` engines that reach each other.
    fn open(count: usize, options: &EngineOptions) -> Self;

    /// Why such engines cannot run here.
    fn refusal() -> Option<String> {
        None
    }

    fn engine(&mut self, at: usize) -> &mut dyn Engine;

    /// Takes what an engine has to tell. `rest`: the last round brought nothing from any engine, so
    /// time has to pass, as far as anything is due or a little.
    fn turn(&mut self, at: usize, rest: bool, events: &mut Vec<Event>);
}

/// A kind of engine as a type.
pub(crate) trait Choice {
    const KIND: EngineKind;
}

pub(crate) enum Epoll {}
pub(crate) enum Tasks {}
pub(crate) enum Uring {}

impl Choice for Epoll {
    const KIND: EngineKind = EngineKind::Epoll;
}

impl Choice for Tasks {
    const KIND: EngineKind = EngineKind::Tasks;
}

impl Choice for Uring {
    const KIND: EngineKind = EngineKind::Uring;
}

/// Engines on the kernel's loopback.
pub(crate) struct Kernel<C> {
    engines: Vec<Box<dyn Engine>>,
    choice: PhantomData<C>,
}

impl<C: Choice> World for Kernel<C> {
    fn open(count: usize, options: &EngineOptions) -> Self {
        let open_one = |_| open(C::KIND, options).unwrap_or_else(|e| panic!("{}: {e}", C::KIND));
        Self {
            engines: (0..count).map(open_one).collect(),
            choice: PhantomData,
        }
    }

    fn refusal() -> Option<String> {
        match C::KIND {
            EngineKind::Uring => uring_available().err(),
            EngineKind::Epoll | EngineKind::Tasks => None,
        }
    }

    fn engine(&mut self, at: usize) -> &mut dyn Engine {
        &mut *self.engines[at]
    }

    fn turn(&mut self, at: usize, rest: bool, events: &mut Vec<Event>) {
        let engine = &mut self.engines[at];
        // The time of the last wait is past: this one only looks.
        let now = engine.now();
        engine.wait(Some(now), events).expect("the engine broke");
        if rest && events.is_empty() {
            let until = engine.now() + REST;
            engine.wait(Some(until), events).expect("the engine broke");
        }
    }
}

/// Engines on one simulated network.
pub(crate) struct Simulated<W> {
    net: SimNet,
    engines: Vec<SimEngine>,
    weather: PhantomData<W>,
}

/// A kind of simulated network as a type.
pub(crate) trait Weather {
    fn faults(rng: &mut Rng) -> Faults;
}

/// Nothing is cut or out of order.
pub(crate) enum Calm {}

/// Everything is, as far as a loopback may.
pub(crate) enum Rough {}

/// The same over long ways; what is not read may be lost by a reset.
pub(crate) enum Slow {}

impl Weather for Slow {
    fn faults(rng: &mut Rng) -> Faults {
        let rough = Faults::rough(rng);
        Faults {
            // As the kernel's: random calls may queue leases where nobody reads any more.
            window: 4 << 20,
            eaten_answers: Chance::of(1, 2),
            early_errors: Chance::of(1, 2),
            ..rough
        }
    }
}

impl Weather for Calm {
    fn faults(_rng: &mut Rng) -> Faults {
        Faults {
            latency: (Duration::ZERO, Duration::ZERO),
            ..Faults::default()
        }
    }
}

impl Weather for Rough {
    fn faults(rng: &mut Rng) -> Faults {
        let rough = Faults::rough(rng);
        Faults {
            jitter: Duration::ZERO,
            window: rough.window.max(64 << 10),
            latency: (Duration::ZERO, Duration::ZERO),
            ..rough
        }
    }
}

impl<W: Weather> World for Simulated<W> {
    fn open(count: usize, options: &EngineOptions) -> Self {
        let seed = std::env::var("SIM_SEED").map_or(3, |seed| seed.parse().expect("a number"));
        let net = SimNet::new(seed);
        net.set_faults(W::faults(&mut Rng::seeded(seed)));
        Self {
            engines: (0..count).map(|_| net.engine(options)).collect(),
            net,
            weather: PhantomData,
        }
    }

    fn engine(&mut self, at: usize) -> &mut dyn Engine {
        &mut self.engines[at]
    }

    fn turn(&mut self, at: usize, rest: bool, events: &mut Vec<Event>) {
        let now = self.net.now();
        self.engines[at]
            .wait(Some(now), events)
            .expect("the engine broke");
        if rest && events.is_empty() {
            self.net
                .advance_to(self.net.next_due().unwrap_or(now + REST));
            let now = self.net.now();
            self.engines[at]
                .wait(Some(now), events)
                .expect("the engine broke");
        }
    }
}
