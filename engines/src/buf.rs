//! Blocks of memory and the slices of them that travel through the proxy.
//!
//! A worker has one pool of blocks in four groups: small and large receive blocks, a reserve for
//! sockets that hold no lease, and write blocks that many short messages share. A block's count of
//! slices lives in the pool's table, so a receive allocates nothing. A block whose last slice is
//! dropped is *home*; the engine collects it at its next `wait`.
//!
//! A slice is valid whatever else happens, and nobody writes bytes that a [`Buf`] shows: [`BufMut`] is
//! exclusive, and a write block is only appended to behind the slices already cut from it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    rc::Rc,
};

/// The buffer class of a socket: which receive blocks it is served from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Request heads and small traffic (downstream).
    #[default]
    Small,
    /// Bodies (upstream, bulk).
    Large,
}

/// A group of equal blocks within the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Small,
    Large,
    /// Small blocks for sockets that hold no lease while the other groups are empty.
    Reserve,
    /// Shared by encoded heads and other short messages.
    Write,
}

const GROUPS: [Group; 4] = [Group::Small, Group::Large, Group::Reserve, Group::Write];
/// The groups that receives are served from.
pub(crate) const RECEIVED: [Group; 3] = [Group::Small, Group::Large, Group::Reserve];

impl From<Class> for Group {
    fn from(class: Class) -> Self {
        match class {
            Class::Small => Self::Small,
            Class::Large => Self::Large,
        }
    }
}

/// Sizes of a worker's pool. Counts are powers of two up to 32768.
#[derive(Clone, Debug)]
pub struct BlockLimits {
    /// Bytes of a small (and of a reserve) block.
    pub small_bytes: u32,
    /// Small blocks.
    pub small_count: u16,
    /// Bytes of a large block.
    pub large_bytes: u32,
    /// Large blocks.
    pub large_count: u16,
    /// Reserve blocks.
    pub reserve_count: u16,
    /// Bytes of a write block.
    pub write_bytes: u32,
    /// Write blocks.
    pub write_count: u16,
    /// Receive blocks that one socket may pin.
    pub socket_max: u16,
}

impl Default for BlockLimits {
    fn default() -> Self {
        Self {
            small_bytes: 4 << 10,
            small_count: 1024,
            large_bytes: 32 << 10,
            large_count: 256,
            reserve_count: 64,
            write_bytes: 16 << 10,
            write_count: 256,
            socket_max: 16,
        }
    }
}

/// A cheap handle on a worker's pool of blocks.
#[derive(Clone, Debug)]
pub struct Blocks(Rc<Pool>);

#[derive(Debug)]
struct Pool {
    memory: Mapping,
    groups: [Span; 4],
    table: Box<[Row]>,
    /// Receive blocks whose last slice was dropped since the engine last collected.
    home: RefCell<Vec<u32>>,
    free: [RefCell<Vec<u32>>; 4],
    /// The open write block and how much of it is used.
    open: Cell<Option<(u32, u32)>>,
    /// Receive blocks that are leased now.
    leased: Cell<usize>,
}

/// Where a group's blocks lie.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u32,
    count: u32,
    bytes: u32,
    offset: usize,
}

#[derive(Debug, Default)]
struct Row {
    /// Slices of the block, the pool's own hold on the open write block included.
    slices: Cell<u32>,
    /// Who leased it, in the engine's terms.
    owner: Cell<u64>,
}

impl Blocks {
    /// A pool whose memory is mapped now and used as blocks are first leased.
    pub fn new(limits: &BlockLimits) -> Self {
        let sizes = [
            (limits.small_bytes, limits.small_count),
            (limits.large_bytes, limits.large_count),
            (limits.small_bytes, limits.reserve_count),
            (limits.write_bytes, limits.write_count),
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
            open: Cell::new(None),
            leased: Cell::new(0),
        }))
    }

    /// Copies short `bytes` into the open write block, which many messages share; bytes of a quarter
    /// of a block and more, and all when no write block is free, get memory of their own.
    pub fn write(&self, bytes: &[u8]) -> Buf {
        if bytes.is_empty() {
            return Buf::default();
        }
        let size = self.0.groups[Group::Write as usize].bytes as usize;
        if bytes.len() > size / 4 {
            return Buf::from(bytes.to_vec());
        }
        let Some((block, used)) = self.room_to_write(bytes.len() as u32) else {
            return Buf::from(bytes.to_vec());
        };
        self.0.open.set(Some((block, used + bytes.len() as u32)));
        let row = &self.0.table[block as usize];
        row.slices.set(row.slices.get() + 1);
        // SAFETY: `used..used + len` lies within the block (room_to_write) and no slice shows it yet:
        // slices are cut only behind `used`, and `used` only grows while the block is open.
        let start = unsafe { self.0.address(block).add(used as usize) };
        // SAFETY: as above; source and target are distinct allocations.
        unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        let len = bytes.len() as u32;
        Buf(Region {
            start,
            len,
            hold: Hold::Block {
                pool: self.0.clone(),
                block,
            },
        })
    }

    /// Receive blocks that are leased now (for the check that all come home).
    pub fn leased(&self) -> usize {
        self.0.leased.get()
    }

    /// Write blocks that hold bytes still to be sent, the open one not counted.
    pub fn written(&self) -> usize {
        let write = self.0.groups[Group::Write as usize];
        let free = self.0.free[Group::Write as usize].borrow().len();
        write.count as usize - free - usize::from(self.0.open.get().is_some())
    }

    /// Bytes of a receive block of `class`.
    pub fn block_bytes(&self, class: Class) -> usize {
        self.0.groups[Group::from(class) as usize].bytes as usize
    }

    fn room_to_write(&self, len: u32) -> Option<(u32, u32)> {
        let pool = &*self.0;
        let size = pool.groups[Group::Write as usize].bytes;
        if let Some((block, used)) = pool.open.get() {
            let row = &pool.table[block as usize];
            if row.slices.get() == 1 {
                // All slices are gone: start over at the front.
                pool.open.set(Some((block, 0)));
                return Some((block, 0));
            }
            if size - used >= len {
                return Some((block, used));
            }
            pool.open.set(None);
            pool.release(block);
        }
        let block = pool.free[Group::Write as usize].borrow_mut().pop()?;
        pool.table[block as usize].slices.set(1);
        pool.open.set(Some((block, 0)));
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
        self.0.leased.set(self.0.leased.get() + 1);
        let start = self.0.address(block);
        BufMut(Region {
            start,
            len,
            hold: Hold::Block {
                pool: self.0.clone(),
                block,
            },
        })
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
    fn group_of(&self, block: u32) -> Group {
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

    fn retain(&self, block: u32) {
        let slices = &self.table[block as usize].slices;
        slices.set(slices.get() + 1);
    }

    fn release(&self, block: u32) {
        let slices = &self.table[block as usize].slices;
        slices.set(slices.get() - 1);
        if slices.get() > 0 {
            return;
        }
        if self.group_of(block) == Group::Write {
            self.free[Group::Write as usize].borrow_mut().push(block);
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

/// A range of bytes and what keeps them alive.
struct Region {
    start: NonNull<u8>,
    len: u32,
    hold: Hold,
}

enum Hold {
    Block { pool: Rc<Pool>, block: u32 },
    Owned(Rc<Vec<u8>>),
    Static,
}

impl Region {
    fn empty() -> Self {
        Self {
            start: NonNull::dangling(),
            len: 0,
            hold: Hold::Static,
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `hold` keeps the bytes alive and initialised, and nobody writes them while they are
        // shown (see the module's invariant).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len as usize) }
    }

    fn share(&self) -> Self {
        let hold = match &self.hold {
            Hold::Block { pool, block } => {
                pool.retain(*block);
                Hold::Block {
                    pool: pool.clone(),
                    block: *block,
                }
            }
            Hold::Owned(bytes) => Hold::Owned(bytes.clone()),
            Hold::Static => Hold::Static,
        };
        Self {
            start: self.start,
            len: self.len,
            hold,
        }
    }

    /// Cuts off and returns the first `n` bytes.
    fn split_to(&mut self, n: usize) -> Self {
        assert!(n <= self.len as usize, "split behind the end");
        let mut front = self.share();
        front.len = n as u32;
        self.skip(n);
        front
    }

    fn skip(&mut self, n: usize) {
        assert!(n <= self.len as usize, "skip behind the end");
        // SAFETY: at most one past the end of the same region.
        self.start = unsafe { self.start.add(n) };
        self.len -= n as u32;
    }

    fn group(&self) -> Option<Group> {
        match &self.hold {
            Hold::Block { pool, block } => Some(pool.group_of(*block)),
            Hold::Owned(_) | Hold::Static => None,
        }
    }

    fn pinned(&self) -> usize {
        match &self.hold {
            Hold::Block { pool, block } => {
                pool.groups[pool.group_of(*block) as usize].bytes as usize
            }
            Hold::Owned(bytes) => bytes.capacity(),
            Hold::Static => 0,
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Hold::Block { pool, block } = &self.hold {
            pool.release(*block);
        }
    }
}

/// A shared slice: of a leased block, of memory of its own, or of static bytes.
pub struct Buf(Region);

impl Buf {
    /// A slice of bytes that live as long as the program.
    pub fn from_static(bytes: &'static [u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self(Region {
            start: NonNull::from(bytes).cast(),
            len,
            hold: Hold::Static,
        })
    }

    /// A copy in exact-size memory of its own.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }

    /// Cuts off and returns the first `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn split_to(&mut self, n: usize) -> Self {
        Self(self.0.split_to(n))
    }

    /// Drops the first `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn skip(&mut self, n: usize) {
        self.0.skip(n);
    }

    /// Keeps at most the first `n` bytes.
    pub fn truncate(&mut self, n: usize) {
        self.0.len = self.0.len.min(u32::try_from(n).unwrap_or(u32::MAX));
    }

    /// Bytes of memory that this slice keeps from other use: its whole block, or its allocation.
    pub fn pinned(&self) -> usize {
        self.0.pinned()
    }

    /// True for a slice of a receive block, the kind that runs out.
    pub fn is_leased(&self) -> bool {
        self.0.group().is_some_and(|group| group != Group::Write)
    }

    /// True for a slice of the reserve group, which has to go home in the same turn.
    pub fn is_reserve(&self) -> bool {
        self.0.group() == Some(Group::Reserve)
    }
}

impl Default for Buf {
    fn default() -> Self {
        Self(Region::empty())
    }
}

impl Clone for Buf {
    fn clone(&self) -> Self {
        Self(self.0.share())
    }
}

impl From<Vec<u8>> for Buf {
    fn from(mut bytes: Vec<u8>) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let start = NonNull::new(bytes.as_mut_ptr()).unwrap_or(NonNull::dangling());
        Self(Region {
            start,
            len,
            hold: Hold::Owned(Rc::new(bytes)),
        })
    }
}

impl Deref for Buf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl fmt::Debug for Buf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buf({} bytes)", self.len())
    }
}

/// An exclusive region of a leased block.
pub struct BufMut(Region);

impl BufMut {
    /// Cuts off and returns the first `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn split_to(&mut self, n: usize) -> Self {
        Self(self.0.split_to(n))
    }

    /// Drops the first `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn skip(&mut self, n: usize) {
        self.0.skip(n);
    }

    /// Keeps at most the first `n` bytes.
    pub fn truncate(&mut self, n: usize) {
        self.0.len = self.0.len.min(u32::try_from(n).unwrap_or(u32::MAX));
    }

    /// Gives up the right to write, to share the bytes.
    pub fn freeze(self) -> Buf {
        Buf(self.0)
    }

    /// True for a region of the reserve group, which has to go home in the same turn.
    pub fn is_reserve(&self) -> bool {
        self.0.group() == Some(Group::Reserve)
    }
}

impl From<Vec<u8>> for BufMut {
    fn from(bytes: Vec<u8>) -> Self {
        // Nobody else has the memory, so the region is exclusive.
        Self(Buf::from(bytes).0)
    }
}

impl Deref for BufMut {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl DerefMut for BufMut {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: exclusive: regions of `BufMut`s never overlap, and `freeze` consumes.
        unsafe { std::slice::from_raw_parts_mut(self.0.start.as_ptr(), self.0.len as usize) }
    }
}

impl fmt::Debug for BufMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BufMut({} bytes)", self.len())
    }
}

/// A queue of slices and the number of bytes in them. Holds no empty slice.
#[derive(Debug, Default)]
pub struct BufList {
    bufs: VecDeque<Buf>,
    bytes: usize,
}

impl BufList {
    /// Bytes in all slices.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// True when there is no byte.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Adds a slice at the end; an empty one is dropped.
    pub fn push(&mut self, buf: Buf) {
        if !buf.is_empty() {
            self.bytes += buf.len();
            self.bufs.push_back(buf);
        }
    }

    /// Puts a slice in front of all.
    pub fn push_front(&mut self, buf: Buf) {
        if !buf.is_empty() {
            self.bytes += buf.len();
            self.bufs.push_front(buf);
        }
    }

    /// Takes the first slice out.
    pub fn pop(&mut self) -> Option<Buf> {
        let buf = self.bufs.pop_front()?;
        self.bytes -= buf.len();
        Some(buf)
    }

    /// Takes a slice of at most `max` bytes out.
    pub fn take(&mut self, max: usize) -> Option<Buf> {
        let front = self.bufs.front_mut()?;
        if front.len() <= max {
            return self.pop();
        }
        self.bytes -= max;
        Some(front.split_to(max))
    }

    /// Drops the first `n` bytes, or all if there are fewer.
    pub fn skip(&mut self, mut n: usize) {
        while n > 0 {
            let Some(taken) = self.take(n) else { return };
            n -= taken.len();
        }
    }

    /// Moves all slices of `other` to the end.
    pub fn append(&mut self, mut other: Self) {
        self.bytes += other.bytes;
        self.bufs.append(&mut other.bufs);
    }

    /// Replaces each slice by another of the same bytes.
    pub fn map(&mut self, change: impl Fn(Buf) -> Buf) {
        self.bufs
            .iter_mut()
            .for_each(|buf| *buf = change(std::mem::take(buf)));
    }

    /// The slice, if there is exactly one.
    pub(crate) fn only(&self) -> Option<&Buf> {
        self.bufs.front().filter(|_| self.bufs.len() == 1)
    }

    /// The slices in order.
    pub fn iter(&self) -> impl Iterator<Item = &Buf> {
        self.bufs.iter()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.bufs.clear();
        self.bytes = 0;
    }

    /// A copy of all bytes in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.bytes);
        self.bufs.iter().for_each(|buf| all.extend_from_slice(buf));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Blocks {
        Blocks::new(&BlockLimits {
            small_count: 2,
            write_count: 2,
            ..BlockLimits::default()
        })
    }

    #[test]
    fn a_block_goes_home_with_its_last_slice_and_tells_its_owner() {
        let blocks = pool();
        let mut block = blocks.lease(Group::Small, 7).unwrap();
        block[..3].copy_from_slice(b"abc");
        let mut front = block.split_to(3).freeze();
        let shared = front.clone();
        drop(block);
        assert_eq!(
            (&*front.split_to(1), &*front, &*shared),
            (&b"a"[..], &b"bc"[..], &b"abc"[..])
        );
        assert_eq!((shared.pinned(), blocks.leased()), (4096, 1));
        drop(front);
        blocks.collect(|_, _| unreachable!("still held"));
        drop(shared);
        assert_eq!(blocks.leased(), 0);
        let mut owners = Vec::new();
        blocks.collect(|owner, group| owners.push((owner, group)));
        assert_eq!(owners, [(7, Group::Small)]);
    }

    #[test]
    fn a_group_runs_out_and_recovers() {
        let blocks = pool();
        let held = [blocks.lease(Group::Small, 1), blocks.lease(Group::Small, 1)];
        assert!(held.iter().all(Option::is_some));
        assert!(blocks.lease(Group::Small, 1).is_none());
        assert!(
            blocks
                .lease(Group::Reserve, 2)
                .is_some_and(|b| b.is_reserve())
        );
        drop(held);
        blocks.collect(|_, _| {});
        assert!(blocks.lease(Group::Small, 1).is_some());
    }

    #[test]
    fn messages_share_a_write_block_and_fall_back_to_memory_of_their_own() {
        let blocks = pool();
        let parts: Vec<Buf> = (0..40u8).map(|i| blocks.write(&[i; 1000])).collect();
        assert!(parts.iter().zip(0..).all(|(part, i)| **part == [i; 1000]));
        assert!(
            parts.last().is_some_and(|last| last.pinned() == 1000),
            "two blocks hold 32"
        );
        drop(parts);
        assert_eq!(
            (blocks.written(), blocks.write(b"again").pinned()),
            (0, 16 << 10)
        );
    }

    #[test]
    fn a_list_keeps_count_of_its_bytes() {
        let mut list = BufList::default();
        list.push(Buf::from_static(b"hello "));
        list.push(Buf::default());
        list.push(Buf::copy_of(b"world"));
        assert_eq!(
            (list.len(), list.take(3).unwrap().len(), list.len()),
            (11, 3, 8)
        );
        list.skip(4);
        assert_eq!((list.to_vec().as_slice(), list.len()), (&b"orld"[..], 4));
    }
}
