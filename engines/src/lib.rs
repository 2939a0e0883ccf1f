//! The kernel seam: four engines behind one trait.
//!
//! An [`Engine`] owns sockets and receive blocks. Its methods only enqueue; every outcome, good or
//! bad, is an [`Event`] of a later [`Engine::wait`]. Nothing above this crate can tell which engine
//! runs. The small types that every event loop needs (timer wheel, slots, random source) live here
//! too, so that the proxy and the load tester share them.
#![deny(unsafe_op_in_unsafe_fn)]

mod buf;
mod bulk;
mod clock;
mod due;
mod engine;
mod epoll;
mod eventfd;
mod later;
mod lessee;
mod open;
mod outlet;
mod packet;
mod pipe;
mod rng;
mod sim;
mod slots;
mod sockaddr;
mod socket;
mod tally;
mod tasks;
mod timer;
mod uring;
mod waker;

pub use buf::{BlockLimits, Blocks, Buf, BufList, BufMut, Class};
pub use engine::{
    Carried, ConnectOptions, Datagram, Engine, EngineCounters, Event, Handle, Kind, ListenOptions,
    SockAddr, UnixTime,
};
pub use open::{EngineKind, EngineOptions, UnknownEngine, choose, open, open_listener};
pub use rng::Rng;
pub use sim::{Chance, Driver, EngineId, Faults, Party, SimEngine, SimNet};
pub use slots::{SlotKey, Slots};
pub use timer::Wheel;
pub use uring::uring_available;
pub use waker::{Wake, Waker};

slot_key! {
    /// Names one socket of one engine. It carries a generation: a closed name is never delivered
    /// again, and a call with a stale name is ignored.
    pub struct Sock;
}
