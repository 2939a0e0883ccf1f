//! How a peer deals with windows and settings: every way that is allowed, by seed.

use super::{frame::Settings, peer::Peer};
use engines::Rng;
use std::time::Duration;

/// When what was received is given back to the windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Give {
    AtOnce,
    /// So many bytes at a time.
    Dribs(i64),
    /// By halves of the window.
    Halves,
    /// All of it, after a while.
    Late,
    /// Only to the connection's window, never to a stream's.
    Never,
}

/// What a peer is like on one connection.
#[derive(Debug)]
pub(super) struct Manners {
    pub(super) give: Give,
    /// The next time for what is given later; armed.
    pub(super) is_armed: bool,
    /// Settings that are told in the middle of it.
    pub(super) later: Option<(Duration, Settings)>,
}

impl Manners {
    /// `is_fair`: windows are neither tiny nor kept.
    pub(super) fn new(is_fair: bool, is_server: bool, rng: &mut Rng) -> (Self, Settings) {
        let mut first = some_settings(is_server, rng);
        let mut later = rng.chance(1, 3).then(|| {
            let after = Duration::from_micros(rng.below(200_000));
            (after, some_settings(is_server, rng))
        });
        if rng.chance(1, 10) {
            // Shut at first, but for a byte.
            let after = Duration::from_micros(rng.below(50_000));
            later = Some((after, first.clone()));
            first.window = i64::from(rng.chance(1, 2));
        }
        if let Some((_, later)) = &mut later {
            later.connect = first.connect;
            // A smaller one would be an error (RFC 9113 §6.5.2 sets the least, no peer lowers it).
            later.frame = first.frame.max(later.frame);
        }
        let give = match rng.below(8) {
            1 if !is_fair => Give::Dribs(rng.between(1, 3) as i64),
            0 | 1 => Give::Dribs(rng.between(1024, 8000) as i64),
            2 | 3 => Give::Late,
            4 | 5 => Give::Halves,
            _ => Give::AtOnce,
        };
        // One byte after the other, as fast as it can, is what the guard is for.
        let give = match first.window {
            1 if is_fair => Give::Late,
            _ => give,
        };
        let manners = Self {
            give,
            is_armed: false,
            later,
        };
        (manners, first)
    }

    /// Gives back so little at a time that it may be told to calm down.
    pub(super) fn is_petty(&self) -> bool {
        matches!(self.give, Give::Dribs(..1024))
    }

    /// Gives back what is to be given back now; returns when to `give_later`, if that has to be set.
    pub(super) fn give_now(&mut self, peer: &mut Peer, rng: &mut Rng) -> Option<Duration> {
        let half = peer.ours.window / 2;
        match self.give {
            Give::AtOnce => give(peer, i64::MAX, i64::MAX, 1),
            Give::Halves => give(peer, i64::MAX, i64::MAX, half.max(1)),
            Give::Never => give(peer, i64::MAX, 0, 1),
            Give::Dribs(_) | Give::Late => {
                let owes = peer.owed > 0 || peer.streams.values().any(|s| s.owed > 0);
                if owes && !self.is_armed {
                    self.is_armed = true;
                    return Some(Duration::from_micros(rng.between(1, 20_000)));
                }
            }
        }
        None
    }

    pub(super) fn give_later(&mut self, peer: &mut Peer, rng: &mut Rng) -> Option<Duration> {
        self.is_armed = false;
        match self.give {
            Give::Dribs(bytes) => give(peer, bytes * 4, bytes, 1),
            Give::Late | Give::AtOnce | Give::Halves => give(peer, i64::MAX, i64::MAX, 1),
            Give::Never => {}
        }
        self.give_now(peer, rng)
    }
}

/// `least`: less is not given. A connection's window is 65 535 bytes at first, and a half of it enough.
fn give(peer: &mut Peer, conn: i64, stream: i64, least: i64) {
    if peer.owed >= least.min(30_000) {
        peer.give_conn(conn);
    }
    let due: Vec<u32> = peer
        .streams
        .iter()
        .filter(|(_, s)| s.owed >= least && s.owed > 0)
        .map(|(id, _)| *id)
        .collect();
    due.iter().for_each(|id| peer.give(*id, stream));
}

fn some_settings(is_server: bool, rng: &mut Rng) -> Settings {
    let mut settings = Settings::default();
    settings.window = match rng.below(5) {
        0 => rng.between(2048, 8000) as i64,
        1 => 16_384,
        2 => 1 << 20,
        _ => settings.window,
    };
    settings.table = [0, 64, 4096, 4096, 10_000][rng.index(5)];
    settings.frame = [16_384, 16_384, 20_000, 1 << 20][rng.index(4)];
    if is_server {
        settings.streams = [1, 2, 3, 100, usize::MAX >> 32][rng.index(5)];
        settings.connect = true;
    } else {
        settings.push = false;
    }
    settings
}
