//! The task of a listener, which backs off when descriptors or memory run out.

use super::{
    hub::Accepted,
    line::{Gone, Line},
};
use crate::{Event, lessee::Park, socket};
use std::{io, os::fd::AsFd, rc::Rc};

pub(super) async fn accept(line: &Rc<Line>) -> Result<(), Gone> {
    line.enter_poller()?;
    let local = line
        .with_fd(|fd| Ok(socket::fixed_local(fd)))
        .ok()
        .flatten();
    loop {
        line.until(|line| line.is_leaving() || line.wants() && line.parked().is_none())
            .await?;
        if line.is_leaving() {
            return Ok(());
        }
        if line.hub.is_full() {
            line.give_way(true).await?;
            continue;
        }
        line.readable().await?;
        if !line.wants() {
            continue;
        }
        match line.with_fd(|fd| socket::accept(fd, false)) {
            Ok((fd, peer)) => {
                let local = local.clone().or_else(|| socket::local(fd.as_fd()));
                let listener = line.sock;
                let accepted = local.map(|local| Accepted {
                    listener,
                    fd,
                    peer,
                    local,
                });
                line.hub.accepted.borrow_mut().extend(accepted);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => line.readable.set(false),
            Err(error) if socket::is_of_peer(&error) => {}
            Err(cause) => back_off(line, cause),
        }
    }
}

fn back_off(line: &Rc<Line>, cause: io::Error) {
    line.park(Park::Backoff);
    let now = line.hub.now();
    line.hub.backoffs.borrow_mut().push(now, line.clone());
    line.hub.count(|counters| counters.accept_failures += 1);
    let listener = line.sock;
    line.hub.tell(Event::AcceptFailed { listener, cause });
}
