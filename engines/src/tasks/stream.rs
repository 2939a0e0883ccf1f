//! The task of a stream: connects, then receives and sends until it goes.

use super::{
    line::{End, Gone, Line},
    splice::splice,
};
use crate::{BufMut, Event, SlotKey, lessee::Park, outlet::Finish, sockaddr::RawAddr, socket};
use std::{future::poll_fn, io, pin::Pin, rc::Rc, task::Poll};

/// Receives before the other tasks go first.
pub(super) const RECEIVES_IN_TURN: u8 = 4;

/// Connects, if there is a target.
pub(super) async fn open(line: &Line) -> Result<(), Gone> {
    match line.take_rare(|rare| &mut rare.target) {
        Some(target) => connect(line, target).await,
        None => line.enter_poller(),
    }
}

/// A stream's life once it is open.
pub(super) fn until_either_ends(
    mut receiving: Pin<&mut impl Future<Output = Result<(), Gone>>>,
    mut sending: Pin<&mut impl Future<Output = Result<(), Gone>>>,
) -> impl Future<Output = Result<(), Gone>> {
    poll_fn(move |context| match receiving.as_mut().poll(context) {
        Poll::Ready(gone) => Poll::Ready(gone),
        Poll::Pending => sending.as_mut().poll(context),
    })
}

async fn connect(line: &Line, target: Box<RawAddr>) -> Result<(), Gone> {
    line.until(|_| true).await?;
    let started = line.with_fd(|fd| socket::connect(fd, &target));
    // Only now: the poller finds fault with a socket that does not even try.
    line.enter_poller()?;
    match started {
        Ok(true) => {}
        Ok(false) => {
            line.writable().await?;
            line.with_fd(socket::take_error)
                .or_else(|cause| line.fail(cause))?;
        }
        Err(cause) => return line.fail(cause),
    }
    let sock = line.sock;
    line.hub.tell(Event::Connected { sock });
    Ok(())
}

/// Ends with the socket only: a socket that leaves does so when its sends have left.
#[allow(clippy::manual_async_fn, reason = "keeps `line` once")]
pub(super) fn receive(line: &Rc<Line>) -> impl Future<Output = Result<(), Gone>> {
    async move {
        let mut receives = 0;
        loop {
            line.until(|line| line.wants() && line.end.get() != End::Told)
                .await?;
            if receives == RECEIVES_IN_TURN || line.hub.is_full() {
                receives = 0;
                line.give_way(true).await?;
            } else if deliver_stored(line) {
                // There may be more.
            } else if line.splices() {
                Box::pin(splice(line)).await?;
                receives += 1;
            } else {
                line.readable().await?;
                line.until(|line| line.parked().is_none() || !line.wants())
                    .await?;
                receives += u8::from(receive_once(line)?);
            }
        }
    }
}

/// Hands over what is known without a look at the socket; false when there was nothing.
fn deliver_stored(line: &Rc<Line>) -> bool {
    let unread = line.take_rare(|rare| &mut rare.unread);
    if !unread.is_empty() {
        hand_over(line, BufMut::from(unread));
    } else if line.end.get() == End::Seen {
        line.end.set(End::Told);
        tell_end(line);
    } else {
        return false;
    }
    true
}

/// Reads once, if that is still wanted and there is a block for it; false when there was none.
pub(super) fn receive_once(line: &Rc<Line>) -> Result<bool, Gone> {
    if !line.wants() {
        return Ok(false);
    }
    match try_lease(line) {
        Some(block) => read(line, block).map(|()| true),
        None => Ok(false),
    }
}

fn try_lease(line: &Rc<Line>) -> Option<BufMut> {
    if line.parked().is_some() {
        return None;
    }
    let (hub, owner) = (&line.hub, line.sock.to_bits());
    let mut counters = hub.counters.borrow_mut();
    let block =
        line.with_lessee(|lessee| lessee.lease(owner, &hub.blocks, hub.quota, &mut counters));
    if line.parked() == Some(Park::Blocks) {
        hub.starved.borrow_mut().push(line.clone());
    }
    block
}

/// Reads once into the block, and into more if what comes is bulk.
fn read(line: &Rc<Line>, block: BufMut) -> Result<(), Gone> {
    let (hub, owner) = (&line.hub, line.sock.to_bits());
    let mut bulk = hub.bulk.take();
    let (blocks, quota) = (&hub.blocks, hub.quota);
    line.with_lessee(|lessee| bulk.lease(block, lessee, owner, blocks, quota));
    let received = line.with_fd(|fd| bulk.receive(fd));
    if let Ok(bytes @ 1..) = received {
        // A block that was not filled is the last, as a rule.
        line.readable
            .set(bytes == bulk.room() || line.reads_stop_short.get());
        line.with_lessee(|lessee| lessee.note_size(bytes, bulk.first()));
        bulk.filled(bytes).for_each(|block| hand_over(line, block));
    }
    hub.bulk.replace(bulk);
    match received {
        Ok(0) => line.end.set(End::Seen),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => line.readable.set(false),
        Err(error) => return line.fail(error),
    }
    Ok(())
}

fn hand_over(line: &Rc<Line>, data: BufMut) {
    if line.relay().is_some() {
        return line.pass_on(data);
    }
    let sock = line.sock;
    line.hub.tell(Event::Received { sock, data });
}

fn tell_end(line: &Rc<Line>) {
    if line.relay().is_some() {
        return line.end_relay();
    }
    line.hub.tell(Event::Finished { sock: line.sock });
}

/// Ends when the socket leaves and nothing is left to send.
#[allow(clippy::manual_async_fn, reason = "keeps `line` once")]
pub(super) fn send(line: &Rc<Line>) -> impl Future<Output = Result<(), Gone>> {
    async move {
        loop {
            line.until(|line| {
                line.has_to_send() || line.is_leaving() && !line.outlet.borrow().awaits
            })
            .await?;
            if !line.outlet.borrow().is_empty() {
                line.writable().await?;
                write(line)?;
            } else if line.outlet.borrow().is_to_finish() {
                line.outlet.borrow_mut().finish = Finish::Done;
                // A connection that is gone already refuses: its next use will tell.
                let _ = line.with_fd(socket::finish);
                line.on_half_closed();
            } else {
                return Ok(());
            }
        }
    }
}

/// Writes once what is queued.
fn write(line: &Line) -> Result<(), Gone> {
    let sent = {
        let outlet = line.outlet.borrow();
        line.with_fd(|fd| outlet.send(fd))
    };
    match sent {
        Ok((bytes, _)) => on_sent(line, bytes),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => line.writable.set(false),
        Err(error) => return line.fail(error),
    }
    Ok(())
}

fn on_sent(line: &Line, bytes: usize) {
    let (own, relayed) = {
        let mut spares = line.hub.spares.borrow_mut();
        line.outlet.borrow_mut().advance(bytes, &mut spares)
    };
    if own > 0 {
        let (sock, bytes) = (line.sock, own);
        line.hub.tell(Event::Sent { sock, bytes });
    }
    if relayed > 0 {
        line.on_relayed(relayed);
    }
    if line.outlet.borrow().is_empty() {
        line.let_source_look();
    }
}
