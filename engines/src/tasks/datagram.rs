//! The task of a UDP socket.

use super::line::{Gone, Line};
use crate::{Event, packet};
use std::io;

pub(super) async fn receive(line: &Line) -> Result<(), Gone> {
    line.enter_poller()?;
    loop {
        line.until(|line| line.is_leaving() || line.wants()).await?;
        if line.is_leaving() {
            return Ok(());
        }
        if line.hub.is_full() {
            line.give_way(true).await?;
            continue;
        }
        line.readable().await?;
        if line.wants() {
            take_one(line);
        }
    }
}

fn take_one(line: &Line) {
    let mut room = line.hub.datagram.borrow_mut();
    match line.with_fd(|fd| packet::receive(fd, &mut room)) {
        Ok(datagram) => {
            let sock = line.sock;
            line.hub.tell(Event::Datagram { sock, datagram });
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => line.readable.set(false),
        // An earlier datagram came back (ICMP): says nothing about the next.
        Err(_) => {}
    }
}
