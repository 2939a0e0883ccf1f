//! A socket as it leases receive blocks: its class, its quota, and its turn when blocks ran out.
//!
//! A socket that holds no lease may take a block of the reserve, so that peers who pin all others
//! cannot keep it from being served.

use crate::{
    Blocks, Buf, BufMut, Class, EngineCounters,
    buf::{Group, RECEIVED},
};
use std::collections::VecDeque;

/// Balance of full blocks over others from which on large ones are taken.
const FULL_BLOCKS: u8 = 3;
/// Balance from which on one receive fills several.
const FULL_BLOCKS_BULK: u8 = 8;
const FULL_BLOCKS_MAX: u8 = 16;

/// Why a socket waits although the kernel has something for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Park {
    /// For the back-off after a failed accept.
    Backoff,
    /// For a free block.
    Blocks,
    /// For leases of its own to come home.
    Quota,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Lessee {
    /// Class to be served from; of accepted sockets for a listener.
    pub(crate) class: Class,
    pub(crate) parked: Option<Park>,
    pub(crate) leases: u16,
    /// Receives that filled their block, less those that did not.
    pub(crate) full_blocks: u8,
    /// A copy of a reserve block waits for the relay's target.
    copied: bool,
}

impl Lessee {
    pub(crate) fn new(class: Class) -> Self {
        Self {
            class,
            parked: None,
            leases: 0,
            full_blocks: 0,
            copied: false,
        }
    }

    /// What a relay queues of a block. One of the reserve must not wait for a slow target, so a copy
    /// does; there is no second one before it has left.
    pub(crate) fn keep(&mut self, data: BufMut) -> Buf {
        if !data.is_reserve() || data.is_empty() {
            return data.freeze();
        }
        self.copied = true;
        Buf::copy_of(&data)
    }

    /// Everything that was queued has left.
    pub(crate) fn on_drained(&mut self) {
        self.copied = false;
    }

    /// Leases a block; without one the socket is parked. One that waits for [`Park::Blocks`] then
    /// belongs among the [`Starved`].
    pub(crate) fn lease(
        &mut self,
        owner: u64,
        blocks: &Blocks,
        quota: u16,
        counters: &mut EngineCounters,
    ) -> Option<BufMut> {
        if self.leases >= quota {
            counters.quota_reached += 1;
            self.parked = Some(Park::Quota);
            return None;
        }
        let mut block = blocks.lease(self.class.into(), owner);
        if block.is_none() && self.is_served_by_reserve() {
            block = blocks.lease(Group::Reserve, owner);
            counters.reserve_receives += u64::from(block.is_some());
        }
        if let Some(block) = &block {
            self.leases += 1;
            block.note_leases(self.leases);
        } else {
            counters.blocks_exhausted += 1;
            self.parked = Some(Park::Blocks);
        }
        block
    }

    /// Leases one more block for the same receive, if what comes is bulk.
    pub(crate) fn lease_more(&mut self, owner: u64, blocks: &Blocks, quota: u16) -> Option<BufMut> {
        if !self.is_bulk() || self.leases >= quota {
            return None;
        }
        let block = blocks.lease(Group::Large, owner)?;
        self.leases += 1;
        block.note_leases(self.leases);
        Some(block)
    }

    pub(crate) fn is_served_by_reserve(&self) -> bool {
        self.leases == 0 && !self.copied && !cfg!(planted = "starved_blocks")
    }

    /// A lease came home; true when the socket may go on that was parked at its quota.
    pub(crate) fn on_home(&mut self, quota: u16) -> bool {
        self.leases -= 1;
        let goes_on = self.parked == Some(Park::Quota) && self.leases < quota.div_ceil(2);
        if goes_on {
            self.parked = None;
        }
        goes_on
    }

    /// A receive brought `bytes` where there was `room` for so many: who fills its blocks gets large
    /// ones. A message has an end: one short receive does not count for more than one full one.
    pub(crate) fn note_size(&mut self, bytes: usize, room: usize) {
        self.full_blocks = if bytes >= room {
            (self.full_blocks + 1).min(FULL_BLOCKS_MAX)
        } else {
            self.full_blocks.saturating_sub(1)
        };
        if self.full_blocks >= FULL_BLOCKS {
            self.class = Class::Large;
        }
    }

    /// What it receives is bulk: one receive is to fill several blocks.
    pub(crate) fn is_bulk(&self) -> bool {
        self.class == Class::Large && self.full_blocks >= FULL_BLOCKS_BULK
    }

    /// Lets the starved socket go on if one of the free blocks can be its own.
    pub(crate) fn take_share(&mut self, budget: &mut Budget) -> bool {
        let own = &mut budget.0[Group::from(self.class) as usize];
        let served = if *own > 0 {
            *own -= 1;
            true
        } else {
            let reserve = &mut budget.0[Group::Reserve as usize];
            let served = self.is_served_by_reserve() && *reserve > 0;
            *reserve -= usize::from(served);
            served
        };
        if served {
            self.parked = None;
        }
        served
    }
}

/// Free blocks by group that are not promised yet.
pub(crate) struct Budget([usize; RECEIVED.len()]);

impl Budget {
    pub(crate) fn new(free_of: impl Fn(Group) -> usize) -> Self {
        Self(RECEIVED.map(free_of))
    }

    /// What is free in a pool from which nothing is lent.
    pub(crate) fn of(blocks: &Blocks) -> Self {
        Self::new(|group| blocks.free_of(group))
    }
}

/// What becomes of a socket among the [`Starved`].
pub(crate) enum Turn {
    /// It goes on, or does not wait any more.
    Over,
    /// There is nothing for it yet.
    Waits,
}

/// Sockets that wait for blocks, in the order in which they ran out.
pub(crate) struct Starved<K>(VecDeque<K>);

impl<K> Default for Starved<K> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K> Starved<K> {
    pub(crate) fn push(&mut self, key: K) {
        self.0.push_back(key);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &K> {
        self.0.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Offers the free blocks round: no more sockets go on than there are blocks for.
    pub(crate) fn feed(
        &mut self,
        mut budget: Budget,
        mut offer: impl FnMut(&K, &mut Budget) -> Turn,
    ) {
        for _ in 0..self.0.len() {
            let Some(key) = self.0.pop_front() else {
                return;
            };
            if let Turn::Waits = offer(&key, &mut budget) {
                self.0.push_back(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockLimits;

    fn pool() -> Blocks {
        Blocks::new(&BlockLimits {
            small_count: 2,
            reserve_count: 1,
            ..BlockLimits::default()
        })
    }

    #[test]
    fn a_block_tells_when_its_socket_holds_half_of_its_quota() {
        let limits = BlockLimits {
            socket_max: 4,
            ..BlockLimits::default()
        };
        let (blocks, mut lessee) = (Blocks::new(&limits), Lessee::new(Class::Small));
        let held: Vec<_> = (0..4)
            .map_while(|_| lessee.lease(1, &blocks, 4, &mut EngineCounters::default()))
            .map(BufMut::freeze)
            .collect();
        let crowded: Vec<_> = held.iter().map(Buf::is_crowded).collect();
        assert_eq!(crowded, [false, true, true, true]);
        assert!(!Buf::copy_of(&held[3]).is_crowded());
        // Those that are not crowded keep no socket from going on.
        assert!(
            lessee
                .lease(1, &blocks, 4, &mut EngineCounters::default())
                .is_none()
        );
        let goes_on: Vec<_> = crowded
            .iter()
            .filter(|is| **is)
            .map(|_| lessee.on_home(4))
            .collect();
        assert_eq!(goes_on, [false, false, true]);
    }

    #[test]
    fn the_reserve_serves_only_who_holds_no_lease() {
        let (blocks, mut counters) = (pool(), EngineCounters::default());
        let (mut greedy, mut fresh) = (Lessee::new(Class::Small), Lessee::new(Class::Small));
        let held: Vec<_> = (0..3)
            .map_while(|_| greedy.lease(1, &blocks, 8, &mut counters))
            .collect();
        assert_eq!((held.len(), greedy.parked), (2, Some(Park::Blocks)));
        assert!(
            fresh
                .lease(2, &blocks, 8, &mut counters)
                .unwrap()
                .is_reserve()
        );
        assert_eq!(
            (counters.reserve_receives, counters.blocks_exhausted),
            (1, 1)
        );
        drop(held);
        let mut homes = 0;
        blocks.collect(|owner, _| {
            homes += usize::from(owner == 1);
            let lessee = if owner == 1 { &mut greedy } else { &mut fresh };
            lessee.on_home(8);
        });
        assert_eq!((homes, greedy.leases, fresh.leases), (2, 0, 0));
    }

    #[test]
    fn a_relay_copies_one_reserve_block_and_gets_the_next_when_that_has_left() {
        let (blocks, mut counters) = (pool(), EngineCounters::default());
        let _others: Vec<_> = (0..2)
            .map_while(|_| blocks.lease(Group::Small, 9))
            .collect();
        let mut source = Lessee::new(Class::Small);
        let mut receive = |source: &mut Lessee| {
            let block = source.lease(1, &blocks, 8, &mut counters);
            let kept = block.map(|block| source.keep(block));
            blocks.collect(|_, _| _ = source.on_home(8));
            kept
        };
        let first = receive(&mut source).unwrap();
        assert!(!first.is_leased());
        assert!(receive(&mut source).is_none());
        // Of a block behind the relay's end nothing waits.
        source.on_drained();
        let mut block = source.lease(1, &blocks, 8, &mut EngineCounters::default());
        let none = block.as_mut().map(|block| source.keep(block.split_to(0)));
        assert_eq!(none.map(|none| none.len()), Some(0));
        assert!(!source.copied);
        drop(block);
        blocks.collect(|_, _| _ = source.on_home(8));
        source.copied = true;
        source.on_drained();
        assert!(receive(&mut source).is_some());
    }

    #[test]
    fn a_socket_at_its_quota_goes_on_when_half_came_home() {
        let (blocks, mut counters) = (pool(), EngineCounters::default());
        let mut lessee = Lessee::new(Class::Large);
        let held: Vec<_> = (0..9)
            .map_while(|_| lessee.lease(1, &blocks, 4, &mut counters))
            .collect();
        assert_eq!((held.len(), lessee.parked), (4, Some(Park::Quota)));
        let on: Vec<_> = (0..4).map(|_| lessee.on_home(4)).collect();
        assert_eq!(on, [false, false, true, false]);
    }

    #[test]
    fn no_more_starved_sockets_go_on_than_there_are_blocks_for() {
        let (blocks, mut starved) = (pool(), Starved::default());
        let mut lessees: Vec<_> = (0..5).map(|_| Lessee::new(Class::Small)).collect();
        (0..5).for_each(|key| starved.push(key));
        let mut fed = Vec::new();
        starved.feed(Budget::of(&blocks), |key, budget| {
            if lessees[*key].take_share(budget) {
                fed.push(*key);
                return Turn::Over;
            }
            Turn::Waits
        });
        assert_eq!((fed, starved.0), (vec![0, 1, 2], VecDeque::from([3, 4])));
    }

    #[test]
    fn full_blocks_make_the_class_large_and_the_flow_bulk() {
        let mut lessee = Lessee::new(Class::Small);
        for bytes in [4096, 4096, 1, 4096] {
            lessee.note_size(bytes, 4096);
        }
        assert_eq!(lessee.class, Class::Small);
        lessee.note_size(4096, 4096);
        assert_eq!((lessee.class, lessee.is_bulk()), (Class::Large, false));
        // Messages of two blocks and a bit.
        for bytes in [1 << 15, 1 << 15, 300].repeat(5) {
            lessee.note_size(bytes, 1 << 15);
        }
        assert!(lessee.is_bulk());
        (0..16).for_each(|_| lessee.note_size(300, 1 << 15));
        assert!(!lessee.is_bulk());
    }
}
