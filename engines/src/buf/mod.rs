//! Blocks of memory and the slices of them that travel through the proxy.
//!
//! A worker has one pool of blocks in five groups: small and large receive blocks, a reserve for
//! sockets that hold no lease, write blocks that many short messages share, and long blocks for
//! messages that are made here and are not short. A block's count of slices lives in the pool's table,
//! so a receive allocates nothing. A block whose last slice is dropped is *home*; the engine collects
//! it at its next `wait`.
//!
//! A slice is valid whatever else happens, and nobody writes bytes that a [`Buf`] shows: [`BufMut`] is
//! exclusive, and a write or long block is only appended to behind the slices already cut from it.

mod list;
mod pool;
mod slice;

pub use list::BufList;
pub use pool::Blocks;
pub(crate) use pool::Mapping;
pub use slice::{Buf, BufMut};

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
    /// Shared by messages that are not short.
    Long,
}

const GROUPS: [Group; 5] = [
    Group::Small,
    Group::Large,
    Group::Reserve,
    Group::Write,
    Group::Long,
];
/// The groups that receives are served from.
pub(crate) const RECEIVED: [Group; 3] = [Group::Small, Group::Large, Group::Reserve];
/// The groups that what is made here is written to.
const WRITTEN: [Group; 2] = [Group::Write, Group::Long];

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
    /// Bytes of a long block.
    pub long_bytes: u32,
    /// Long blocks.
    pub long_count: u16,
    /// Receive blocks that one socket may pin.
    pub socket_max: u16,
}

impl Default for BlockLimits {
    fn default() -> Self {
        Self {
            small_bytes: 4 << 10,
            small_count: 1024,
            large_bytes: 32 << 10,
            large_count: 512,
            reserve_count: 64,
            write_bytes: 16 << 10,
            write_count: 256,
            // 64 KiB, with what records of TLS add to that.
            long_bytes: 68 << 10,
            long_count: 64,
            socket_max: 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Blocks {
        Blocks::new(&BlockLimits {
            small_count: 2,
            write_count: 2,
            long_count: 2,
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
    fn room_is_in_a_block_if_it_fits_and_in_memory_of_its_own_else() {
        let blocks = pool();
        let (write, long) = (16 << 10, 68 << 10);
        for (len, pinned) in [
            (0, 0),
            (4 << 10, write),
            ((4 << 10) + 1, long),
            (64 << 10, long),
            (long, long),
            (long + 1, long + 1),
        ] {
            let room = blocks.room(len);
            assert_eq!(room.len(), len);
            assert_eq!(room.freeze().pinned(), pinned, "{len}");
        }
        assert_eq!((blocks.written(), blocks.leased()), (0, 0));
    }

    #[test]
    fn long_messages_share_a_block_and_fall_back_to_memory_of_their_own() {
        let blocks = pool();
        let parts = (0..24u8).map(|i| {
            let mut room = blocks.room(10 << 10);
            room.fill(i);
            room.freeze()
        });
        let parts: Vec<Buf> = parts.collect();
        assert!(
            parts
                .iter()
                .zip(0..)
                .all(|(part, i)| **part == [i; 10 << 10])
        );
        let in_blocks = parts.iter().filter(|part| part.pinned() == 68 << 10);
        assert_eq!(in_blocks.count(), 12, "two blocks hold six each");
        assert!(parts.iter().all(|part| !part.is_leased()));
        drop(parts);
        assert_eq!(
            (blocks.written(), blocks.room(5000).freeze().pinned()),
            (0, 68 << 10)
        );
    }

    #[test]
    fn a_list_settles_in_as_much_memory_as_it_has_bytes() {
        let blocks = pool();
        let mut list = BufList::default();
        for n in 0..10_000u32 {
            let mut block = blocks.lease(Group::Small, 1).unwrap();
            block[0] = n as u8;
            list.push(block.split_to(1).freeze());
            drop(block);
            list.settle();
            blocks.collect(|_, _| {});
        }
        let pinned: usize = list.iter().map(Buf::pinned).sum();
        assert!(pinned < 20_000 && list.iter().count() < 5, "{pinned}");
        assert!(
            (0..10_000u32)
                .zip(list.to_vec())
                .all(|(n, byte)| n as u8 == byte)
        );
        assert_eq!((list.len(), blocks.leased()), (10_000, 0));
    }

    #[test]
    fn a_list_gives_back_the_room_of_many_slices() {
        let ends: [fn(&mut BufList); 3] =
            [|list| while list.pop().is_some() {}, BufList::clear, |_| {}];
        for end in ends {
            let mut list = BufList::default();
            (0..5000).for_each(|_| list.push(Buf::from_static(b"a")));
            end(&mut list);
            list.settle();
            assert!(list.capacity() <= 64, "{}", list.capacity());
        }
    }

    #[test]
    fn neighbours_in_a_block_become_one_slice() {
        let blocks = pool();
        let mut list = BufList::default();
        (0..100).for_each(|_| list.push(blocks.write(b"ab")));
        assert_eq!((list.iter().count(), list.len()), (1, 200));
        list.clear();
        assert_eq!(blocks.written(), 0);
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
