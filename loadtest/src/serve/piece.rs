//! The next piece of an answer's body.

use super::{
    answer::Body,
    link::{COPIED_BYTES_MAX, Desk, Link},
    pattern,
};
use crate::grpc::{self, PREFIX_BYTES};
use codecs::{Codec, StreamId};
use std::ops::Range;

/// Sends what stands at the begin of `wanted` in the body, no more than that; how much it was. `end` says
/// whether the answer ends behind so many bytes.
pub(super) fn send_piece(
    link: &mut Link,
    desk: &mut Desk,
    codec: &mut dyn Codec,
    id: StreamId,
    body: Body,
    wanted: Range<u64>,
    end: impl Fn(u64) -> bool,
) -> u64 {
    let room = (wanted.end - wanted.start) as usize;
    let Body::Messages { each, .. } = body else {
        let data = pattern::slice(wanted.start, room);
        let len = data.len() as u64;
        link.send_body(desk, codec, id, data, end(len));
        return len;
    };
    let whole = each.saturating_add(PREFIX_BYTES as u64);
    let within = wanted.start % whole;
    match within.checked_sub(PREFIX_BYTES as u64) {
        Some(at) => {
            let data = pattern::slice(at, room.min((each - at) as usize));
            let len = data.len() as u64;
            link.send_body(desk, codec, id, data, false);
            len
        }
        None => {
            let prefix = grpc::prefix(u32::try_from(each).unwrap_or(u32::MAX));
            let rest = &prefix[within as usize..];
            send_begin(link, desk, codec, id, rest, each, room)
        }
    }
}

/// Sends what is left of a prefix, and the message with it if it is short.
fn send_begin(
    link: &mut Link,
    desk: &mut Desk,
    codec: &mut dyn Codec,
    id: StreamId,
    prefix: &[u8],
    each: u64,
    room: usize,
) -> u64 {
    let mut piece = [0; PREFIX_BYTES + COPIED_BYTES_MAX];
    let mut len = prefix.len().min(room);
    piece[..len].copy_from_slice(&prefix[..len]);
    if each <= COPIED_BYTES_MAX as u64 && prefix.len() + each as usize <= room {
        let data = pattern::slice(0, each as usize);
        piece[len..len + data.len()].copy_from_slice(&data);
        len += data.len();
    }
    link.copy_body(desk, codec, id, &piece[..len]);
    len as u64
}
