//! A hierarchical timing wheel with millisecond ticks: one deadline for each small number.
//!
//! Numbers are slots of some table of the caller's, so a wheel never holds more entries than that
//! table had values at once. Moving a deadline later, or lifting it, touches nothing but its own node:
//! the node stays where it hangs and is looked at again when it comes up. The wheel never fires early.

use std::time::{Duration, Instant};

const LEVELS: usize = 6;
const SLOTS: u64 = 64;
const SLOT_BITS: u32 = 6;
/// Ticks the wheel spans (over two years); what lies beyond is looked at again then.
const SPAN: u64 = 1 << (SLOT_BITS * LEVELS as u32);
/// No node.
const NIL: u32 = u32::MAX;

/// Deadlines by number.
#[derive(Debug)]
pub struct Wheel {
    origin: Instant,
    elapsed: u64,
    levels: [Level; LEVELS],
    nodes: Vec<Node>,
}

/// 64 lists of nodes; a bit for each that is not empty.
#[derive(Debug)]
struct Level {
    occupied: u64,
    heads: [u32; SLOTS as usize],
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// When it is to fire; 0: never.
    deadline: u64,
    /// When it comes up; 0: it hangs nowhere.
    tick: u64,
    prev: u32,
    next: u32,
    level: u8,
    slot: u8,
}

impl Node {
    const BLANK: Self = Self {
        deadline: 0,
        tick: 0,
        prev: NIL,
        next: NIL,
        level: 0,
        slot: 0,
    };
}

impl Wheel {
    /// A wheel that starts at `now`.
    pub fn new(now: Instant) -> Self {
        let level = |_| Level {
            occupied: 0,
            heads: [NIL; SLOTS as usize],
        };
        Self {
            origin: now,
            elapsed: 0,
            levels: std::array::from_fn(level),
            nodes: Vec::new(),
        }
    }

    /// Sets, moves or (with `None`) lifts the deadline of `number`.
    pub fn set(&mut self, number: u32, deadline: Option<Instant>) {
        let index = number as usize;
        if self.nodes.len() <= index {
            if deadline.is_none() {
                return;
            }
            self.nodes.resize(index + 1, Node::BLANK);
        }
        let wanted = deadline.map_or(0, |at| self.tick_of(at));
        let node = &mut self.nodes[index];
        node.deadline = wanted;
        if wanted == 0 || (node.tick != 0 && node.tick <= wanted) {
            return;
        }
        if node.tick != 0 {
            self.unlink(number);
        }
        self.link(number, wanted);
    }

    /// The first moment at which `expire` may have something to do.
    pub fn next(&self) -> Option<Instant> {
        self.next_slot()
            .map(|(_, _, tick)| self.origin + Duration::from_millis(tick))
    }

    /// Adds the numbers whose deadlines have passed to `due`; those deadlines are lifted.
    pub fn expire(&mut self, now: Instant, due: &mut Vec<u32>) {
        let now = millis(now.saturating_duration_since(self.origin));
        while let Some((level, slot, tick)) = self.next_slot().filter(|(_, _, tick)| *tick <= now) {
            self.elapsed = tick;
            let bucket = &mut self.levels[level];
            bucket.occupied &= !(1 << slot);
            let mut number = std::mem::replace(&mut bucket.heads[slot], NIL);
            while number != NIL {
                let node = &mut self.nodes[number as usize];
                let (next, deadline) = (node.next, node.deadline);
                node.tick = 0;
                if deadline > tick {
                    self.link(number, deadline);
                } else if deadline > 0 {
                    node.deadline = 0;
                    due.push(number);
                }
                number = next;
            }
        }
        self.elapsed = self.elapsed.max(now);
    }

    /// The tick at which a deadline has passed, always above `elapsed`.
    fn tick_of(&self, at: Instant) -> u64 {
        let after = at.saturating_duration_since(self.origin) + Duration::from_nanos(999_999);
        millis(after).max(self.elapsed + 1)
    }

    fn link(&mut self, number: u32, tick: u64) {
        let tick = tick.min(self.elapsed + SPAN - 1);
        let differing = (self.elapsed ^ tick) | (SLOTS - 1);
        let level = ((63 - differing.leading_zeros()) / SLOT_BITS).min(LEVELS as u32 - 1);
        let slot = (tick >> (level * SLOT_BITS)) % SLOTS;
        let bucket = &mut self.levels[level as usize];
        bucket.occupied |= 1 << slot;
        let next = std::mem::replace(&mut bucket.heads[slot as usize], number);
        if next != NIL {
            self.nodes[next as usize].prev = number;
        }
        let node = &mut self.nodes[number as usize];
        (node.tick, node.prev, node.next) = (tick, NIL, next);
        (node.level, node.slot) = (level as u8, slot as u8);
    }

    fn unlink(&mut self, number: u32) {
        let node = self.nodes[number as usize];
        if node.next != NIL {
            self.nodes[node.next as usize].prev = node.prev;
        }
        if node.prev != NIL {
            self.nodes[node.prev as usize].next = node.next;
            return;
        }
        let bucket = &mut self.levels[usize::from(node.level)];
        bucket.heads[usize::from(node.slot)] = node.next;
        if node.next == NIL {
            bucket.occupied &= !(1 << node.slot);
        }
    }

    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let (index, level) = self
            .levels
            .iter()
            .enumerate()
            .find(|(_, l)| l.occupied != 0)?;
        let width_bits = index as u32 * SLOT_BITS;
        let current = (self.elapsed >> width_bits) % SLOTS;
        let ahead = u64::from(level.occupied.rotate_right(current as u32).trailing_zeros());
        let slot = (current + ahead) % SLOTS;
        let turn = SLOTS << width_bits;
        let mut tick = (self.elapsed & !(turn - 1)) + (slot << width_bits);
        if slot < current {
            tick += turn;
        }
        Some((index, slot as usize, tick))
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000) + u64::from(duration.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn start() -> Instant {
        crate::clock::Clock::read().now
    }

    #[test]
    fn deadlines_pass_once_in_time_and_never_early_however_they_move() {
        let start = start();
        let (mut wheel, mut rng) = (Wheel::new(start), Rng::seeded(1));
        let mut now = start;
        let mut model = vec![None::<Instant>; 50];
        let mut fired = 0;
        for _ in 0..20_000 {
            let number = rng.index(model.len());
            let reach = 1 << rng.between(1, 36);
            let at = now + Duration::from_micros(rng.below(reach));
            let deadline = rng.chance(4, 5).then_some(at);
            model[number] = deadline;
            wheel.set(number as u32, deadline);
            if rng.chance(1, 2) {
                now += Duration::from_micros(rng.below(5000));
            } else if let Some(next) = wheel.next() {
                now = now.max(next);
            }
            let mut due = Vec::new();
            wheel.expire(now, &mut due);
            for number in due {
                let deadline = model[number as usize].take();
                assert!(deadline.is_some_and(|at| at <= now), "early or twice");
                fired += 1;
            }
            let late = |at: &Instant| now >= *at + Duration::from_millis(2);
            assert!(!model.iter().flatten().any(late));
        }
        assert!(fired > 1000 && wheel.nodes.len() == model.len());
    }

    #[test]
    fn a_deadline_moved_earlier_and_later_fires_once_at_the_last_time() {
        let start = start();
        let ms = |n| start + Duration::from_millis(n);
        let mut wheel = Wheel::new(start);
        for at in [100, 500, 50, 300] {
            wheel.set(7, Some(ms(at)));
        }
        let mut fired = Vec::new();
        for t in 1..=1000 {
            let mut due = Vec::new();
            wheel.expire(ms(t), &mut due);
            fired.extend(due.into_iter().map(|number| (number, t)));
        }
        assert_eq!((fired, wheel.next()), (vec![(7, 300)], None));
    }

    #[test]
    fn a_deadline_far_away_is_kept() {
        let start = start();
        let mut wheel = Wheel::new(start);
        let years = Duration::from_secs(5 * 365 * 86_400);
        wheel.set(0, Some(start + years));
        let mut due = Vec::new();
        wheel.expire(start + years / 2, &mut due);
        assert!(due.is_empty() && wheel.next().is_some());
        wheel.expire(start + years, &mut due);
        assert_eq!(due, [0]);
    }
}
