//! A table of reusable slots whose keys carry a generation, so that a stale key finds nothing.

use std::marker::PhantomData;

/// A key of [`Slots`]: an index and the generation of what lived there when the key was made.
pub trait SlotKey: Copy + Eq {
    /// Makes the key from its parts.
    fn from_parts(index: u32, generation: u32) -> Self;
    /// The slot's index.
    fn index(self) -> u32;
    /// The slot's generation.
    fn generation(self) -> u32;
    /// The key as one number.
    fn to_bits(self) -> u64 {
        u64::from(self.generation()) << 32 | u64::from(self.index())
    }
    /// The key of which `bits` is the number.
    fn from_bits(bits: u64) -> Self {
        Self::from_parts(bits as u32, (bits >> 32) as u32)
    }
}

/// Defines a newtype that is a [`SlotKey`].
#[macro_export]
macro_rules! slot_key {
    ($(#[$doc:meta])* $vis:vis struct $name:ident;) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis struct $name {
            index: u32,
            generation: u32,
        }

        impl $crate::SlotKey for $name {
            fn from_parts(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }
            fn index(self) -> u32 {
                self.index
            }
            fn generation(self) -> u32 {
                self.generation
            }
        }
    };
}

/// Values by key; insertion, removal and look-up in constant time, slots reused last-out first-in.
#[derive(Debug)]
pub struct Slots<K, T> {
    items: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
    key: PhantomData<K>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<K, T> Default for Slots<K, T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            free: Vec::new(),
            len: 0,
            key: PhantomData,
        }
    }
}

impl<K: SlotKey, T> Slots<K, T> {
    /// How many values are held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when no value is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Holds `value` and names it.
    pub fn insert(&mut self, value: T) -> K {
        self.insert_with(|_| value)
    }

    /// Holds what `make` returns; `make` is told the key.
    pub fn insert_with(&mut self, make: impl FnOnce(K) -> T) -> K {
        self.len += 1;
        if let Some(index) = self.free.pop() {
            let slot = &mut self.items[index as usize];
            let key = K::from_parts(index, slot.generation);
            slot.value = Some(make(key));
            return key;
        }
        let index = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        let key = K::from_parts(index, 0);
        self.items.push(Slot {
            generation: 0,
            value: Some(make(key)),
        });
        key
    }

    /// Takes the value out; its key is stale from now on.
    pub fn remove(&mut self, key: K) -> Option<T> {
        let slot = self.items.get_mut(key.index() as usize)?;
        if slot.generation != key.generation() {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index());
        self.len -= 1;
        Some(value)
    }

    /// The value behind a live key.
    pub fn get(&self, key: K) -> Option<&T> {
        let slot = self.items.get(key.index() as usize)?;
        if slot.generation == key.generation() {
            slot.value.as_ref()
        } else {
            None
        }
    }

    /// The value behind a live key, to change.
    pub fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let slot = self.items.get_mut(key.index() as usize)?;
        if slot.generation == key.generation() {
            slot.value.as_mut()
        } else {
            None
        }
    }

    /// The live key of the slot at `index`.
    pub fn key_at(&self, index: u32) -> Option<K> {
        let slot = self.items.get(index as usize)?;
        let live = slot.value.is_some();
        live.then(|| K::from_parts(index, slot.generation))
    }

    /// How many slots there are, held or free.
    pub fn slots(&self) -> u32 {
        self.items.len() as u32
    }

    /// True while the key's value is held.
    pub fn contains(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// Keys and values in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.items.iter().zip(0u32..).filter_map(|(slot, index)| {
            slot.value
                .as_ref()
                .map(|value| (K::from_parts(index, slot.generation), value))
        })
    }

    /// The keys in the order of their slots, detached from the table.
    pub fn keys(&self) -> Vec<K> {
        self.iter().map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sock;

    #[test]
    fn a_removed_key_finds_nothing_after_its_slot_is_reused() {
        let mut slots = Slots::<Sock, &str>::default();
        let first = slots.insert("first");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!(second.index(), first.index());
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!((slots.get(second), slots.len()), (Some(&"second"), 1));
        assert_eq!(Sock::from_bits(second.to_bits()), second);
    }
}
