//! The pool: blocks in groups, each with its count of slices, and the memory they lie in.

use super::{BlockLimits, Buf, BufMut, Class, GROUPS, Group, WRITTEN, slice::Region};
use std::{
    cell::{Cell, RefCell},
    ptr::NonNull,
    rc::Rc,
};

/// A cheap handle on a worker's pool of blocks.
#[derive(Clone, Debug)]
pub struct Blocks(Rc<Pool>);

#[derive(Debug)]
pub(super) struct Pool {
    memory: Mapping,
    pub(super) groups: [Span; GROUPS.len()],
    table: Box<[Row]>,
    /// Receive blocks whose last slice was dropped since the engine last collected.
    home: RefCell<Vec<u32>>,
    free: [RefCell<Vec<u32>>; GROUPS.len()],
    /// The open block of each group that is written to, and how much of it is used.
    open: [Cell<Option<(u32, u32)>>; GROUPS.len()],
    /// Receive blocks that one socket may pin.
    socket_max: u16,
    /// Receive blocks that are leased now.
    leased: Cell<usize>,
}

/// Where a group's blocks lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    first: u32,
    count: u32,
    pub(super) bytes: u32,
    offset: usize,
}

#[derive(Debug, Default)]
struct Row {
    /// Slices of the block, the pool's own hold on an open one included.
    slices: Cell<u32>,
    /// Who leased it, in the engine's terms.
    owner: Cell<u64>,
    /// Its owner's leases when it was received, itself included; 0: not told.
    leases: Cell<u16>,
}

impl Blocks {
    /// A pool whose memory is mapped now and used as blocks are first leased.
    pub fn new(limits: &BlockLimits) -> Self {
        let sizes = [
            (limits.small_bytes, limits.small_count),
            (limits.large_bytes, limits.large_count),
            (limits.small_bytes, limits.reserve_count),
            (limits.write_bytes, limits.write_count),
            (limits.long_bytes, limits.long_count),
        ];
        let (mut first, mut offset) = (0u32, 0usize);
        let groups = sizes.map(|(bytes, count)| {
            let span = Span {
                first,
                count: u32::from(count),
                bytes,
                offset,
            };
            first += span.count;
            offset += span.count as usize * bytes as usize;
            span
        });
        // The last block of the list is leased first: low addresses come first.
        let free = groups.map(|g| RefCell::new((g.first..g.first + g.count).rev().collect()));
        Self(Rc::new(Pool {
            memory: Mapping::new(offset),
            groups,
            table: (0..first).map(|_| Row::default()).collect(),
            home: RefCell::default(),
            free,
            open: Default::default(),
            socket_max: limits.socket_max,
            leased: Cell::new(0),
        }))
    }

    /// Copies short `bytes` into the open write block, which many messages share; bytes of a quarter
    /// of a block and more, and all when no write block is free, get memory of their own.
    pub fn write(&self, bytes: &[u8]) -> Buf {
        if bytes.is_empty() {
            return Buf::default();
        }
        if bytes.len() > self.short_bytes() {
            return Buf::from(bytes.to_vec());
        }
        let len = bytes.len() as u32;
        let Some((block, used)) = self.open_block(Group::Write, len) else {
            return Buf::from(bytes.to_vec());
        };
        self.0.open[Group::Write as usize].set(Some((block, used + len)));
        let row = &self.0.table[block as usize];
        row.slices.set(row.slices.get() + 1);
        // SAFETY: as in `room_in`; source and target are distinct allocations.
        let start = unsafe {
            let start = self.0.address(block).add(used as usize);
            start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            start
        };
        Buf(Region::of_block(&self.0, block, start, len))
    }

    /// Memory for `len` bytes that are made here and then sent: in a block that others share, where one
    /// of the size is free (short ones in a write block, others in a long block), else of its own. What
    /// it holds may be bytes of other connections: all of it is to be written before it is sent.
    pub fn room(&self, len: usize) -> BufMut {
        let group = match len <= self.short_bytes() {
            true => Group::Write,
            false => Group::Long,
        };
        let is_in_blocks = len > 0 && len <= self.0.groups[group as usize].bytes as usize;
        let room = is_in_blocks.then(|| self.room_in(group, len as u32));
        room.flatten().unwrap_or_else(|| BufMut::from(vec![0; len]))
    }

    /// Cuts the next `len` bytes, no more than a block has, off the open block of a group.
    #[inline]
    fn room_in(&self, group: Group, len: u32) -> Option<BufMut> {
        let (block, used) = self.open_block(group, len)?;
        self.0.open[group as usize].set(Some((block, used + len)));
        let row = &self.0.table[block as usize];
        row.slices.set(row.slices.get() + 1);
        // SAFETY: `used..used + len` lies within the block (open_block) and no slice shows it yet:
        // slices are cut only behind `used`, and `used` only grows while the block is open.
        let start = unsafe { self.0.address(block).add(used as usize) };
        Some(BufMut(Region::of_block(&self.0, block, start, len)))
    }

    /// Up to how many bytes are short: [`Self::write`] copies them into a block that others share.
    pub fn short_bytes(&self) -> usize {
        self.0.groups[Group::Write as usize].bytes as usize / 4
    }

    /// Receive blocks that are leased now (for the check that all come home).
    pub fn leased(&self) -> usize {
        self.0.leased.get()
    }

    /// Write and long blocks that hold bytes still to be sent, the open ones not counted.
    pub fn written(&self) -> usize {
        let written = WRITTEN.map(|group| {
            let free =
                self.free_of(group) + usize::from(self.0.open[group as usize].get().is_some());
            usize::from(self.count_of(group)) - free
        });
        written.iter().sum()
    }

    /// Receive blocks that one socket may pin before it has to wait (`BlockLimits::socket_max`).
    pub fn socket_max(&self) -> usize {
        self.0.socket_max.into()
    }

    /// Bytes of a receive block of `class`.
    pub fn block_bytes(&self, class: Class) -> usize {
        self.0.groups[Group::from(class) as usize].bytes as usize
    }

    /// The open block of a group, with room for `len` bytes, and how much of it is used.
    #[inline]
    fn open_block(&self, group: Group, len: u32) -> Option<(u32, u32)> {
        let pool = &*self.0;
        let (size, open) = (
            pool.groups[group as usize].bytes,
            &pool.open[group as usize],
        );
        if let Some((block, used)) = open.get() {
            let row = &pool.table[block as usize];
            if row.slices.get() == 1 {
                // All slices are gone: start over at the front.
                open.set(Some((block, 0)));
                return Some((block, 0));
            }
            if size - used >= len {
                return Some((block, used));
            }
            open.set(None);
            pool.release(block);
        }
        let block = pool.free[group as usize].borrow_mut().pop()?;
        pool.table[block as usize].slices.set(1);
        open.set(Some((block, 0)));
        Some((block, 0))
    }

    /// Takes a free receive block for `owner`; the slice spans the whole block.
    pub(crate) fn lease(&self, group: Group, owner: u64) -> Option<BufMut> {
        let block = self.0.free[group as usize].borrow_mut().pop()?;
        Some(self.claim_block(block, self.0.groups[group as usize].bytes, owner))
    }

    /// Takes a free block out of the list without leasing it, to lend it to the kernel.
    pub(crate) fn take_free(&self, group: Group) -> Option<u16> {
        let block = self.0.free[group as usize].borrow_mut().pop()?;
        Some((block - self.0.groups[group as usize].first) as u16)
    }

    /// Leases a block that was lent with `take_free` and that the kernel filled with `len` bytes.
    pub(crate) fn claim(&self, group: Group, index: u16, len: u32, owner: u64) -> BufMut {
        let span = self.0.groups[group as usize];
        assert!(
            u32::from(index) < span.count && len <= span.bytes,
            "the kernel left the block"
        );
        self.claim_block(span.first + u32::from(index), len, owner)
    }

    fn claim_block(&self, block: u32, len: u32, owner: u64) -> BufMut {
        let row = &self.0.table[block as usize];
        debug_assert_eq!(row.slices.get(), 0, "a leased block was leased again");
        row.slices.set(1);
        row.owner.set(owner);
        row.leases.set(0);
        self.0.leased.set(self.0.leased.get() + 1);
        let start = self.0.address(block);
        BufMut(Region::of_block(&self.0, block, start, len))
    }

    /// Puts blocks that came home back on the free lists and tells who had leased each.
    pub(crate) fn collect(&self, mut returned: impl FnMut(u64, Group)) {
        while let Some(block) = self.0.home.borrow_mut().pop() {
            let group = self.0.group_of(block);
            self.0.free[group as usize].borrow_mut().push(block);
            returned(self.0.table[block as usize].owner.get(), group);
        }
    }

    /// True when receive blocks came home that were not collected yet.
    pub(crate) fn has_home(&self) -> bool {
        !self.0.home.borrow().is_empty()
    }

    /// The start of a group's memory: block `i` lies `i * block_bytes` behind it.
    pub(crate) fn address(&self, group: Group, index: u16) -> NonNull<u8> {
        self.0
            .address(self.0.groups[group as usize].first + u32::from(index))
    }

    /// Blocks of `group` that are on its free list.
    pub(crate) fn free_of(&self, group: Group) -> usize {
        self.0.free[group as usize].borrow().len()
    }

    /// Bytes of a block of `group`.
    pub(crate) fn bytes_of(&self, group: Group) -> u32 {
        self.0.groups[group as usize].bytes
    }

    /// Blocks of `group`, leased or not.
    pub(crate) fn count_of(&self, group: Group) -> u16 {
        self.0.groups[group as usize].count as u16
    }
}

impl Pool {
    pub(super) fn group_of(&self, block: u32) -> Group {
        let after = GROUPS
            .iter()
            .rposition(|g| self.groups[*g as usize].first <= block);
        GROUPS[after.unwrap_or(0)]
    }

    fn address(&self, block: u32) -> NonNull<u8> {
        let span = self.groups[self.group_of(block) as usize];
        let offset = span.offset + (block - span.first) as usize * span.bytes as usize;
        assert!(offset < self.memory.len);
        // SAFETY: within the mapping, as asserted.
        unsafe { self.memory.start.add(offset) }
    }

    pub(super) fn note_leases(&self, block: u32, leases: u16) {
        self.table[block as usize].leases.set(leases);
    }

    pub(super) fn is_crowded(&self, block: u32) -> bool {
        // Fewer than half may stay: a socket that waits at its quota goes on when fewer are left.
        self.table[block as usize].leases.get() >= self.socket_max.div_ceil(2)
    }

    pub(super) fn retain(&self, block: u32) {
        let slices = &self.table[block as usize].slices;
        slices.set(slices.get() + 1);
    }

    pub(super) fn release(&self, block: u32) {
        let slices = &self.table[block as usize].slices;
        slices.set(slices.get() - 1);
        if slices.get() > 0 {
            return;
        }
        let group = self.group_of(block);
        if WRITTEN.contains(&group) {
            self.free[group as usize].borrow_mut().push(block);
        } else {
            self.leased.set(self.leased.get() - 1);
            self.home.borrow_mut().push(block);
        }
    }
}

/// Anonymous zeroed memory on a page boundary; pages are touched when they are first used.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

impl Mapping {
    pub(crate) fn new(len: usize) -> Self {
        let (read_write, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
        let flags = private | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping; no address is asked for.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, read_write, flags, -1, 0) };
        assert!(
            start != libc::MAP_FAILED,
            "no memory for {len} bytes of blocks"
        );
        let start = NonNull::new(start.cast()).unwrap_or(NonNull::dangling());
        Self { start, len }
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; every slice holds the pool, so none is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
