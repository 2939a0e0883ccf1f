//! Sessions that a server remembers by their number, for clients that take no tickets (RFC 5246 §7.4.1.3).

use crate::{Now, time::PassedTime};
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, StoresServerSessions};
use rustls::time_provider::TimeProvider;
use std::{fmt, sync::Arc, time::Duration};

/// Remembers `max` sessions for `session_time`; none at all if `max` is 0.
pub(crate) fn storage(max: usize, session_time: Duration) -> Arc<dyn StoresServerSessions> {
    if max == 0 {
        return Arc::new(NoServerSessionStorage {});
    }
    Arc::new(Sessions {
        cache: ServerSessionMemoryCache::new(max),
        session_time,
    })
}

/// Each with the second it began before it.
struct Sessions {
    cache: Arc<ServerSessionMemoryCache>,
    session_time: Duration,
}

impl Sessions {
    fn fresh(&self, stored: &[u8]) -> Option<Vec<u8>> {
        let (since, value) = stored.split_first_chunk()?;
        let age = now()?.saturating_sub(Duration::from_secs(u64::from_be_bytes(*since)));
        (age <= self.session_time).then(|| value.to_vec())
    }
}

fn now() -> Option<Now> {
    let time = PassedTime.current_time()?;
    Some(Now::from_secs(time.as_secs()))
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let Some(now) = now() else {
            return false;
        };
        let mut stored = now.as_secs().to_be_bytes().to_vec();
        stored.extend(value);
        self.cache.put(key, stored)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.fresh(&self.cache.get(key)?)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.fresh(&self.cache.take(key)?)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}
