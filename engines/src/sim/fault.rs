//! What goes wrong in a simulated network, and how often. The default is a network that behaves.

use super::net::World;
use crate::Rng;
use std::time::Duration;

/// How often something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance {
    parts: u32,
    whole: u32,
}

impl Chance {
    /// Each time.
    pub const ALWAYS: Self = Self { parts: 1, whole: 1 };
    /// Not once.
    pub const NEVER: Self = Self { parts: 0, whole: 1 };

    /// In `parts` of `whole` cases.
    pub const fn of(parts: u32, whole: u32) -> Self {
        Self { parts, whole }
    }

    pub(super) fn strikes(self, rng: &mut Rng) -> bool {
        self.parts > 0 && rng.chance(self.parts.into(), self.whole.into())
    }
}

/// Knobs of a simulated network; each is named by what happens more when it is turned up.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Time that a connection's segments take, drawn once a connection: from … to.
    pub latency: (Duration, Duration),
    /// What a segment may take longer than its connection's others; it never overtakes them.
    pub jitter: Duration,
    /// Bytes of one direction of a connection that were sent and not yet read. At least 1.
    pub window: usize,
    /// A receive gets only 1 … n of the n bytes it could.
    pub cut_receives: Chance,
    /// A send takes only 1 … n of the n bytes it could.
    pub cut_sends: Chance,
    /// Sockets are served in seeded order, not in the order in which something happened to them.
    pub reorder: bool,
    /// A receive goes on for a moment behind `pause`.
    pub late_receives: Chance,
    /// The network resets a connection when something is sent on it.
    pub resets: Chance,
    /// A reset takes along what its receiver has not read yet.
    pub eaten_answers: Chance,
    /// A paused socket shows its fatal error at once, not when it is used next.
    pub early_errors: Chance,
    /// A connect is refused although somebody listens.
    pub refused_connects: Chance,
    /// A connect is never answered.
    pub lost_connects: Chance,
    /// An accept fails for want of descriptors; the connection stays in the queue.
    pub accept_failures: Chance,
    /// A receive finds no free block of its class for up to `drought_max`.
    pub droughts: Chance,
    /// How long a drought lasts at most.
    pub drought_max: Duration,
    /// A datagram does not arrive.
    pub lost_datagrams: Chance,
    /// A datagram arrives twice.
    pub doubled_datagrams: Chance,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency: (Duration::from_micros(20), Duration::from_micros(100)),
            jitter: Duration::ZERO,
            window: 256 << 10,
            cut_receives: Chance::NEVER,
            cut_sends: Chance::NEVER,
            reorder: false,
            late_receives: Chance::NEVER,
            resets: Chance::NEVER,
            eaten_answers: Chance::NEVER,
            early_errors: Chance::NEVER,
            refused_connects: Chance::NEVER,
            lost_connects: Chance::NEVER,
            accept_failures: Chance::NEVER,
            droughts: Chance::NEVER,
            drought_max: Duration::from_millis(200),
            lost_datagrams: Chance::NEVER,
            doubled_datagrams: Chance::NEVER,
        }
    }
}

impl Faults {
    /// A network that behaves but cuts, delays and reorders as it likes: nothing fails in it.
    pub fn rough(rng: &mut Rng) -> Self {
        let slowest = Duration::from_micros(1 << rng.between(0, 17));
        let unsteadiest = 1 << rng.between(0, 15);
        Self {
            latency: (Duration::ZERO, slowest),
            jitter: Duration::from_micros(rng.below(unsteadiest)),
            window: 1 << rng.between(8, 20),
            cut_receives: drawn(rng, 1),
            cut_sends: drawn(rng, 1),
            reorder: rng.chance(3, 4),
            late_receives: drawn(rng, 1),
            ..Self::default()
        }
    }

    /// A network in which everything goes wrong now and then, which things and how often by seed.
    pub fn hostile(rng: &mut Rng) -> Self {
        Self {
            resets: drawn(rng, 100),
            eaten_answers: drawn(rng, 1),
            early_errors: drawn(rng, 1),
            refused_connects: drawn(rng, 8),
            lost_connects: drawn(rng, 20),
            accept_failures: drawn(rng, 8),
            droughts: drawn(rng, 20),
            drought_max: Duration::from_millis(rng.between(1, 500)),
            lost_datagrams: drawn(rng, 4),
            doubled_datagrams: drawn(rng, 4),
            ..Self::rough(rng)
        }
    }
}

impl World {
    /// How many of the bytes that a receive could get it gets.
    pub(super) fn cut_receive(&mut self, bytes: usize) -> usize {
        let cut = self.faults.cut_receives.strikes(&mut self.rng);
        self.cut(bytes, cut)
    }

    /// How many of the bytes that a send could take it takes.
    pub(super) fn cut_send(&mut self, bytes: usize) -> usize {
        let cut = self.faults.cut_sends.strikes(&mut self.rng);
        self.cut(bytes, cut)
    }

    /// Half of the cuts leave a few bytes only: those hit heads and frames.
    fn cut(&mut self, bytes: usize, cut: bool) -> usize {
        if !cut {
            return bytes;
        }
        let short = self.rng.chance(1, 2);
        let most = if short { bytes.min(8) } else { bytes };
        self.rng.between(1, most as u64) as usize
    }
}

/// Never in half of the draws, else up to once in `whole` cases.
fn drawn(rng: &mut Rng, whole: u32) -> Chance {
    if rng.chance(1, 2) {
        return Chance::NEVER;
    }
    Chance::of(rng.between(1, 100) as u32, 100 * whole)
}
