//! The waker's place in the ring: the bell is polled for as long as the engine lives.

use super::{Uring, entry::Op};
use crate::Event;
use io_uring::{cqueue, opcode, types::Fd};
use std::os::fd::{AsFd, AsRawFd};

const WAKE: u64 = (Op::Wake as u64) << 56;

impl Uring {
    pub(super) fn arm_doorbell(&mut self) {
        let fd = Fd(self.bell.as_fd().as_raw_fd());
        let operation = opcode::PollAdd::new(fd, libc::POLLIN as u32)
            .multi(true)
            .build();
        // SAFETY: the operation names no memory.
        unsafe { self.ring.push(operation.user_data(WAKE)) };
    }

    pub(super) fn on_rung(&mut self, completion: &cqueue::Entry, events: &mut Vec<Event>) {
        if self.bell.silence() {
            events.push(Event::Woken);
        }
        if !cqueue::more(completion.flags()) {
            self.arm_doorbell();
        }
    }
}
