//! Relaying bulk through a pipe: the bytes stay in the kernel.
//!
//! The source's task takes a pipe when there is something to read, fills it, empties it to the target,
//! and puts it back: an idle relay has none. It is filled only when it is empty, so what would block is
//! always the source.

use super::{
    line::{End, Gone, Line},
    relay::Relay,
    stream,
};
use crate::BufMut;
use std::rc::Rc;

/// Rounds through the pipe before the other tasks go first.
const ROUNDS_IN_TURN: u8 = 4;

/// Whether to go on with a relay.
enum Next {
    Again,
    Stop,
}

impl Line {
    /// As the source of a relay: it is bulk, and nothing stands against a pipe.
    pub(super) fn splices(&self) -> bool {
        self.end.get() == End::No && self.relay().is_some_and(|relay| relay.is_spliced())
    }
}

/// Moves bytes to the relay's target as long as that can be done through a pipe.
pub(super) async fn splice(line: &Rc<Line>) -> Result<(), Gone> {
    let Some(relay) = line.relay() else {
        return Ok(());
    };
    // What was copied leaves first.
    line.until(|line| relay.to.outlet.borrow().is_empty() || !line.wants())
        .await?;
    let mut rounds = 0;
    while line.wants() && line.splices() {
        let has_share = line.hub.pipes.borrow().has_share();
        if rounds == ROUNDS_IN_TURN || line.hub.is_full() || !has_share {
            line.give_way(rounds > 0).await?;
            rounds = 0;
            continue;
        }
        line.readable().await?;
        if line.wants() {
            if let Next::Stop = fill(line, &relay)? {
                return copy_once(line).await;
            }
            drain(line, &relay).await?;
            rounds += 1;
        }
    }
    Ok(())
}

/// Moves bytes through a block: for now there is no pipe. When there is one again it is used again.
async fn copy_once(line: &Rc<Line>) -> Result<(), Gone> {
    line.until(|line| line.parked().is_none() || !line.wants())
        .await?;
    stream::receive_once(line).map(|_| ())
}

/// Moves bytes from the source into a pipe; stops where that cannot be.
fn fill(line: &Rc<Line>, relay: &Relay) -> Result<Next, Gone> {
    let taken = {
        let mut counters = line.hub.counters.borrow_mut();
        line.hub.pipes.borrow_mut().take(&mut counters)
    };
    let Some(mut pipe) = taken else {
        return Ok(Next::Stop);
    };
    let room = relay.tally.borrow().room();
    let filled = line.with_fd(|fd| pipe.fill(fd, room));
    if let Ok(Some(bytes @ 1..)) = filled {
        relay.pipe.replace(Some(pipe));
        line.hub.pipes.borrow_mut().on_moved(bytes);
        let mut tally = relay.tally.borrow_mut();
        tally.take(bytes);
        if tally.has_all() {
            line.wanted.set(false);
        }
        return Ok(Next::Again);
    }
    line.hub.pipes.borrow_mut().put(pipe);
    match filled {
        Ok(Some(_)) => line.end.set(End::Seen),
        Ok(None) => line.readable.set(false),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => relay.copies.set(true),
        Err(error) => return line.fail(error),
    }
    Ok(Next::Again)
}

/// Moves the bytes in the pipe to the target, until none are left or the target is gone.
async fn drain(line: &Rc<Line>, relay: &Relay) -> Result<(), Gone> {
    while relay.held() > 0 {
        let to = &relay.to;
        line.until(|_| to.writable.get() || to.is_ending()).await?;
        if to.is_ending() {
            return Ok(());
        }
        let moved = match &mut *relay.pipe.borrow_mut() {
            Some(pipe) => to.with_fd(|fd| pipe.drain(fd)),
            None => Ok(0),
        };
        match moved {
            Ok(0) => to.writable.set(false),
            Ok(bytes) => to.on_relayed(bytes),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => copy_instead(line, relay),
            Err(error) => to.close(Some(error)),
        }
    }
    if let Some(pipe) = relay.pipe.take() {
        line.hub.pipes.borrow_mut().put(pipe);
    }
    Ok(())
}

/// Goes back to copying: the target cannot be spliced to.
fn copy_instead(line: &Rc<Line>, relay: &Relay) {
    relay.copies.set(true);
    if let Some(pipe) = relay.pipe.take() {
        let bytes = line.hub.pipes.borrow_mut().empty(pipe);
        line.queue_on_target(BufMut::from(bytes));
    }
}
