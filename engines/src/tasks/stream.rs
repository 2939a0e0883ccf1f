//! The task of a stream: connects, then receives and sends until it goes.

use super::line::{End, Gone, Line};
use crate::{BufMut, Event, SlotKey, lessee::Park, outlet::Finish, sockaddr::RawAddr, socket};
use std::{future::poll_fn, io, pin::pin, rc::Rc, task::Poll};

/// Receives before the other tasks go first.
pub(super) const RECEIVES_IN_TURN: usize = 4;

/// A stream's life; `target` is where it is to connect first.
pub(super) async fn serve(line: &Rc<Line>, target: Option<Box<RawAddr>>) -> Result<(), Gone> {
    match target {
        Some(target) => connect(line, &target).await?,
        None => line.enter_poller()?,
    }
    let (mut receiving, mut sending) = (pin!(receive(line)), pin!(send(line)));
    poll_fn(|context| match receiving.as_mut().poll(context) {
        Poll::Ready(gone) => Poll::Ready(gone),
        Poll::Pending => sending.as_mut().poll(context),
    })
    .await
}

async fn connect(line: &Line, target: &RawAddr) -> Result<(), Gone> {
    line.until(|_| true).await?;
    let started = line.with_fd(|fd| socket::connect(fd, target));
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
async fn receive(line: &Rc<Line>) -> Result<(), Gone> {
    let mut receives = 0;
    loop {
        line.until(|line| line.wants() && line.end.get() != End::Told)
            .await?;
        if receives == RECEIVES_IN_TURN || line.hub.is_full() {
            receives = 0;
            line.give_way().await?;
            continue;
        }
        let unread = line.unread.take();
        if !unread.is_empty() {
            hand_over(line, BufMut::from(unread));
        } else if line.end.get() == End::Seen {
            line.end.set(End::Told);
            tell_end(line);
        } else {
            line.readable().await?;
            if let Some(block) = lease(line).await? {
                read(line, block)?;
                receives += 1;
            }
        }
    }
}

/// Parks until there is a block for the socket; none when receiving is not wanted any more.
async fn lease(line: &Rc<Line>) -> Result<Option<BufMut>, Gone> {
    loop {
        if !line.wants() {
            return Ok(None);
        }
        if let Some(block) = try_lease(line) {
            return Ok(Some(block));
        }
        line.until(|line| line.parked().is_none() || !line.wants())
            .await?;
    }
}

fn try_lease(line: &Rc<Line>) -> Option<BufMut> {
    if line.parked().is_some() {
        return None;
    }
    let (hub, owner) = (&line.hub, line.sock.to_bits());
    let mut lessee = line.lessee.borrow_mut();
    let mut counters = hub.counters.borrow_mut();
    let block = lessee.lease(owner, &hub.blocks, hub.quota, &mut counters);
    if lessee.parked == Some(Park::Blocks) {
        hub.starved.borrow_mut().push(line.clone());
    }
    block
}

/// Reads once into the block, and into more if what comes is bulk.
fn read(line: &Rc<Line>, block: BufMut) -> Result<(), Gone> {
    let (hub, owner) = (&line.hub, line.sock.to_bits());
    let mut bulk = hub.bulk.take();
    let (blocks, quota) = (&hub.blocks, hub.quota);
    bulk.lease(block, &mut line.lessee.borrow_mut(), owner, blocks, quota);
    let received = line.with_fd(|fd| bulk.receive(fd));
    if let Ok(bytes @ 1..) = received {
        line.lessee.borrow_mut().note_size(bytes, bulk.first());
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
    if line.relay.borrow().is_some() {
        return line.pass_on(data);
    }
    let sock = line.sock;
    line.hub.tell(Event::Received { sock, data });
}

fn tell_end(line: &Rc<Line>) {
    if line.relay.borrow().is_some() {
        return line.end_relay();
    }
    line.hub.tell(Event::Finished { sock: line.sock });
}

/// Ends when the socket leaves and nothing is left to send.
async fn send(line: &Rc<Line>) -> Result<(), Gone> {
    loop {
        line.until(|line| line.has_to_send() || line.is_leaving())
            .await?;
        if !line.outlet.borrow().queue.is_empty() {
            line.writable().await?;
            write(line)?;
        } else if line.outlet.borrow().finish == Finish::Asked {
            line.outlet.borrow_mut().finish = Finish::Done;
            // A connection that is gone already refuses: its next use will tell.
            let _ = line.with_fd(socket::finish);
            line.on_half_closed();
        } else {
            return Ok(());
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
    let (own, relayed) = line.outlet.borrow_mut().advance(bytes);
    if own > 0 {
        let (sock, bytes) = (line.sock, own);
        line.hub.tell(Event::Sent { sock, bytes });
    }
    if relayed > 0 {
        line.on_relayed(relayed);
    }
}
