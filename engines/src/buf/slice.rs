//! A slice of a block, of memory of its own, or of static bytes.

use super::{Group, RECEIVED, pool::Pool};
use std::{
    fmt,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    rc::Rc,
};

/// A range of bytes and what keeps them alive.
pub(super) struct Region {
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
    /// `len` bytes of a block at `start`; takes over one of the block's counted slices.
    pub(super) fn of_block(pool: &Rc<Pool>, block: u32, start: NonNull<u8>, len: u32) -> Self {
        let pool = pool.clone();
        Self {
            start,
            len,
            hold: Hold::Block { pool, block },
        }
    }

    /// Takes `other` in if it lies right behind in the same block; else it comes back.
    fn join(&mut self, other: Self) -> Option<Self> {
        let same = match (&self.hold, &other.hold) {
            (Hold::Block { pool: a, block: i }, Hold::Block { pool: b, block: j }) => {
                i == j && Rc::ptr_eq(a, b)
            }
            (Hold::Block { .. } | Hold::Owned(_) | Hold::Static, _) => false,
        };
        // SAFETY: at most one past the end of the same region.
        let end = unsafe { self.start.add(self.len as usize) };
        if !same || end != other.start {
            return Some(other);
        }
        self.len += other.len;
        None
    }

    /// Its memory, if that is its own, no other slice shows it, and this one shows all of it.
    fn own(&mut self) -> Option<&mut Vec<u8>> {
        let Hold::Owned(rc) = &mut self.hold else {
            return None;
        };
        let own = Rc::get_mut(rc)?;
        let is_whole = own.as_ptr() == self.start.as_ptr() && own.len() == self.len as usize;
        is_whole.then_some(own)
    }

    fn take_own(&mut self) -> Option<Vec<u8>> {
        let own = std::mem::take(self.own()?);
        *self = Self::empty();
        Some(own)
    }

    /// Copies `bytes` behind its own, if its memory may grow.
    fn append(&mut self, bytes: &[u8]) -> bool {
        let Some(own) = self.own() else { return false };
        own.extend_from_slice(bytes);
        let (start, len) = (NonNull::new(own.as_mut_ptr()), own.len() as u32);
        (self.start, self.len) = (start.unwrap_or(NonNull::dangling()), len);
        true
    }

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
        if n == self.len as usize {
            return std::mem::replace(self, Self::empty());
        }
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
pub struct Buf(pub(super) Region);

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

    /// The bytes as memory that may grow: without a copy where this is the only slice of memory of its
    /// own and shows all of it.
    pub fn into_vec(mut self) -> Vec<u8> {
        match self.0.take_own() {
            Some(own) => own,
            None => self.to_vec(),
        }
    }

    /// Takes `other` in if it lies right behind in the same block; else it comes back.
    pub(super) fn join(&mut self, other: Self) -> Option<Self> {
        self.0.join(other.0).map(Self)
    }

    /// Copies `bytes` behind its own, if that is possible without copying those.
    pub(super) fn append(&mut self, bytes: &[u8]) -> bool {
        self.0.append(bytes)
    }

    /// Bytes of memory that this slice keeps from other use: its whole block, or its allocation.
    pub fn pinned(&self) -> usize {
        self.0.pinned()
    }

    /// True for a slice of a receive block, the kind that runs out.
    pub fn is_leased(&self) -> bool {
        self.0
            .group()
            .is_some_and(|group| RECEIVED.contains(&group))
    }

    /// True for a slice of the reserve group, which has to go home in the same turn.
    pub fn is_reserve(&self) -> bool {
        self.0.group() == Some(Group::Reserve)
    }

    /// True if the socket that received it held half of its quota of blocks or more. Who sends slices
    /// of one source to many targets has to copy such a one: else slow targets could keep the source
    /// from receiving what is for the others.
    pub fn is_crowded(&self) -> bool {
        match &self.0.hold {
            Hold::Block { pool, block } => pool.is_crowded(*block),
            Hold::Owned(_) | Hold::Static => false,
        }
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
        if bytes.is_empty() {
            return Self::default();
        }
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

/// An exclusive region of a block, or of memory of its own.
pub struct BufMut(pub(super) Region);

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

    /// Notes how many blocks the socket that received it holds, this one included.
    pub(crate) fn note_leases(&self, leases: u16) {
        if let Hold::Block { pool, block } = &self.0.hold {
            pool.note_leases(*block, leases);
        }
    }

    /// Gives up the right to write, to share the bytes.
    #[inline]
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
