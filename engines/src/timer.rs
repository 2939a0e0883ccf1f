//! A hierarchical timing wheel with millisecond ticks, and the alarm that its users hold.
//!
//! The wheel never fires early. An [`Alarm`] keeps its owner's one deadline: moving it later costs
//! nothing, because the wheel's entry stays where it is and is moved on when it comes up.

use std::time::{Duration, Instant};

const LEVELS: usize = 6;
const SLOTS: u64 = 64;
const SLOT_BITS: u32 = 6;
/// Ticks the wheel spans (over two years); what lies beyond is looked at again then.
const SPAN: u64 = 1 << (SLOT_BITS * LEVELS as u32);

/// Deadlines of many owners, each named by a key.
#[derive(Debug)]
pub struct Wheel<K> {
    origin: Instant,
    elapsed: u64,
    levels: [Level<K>; LEVELS],
    cascade: Vec<Entry<K>>,
}

#[derive(Debug)]
struct Level<K> {
    occupied: u64,
    slots: [Vec<Entry<K>>; SLOTS as usize],
}

#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    tick: u64,
    key: K,
}

impl<K: Copy> Wheel<K> {
    /// A wheel that starts at `now`.
    pub fn new(now: Instant) -> Self {
        let level = || Level {
            occupied: 0,
            slots: std::array::from_fn(|_| Vec::new()),
        };
        let levels = std::array::from_fn(|_| level());
        Self {
            origin: now,
            elapsed: 0,
            levels,
            cascade: Vec::new(),
        }
    }

    /// The first moment at which `expire` may have something to do.
    pub fn next(&self) -> Option<Instant> {
        self.next_slot()
            .map(|(_, _, tick)| self.origin + Duration::from_millis(tick))
    }

    /// Adds the due entries to `due`: each key with the tick it was scheduled for.
    pub fn expire(&mut self, now: Instant, due: &mut Vec<(K, u64)>) {
        let now = now.saturating_duration_since(self.origin).as_millis() as u64;
        while let Some((level, slot, tick)) = self.next_slot().filter(|(_, _, tick)| *tick <= now) {
            self.elapsed = tick;
            let bucket = &mut self.levels[level];
            bucket.occupied &= !(1 << slot);
            let mut entries = std::mem::take(&mut self.cascade);
            std::mem::swap(&mut entries, &mut bucket.slots[slot]);
            for entry in entries.drain(..) {
                if entry.tick <= self.elapsed {
                    due.push((entry.key, entry.tick));
                } else {
                    self.place(entry);
                }
            }
            self.cascade = entries;
        }
        self.elapsed = self.elapsed.max(now);
    }

    /// Schedules `key` and returns the tick that `expire` will report, always above 0.
    fn schedule(&mut self, at: Instant, key: K) -> u64 {
        let nanos = at.saturating_duration_since(self.origin).as_nanos();
        let tick =
            (nanos.div_ceil(1_000_000) as u64).clamp(self.elapsed + 1, self.elapsed + SPAN - 1);
        self.place(Entry { tick, key });
        tick
    }

    fn place(&mut self, entry: Entry<K>) {
        let differing = (self.elapsed ^ entry.tick) | (SLOTS - 1);
        let level = ((63 - differing.leading_zeros()) / SLOT_BITS).min(LEVELS as u32 - 1);
        let slot = (entry.tick >> (level * SLOT_BITS)) % SLOTS;
        let bucket = &mut self.levels[level as usize];
        bucket.occupied |= 1 << slot;
        bucket.slots[slot as usize].push(entry);
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

/// One owner's deadline and its place in a [`Wheel`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Alarm {
    deadline: Option<Instant>,
    /// The tick of the wheel entry that counts; 0: none. Other entries of the key are stale.
    scheduled: u64,
    scheduled_at: Option<Instant>,
}

impl Alarm {
    /// The deadline that was last set.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Sets, moves or (with `None`) lifts the deadline.
    pub fn set<K: Copy>(&mut self, deadline: Option<Instant>, wheel: &mut Wheel<K>, key: K) {
        self.deadline = deadline;
        let Some(at) = deadline else { return };
        if self.scheduled_at.is_none_or(|scheduled| at < scheduled) {
            self.scheduled = wheel.schedule(at, key);
            self.scheduled_at = Some(at);
        }
    }

    /// Takes an entry that came up; true when the deadline has passed (it is then lifted).
    pub fn fired<K: Copy>(
        &mut self,
        tick: u64,
        now: Instant,
        wheel: &mut Wheel<K>,
        key: K,
    ) -> bool {
        if tick != self.scheduled {
            return false;
        }
        (self.scheduled, self.scheduled_at) = (0, None);
        match self.deadline {
            Some(at) if at <= now => {
                self.deadline = None;
                true
            }
            later => {
                self.set(later, wheel, key);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn entries_come_up_once_in_time_and_never_early() {
        let start = crate::clock::Clock::read().now;
        let (mut wheel, mut rng) = (Wheel::new(start), Rng::seeded(1));
        let mut now = start;
        let mut open = Vec::<(u64, Instant, Alarm)>::new();
        for key in 0..3000u64 {
            let reach = 1 << rng.between(1, 36);
            let at = now + Duration::from_micros(rng.below(reach));
            let mut alarm = Alarm::default();
            alarm.set(Some(at), &mut wheel, key);
            open.push((key, at, alarm));
            now = wheel
                .next()
                .unwrap()
                .max(now + Duration::from_micros(rng.below(5000)));
            let mut due = Vec::new();
            wheel.expire(now, &mut due);
            for (key, tick) in due {
                let i = open.iter().position(|(k, ..)| *k == key).unwrap();
                assert!(open[i].2.fired(tick, now, &mut wheel, key));
                assert!(open[i].1 <= now);
                open.swap_remove(i);
            }
            assert!(
                open.iter()
                    .all(|(_, at, _)| now < *at + Duration::from_millis(2))
            );
        }
    }

    #[test]
    fn moving_a_deadline_later_or_earlier_fires_once_at_the_new_time() {
        let start = crate::clock::Clock::read().now;
        let ms = |n| start + Duration::from_millis(n);
        let mut wheel = Wheel::new(start);
        let mut alarm = Alarm::default();
        alarm.set(Some(ms(100)), &mut wheel, 1);
        alarm.set(Some(ms(500)), &mut wheel, 1);
        alarm.set(Some(ms(50)), &mut wheel, 1);
        alarm.set(Some(ms(300)), &mut wheel, 1);
        let mut fired = Vec::new();
        for t in 1..=1000 {
            let mut due = Vec::new();
            wheel.expire(ms(t), &mut due);
            for (key, tick) in due {
                if alarm.fired(tick, ms(t), &mut wheel, key) {
                    fired.push(t);
                }
            }
        }
        assert_eq!(fired, [300]);
    }
}
