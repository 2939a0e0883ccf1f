//! The receive blocks that the kernel fills: one ring of provided buffers for each group.
//!
//! A block is in the pool's free list, lent to the kernel through its group's ring, or leased. Blocks
//! are lent at the start of `wait`.

use super::ring::Ring;
use crate::{
    Blocks, BufMut,
    buf::{Group, Mapping, RECEIVED},
};
use io_uring::types::BufRingEntry;
use std::{
    io,
    ptr::NonNull,
    sync::atomic::{AtomicU16, Ordering},
};

/// Blocks of a group that are with the kernel at most. It goes through them in turn, and those that it
/// has not used for long are out of the caches; the others stay unused until they are needed.
const LENT_MAX: [u16; RECEIVED.len()] = [512, 128, 64];

pub(super) struct BlockRings {
    blocks: Blocks,
    rings: [BlockRing; 3],
}

impl BlockRings {
    /// Registers the rings and lends the first blocks.
    pub(super) fn new(ring: &Ring, blocks: &Blocks) -> io::Result<Self> {
        let mut rings = Vec::with_capacity(RECEIVED.len());
        for group in RECEIVED {
            let count = blocks.count_of(group).min(LENT_MAX[group as usize]);
            rings.push(BlockRing::new(ring, group, count)?);
        }
        let Ok(rings) = rings.try_into() else {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        };
        let blocks = blocks.clone();
        let mut this = Self { blocks, rings };
        this.lend(|_| {});
        Ok(this)
    }

    /// Lends what came home; tells the owner of each such block.
    pub(super) fn lend(&mut self, mut returned: impl FnMut(u64)) {
        self.blocks.collect(|owner, _| returned(owner));
        for ring in &mut self.rings {
            ring.lend(&self.blocks);
        }
    }

    /// Blocks that the kernel can still fill, as far as completions were seen.
    pub(super) fn lent(&self, group: Group) -> u16 {
        self.rings[group as usize].lent
    }

    /// The kernel gives a block back, filled with `bytes`.
    pub(super) fn take_back(&mut self, group: Group, index: u16, bytes: u32) -> Filled {
        self.rings[group as usize].lent -= 1;
        Filled {
            group,
            index,
            bytes,
        }
    }

    /// There are large blocks that are neither leased nor lent.
    pub(super) fn free_for_bulk(&self) -> bool {
        self.blocks.free_of(Group::Large) > 0
    }

    /// Leases a filled block.
    pub(super) fn claim(&self, filled: Filled, owner: u64) -> BufMut {
        self.blocks
            .claim(filled.group, filled.index, filled.bytes, owner)
    }

    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }
}

/// A block that the kernel filled and that is not leased yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    pub(super) group: Group,
    pub(super) index: u16,
    pub(super) bytes: u32,
}

struct BlockRing {
    group: Group,
    memory: Mapping,
    mask: u16,
    tail: u16,
    /// Blocks that the kernel can fill, as far as completions were seen.
    lent: u16,
}

impl BlockRing {
    fn new(ring: &Ring, group: Group, count: u16) -> io::Result<Self> {
        if !count.is_power_of_two() || count > 1 << 15 {
            let refusal = format!("{count} blocks in a group: not a power of two up to 32768");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, refusal));
        }
        let memory = Mapping::new(usize::from(count) * size_of::<BufRingEntry>());
        let entries = memory.start().as_ptr() as u64;
        // SAFETY: a fresh mapping of that many entries, zeroed; it is dropped with `Self`, and the
        // kernel holds on to its pages for as long as the ring lives.
        unsafe { ring.register_buffers(entries, count, group as u16)? };
        Ok(Self {
            group,
            memory,
            mask: count - 1,
            tail: 0,
            lent: 0,
        })
    }

    fn lend(&mut self, blocks: &Blocks) {
        let before = self.tail;
        while self.lent <= self.mask
            && let Some(index) = blocks.take_free(self.group)
        {
            let bytes = blocks.bytes_of(self.group);
            let address = blocks.address(self.group, index).as_ptr() as u64;
            let entry = self.entry(self.tail & self.mask);
            // SAFETY: within the mapping; the kernel reads entries before the tail only. No more blocks
            // are lent than there are entries, so none that is still lent is overwritten.
            let entry = unsafe { &mut *entry.as_ptr() };
            entry.set_addr(address);
            entry.set_len(bytes);
            entry.set_bid(index);
            self.tail = self.tail.wrapping_add(1);
            self.lent += 1;
        }
        if self.tail != before {
            self.publish();
        }
    }

    fn entry(&self, place: u16) -> NonNull<BufRingEntry> {
        // SAFETY: `place` is at most the mask, and the mapping holds one entry more than that.
        unsafe { self.memory.start().cast().add(usize::from(place)) }
    }

    fn publish(&self) {
        // SAFETY: the first entry of a registered ring, whose reserved field is the tail.
        let tail = unsafe { BufRingEntry::tail(self.entry(0).as_ptr()) };
        // SAFETY: aligned, mapped, and written by this thread only; the kernel reads it.
        let tail = unsafe { &*tail.cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}
