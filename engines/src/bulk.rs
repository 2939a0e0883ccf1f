//! Receiving bulk: one call fills several blocks.
//!
//! Each receive that takes bytes makes the kernel acknowledge them; few large ones cost less than many
//! small ones.

use crate::{Blocks, BufMut, lessee::Lessee, socket};
use std::{
    io::{self, IoSliceMut},
    os::fd::BorrowedFd,
};

/// Blocks that one receive of a bulk flow fills.
pub(crate) const BULK_BLOCKS_MAX: u16 = 8;

/// The blocks of the receive at hand; an engine has one, for its memory.
#[derive(Debug, Default)]
pub(crate) struct Bulk(Vec<BufMut>);

impl Bulk {
    /// Begins with a leased block, and leases more for a flow that is bulk.
    pub(crate) fn lease(
        &mut self,
        first: BufMut,
        lessee: &mut Lessee,
        owner: u64,
        blocks: &Blocks,
        quota: u16,
    ) {
        self.0.push(first);
        self.lease_more(lessee, owner, blocks, quota);
    }

    /// Leases blocks for a flow that is bulk; false if there is none now.
    pub(crate) fn lease_more(
        &mut self,
        lessee: &mut Lessee,
        owner: u64,
        blocks: &Blocks,
        quota: u16,
    ) -> bool {
        while self.0.len() < BULK_BLOCKS_MAX.into()
            && let Some(block) = lessee.lease_more(owner, blocks, quota)
        {
            self.0.push(block);
        }
        !self.0.is_empty()
    }

    /// Bytes that the first block could take.
    pub(crate) fn first(&self) -> usize {
        self.0.first().map_or(0, |block| block.len())
    }

    /// Bytes that all blocks could take.
    pub(crate) fn room(&self) -> usize {
        self.0.iter().map(|block| block.len()).sum()
    }

    /// Receives once; 0 is the peer's FIN. Without bytes the blocks go home.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let received = self.receive_into(fd);
        if !matches!(received, Ok(1..)) {
            self.0.clear();
        }
        received
    }

    fn receive_into(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        if let [only] = &mut self.0[..] {
            return socket::receive(fd, only);
        }
        let mut blocks = self.0.iter_mut();
        let mut parts: [IoSliceMut<'_>; BULK_BLOCKS_MAX as usize] = std::array::from_fn(|_| {
            IoSliceMut::new(blocks.next().map_or(&mut [], |block| &mut block[..]))
        });
        socket::receive_parts(fd, &mut parts)
    }

    /// The blocks that `bytes` have filled; the others go home.
    pub(crate) fn filled(&mut self, bytes: usize) -> impl Iterator<Item = BufMut> {
        let mut left = bytes;
        self.0.drain(..).map_while(move |mut block| {
            block.truncate(left);
            left -= block.len();
            (!block.is_empty()).then_some(block)
        })
    }
}
