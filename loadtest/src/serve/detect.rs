//! Which protocol a connection speaks.

use super::link::Desk;
use codecs::{Codec, Detected, PROTOCOLS};

/// The connection's codec, found by its first bytes; none if they do not tell yet. What is of no
/// protocol is left to the last one to refuse.
pub(super) fn detect<'a>(
    codec: &'a mut Option<Box<dyn Codec>>,
    input: &[u8],
    desk: &Desk,
) -> Option<&'a mut Box<dyn Codec>> {
    if codec.is_none() {
        let asked = PROTOCOLS
            .iter()
            .map(|known| (known, known.detect(input)))
            .find(|(_, detected)| *detected != Detected::No);
        let found = match asked {
            Some((found, Detected::Yes)) => found,
            Some((_, Detected::NeedMore | Detected::No)) => return None,
            None => PROTOCOLS.last()?,
        };
        *codec = Some(found.server(&desk.limits));
    }
    codec.as_mut()
}
