//! Circuit breakers: process-wide limits of a cluster, drawn by workers in batches so that a request
//! seldom touches a line that other cores write.
//!
//! The credits that workers hold plus those in use never exceed the limit.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// `envoy.config.cluster.v3.CircuitBreakers.Thresholds`; the defaults are Envoy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// `max_connections`.
    pub connections: u64,
    /// `max_pending_requests`: requests that wait for a connection.
    pub pending: u64,
    /// `max_requests`: requests under way.
    pub requests: u64,
    /// `max_retries`: retries under way.
    pub retries: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            connections: 1024,
            pending: 1024,
            requests: 1024,
            retries: 3,
        }
    }
}

/// The limits that all workers draw from.
#[derive(Debug)]
pub struct SharedBreakers {
    pools: [Pool; 4],
}

#[derive(Debug)]
struct Pool {
    limit: u64,
    batch: u64,
    drawn: AtomicU64,
}

impl SharedBreakers {
    /// Limits for so many workers.
    pub fn new(limits: Thresholds, workers: usize) -> Arc<Self> {
        let limits = [
            limits.connections,
            limits.pending,
            limits.requests,
            limits.retries,
        ];
        let pools = limits.map(|limit| Pool {
            limit,
            batch: (limit / (8 * workers.max(1) as u64)).max(1),
            drawn: AtomicU64::new(0),
        });
        Arc::new(Self { pools })
    }
}

/// One worker's credits.
#[derive(Debug)]
pub struct Breakers {
    shared: Arc<SharedBreakers>,
    credits: [Credits; 4],
}

#[derive(Clone, Copy, Debug, Default)]
struct Credits {
    free: u64,
    used: u64,
}

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// `max_connections`.
    Connections,
    /// `max_pending_requests`.
    Pending,
    /// `max_requests`.
    Requests,
    /// `max_retries`.
    Retries,
}

impl Breakers {
    /// A worker without credits.
    pub fn new(shared: Arc<SharedBreakers>) -> Self {
        Self {
            shared,
            credits: [Credits::default(); 4],
        }
    }

    /// Takes one; false when the limit is reached.
    #[must_use]
    pub fn acquire(&mut self, breaker: Breaker) -> bool {
        let (credits, pool) = (
            &mut self.credits[breaker as usize],
            &self.shared.pools[breaker as usize],
        );
        if credits.free == 0 {
            credits.free = pool.draw();
        }
        let granted = credits.free > 0;
        if granted {
            credits.free -= 1;
            credits.used += 1;
        }
        granted
    }

    /// Gives one back.
    pub fn release(&mut self, breaker: Breaker) {
        let (credits, pool) = (
            &mut self.credits[breaker as usize],
            &self.shared.pools[breaker as usize],
        );
        debug_assert!(credits.used > 0, "{breaker:?} released more than acquired");
        credits.used = credits.used.saturating_sub(1);
        credits.free += 1;
        // Where a batch is one credit, a worker that kept it would make the limit smaller for others.
        let is_dear = pool.batch == 1 || (credits.used == 0 && pool.is_scarce());
        let kept = if is_dear { 0 } else { pool.batch };
        if credits.free > 2 * kept {
            let back = credits.free - kept;
            credits.free = kept;
            pool.drawn.fetch_sub(back, Ordering::Relaxed);
        }
    }

    /// How many this worker uses.
    pub fn used(&self, breaker: Breaker) -> u64 {
        self.credits[breaker as usize].used
    }
}

impl Drop for Breakers {
    fn drop(&mut self) {
        for (credits, pool) in self.credits.iter().zip(&self.shared.pools) {
            pool.drawn
                .fetch_sub(credits.free + credits.used, Ordering::Relaxed);
        }
    }
}

impl Pool {
    fn draw(&self) -> u64 {
        let take = |drawn: u64| Some(drawn + self.batch.min(self.limit.saturating_sub(drawn)));
        let before = self
            .drawn
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        self.batch
            .min(self.limit.saturating_sub(before.unwrap_or(self.limit)))
    }

    /// Other workers may soon be refused.
    fn is_scarce(&self) -> bool {
        self.drawn.load(Ordering::Relaxed) + self.batch > self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_together_never_exceed_a_limit_and_idle_credits_return() {
        let limits = Thresholds {
            requests: 10,
            ..Thresholds::default()
        };
        let shared = SharedBreakers::new(limits, 2);
        let mut workers = [Breakers::new(shared.clone()), Breakers::new(shared)];
        let mut granted = 0;
        for turn in 0..20 {
            granted += u64::from(workers[turn % 2].acquire(Breaker::Requests));
        }
        assert_eq!(granted, 10);
        while workers[0].used(Breaker::Requests) > 0 {
            workers[0].release(Breaker::Requests);
        }
        let other = &mut workers[1];
        while other.acquire(Breaker::Requests) {}
        assert_eq!(other.used(Breaker::Requests), 10);
    }

    #[test]
    fn a_small_limit_is_all_there_for_one_worker_however_many_have_used_it() {
        let limits = Thresholds {
            retries: 3,
            ..Thresholds::default()
        };
        let shared = SharedBreakers::new(limits, 4);
        let mut workers: Vec<_> = (0..4).map(|_| Breakers::new(shared.clone())).collect();
        for worker in &mut workers {
            assert!(worker.acquire(Breaker::Retries) && worker.acquire(Breaker::Retries));
            worker.release(Breaker::Retries);
            worker.release(Breaker::Retries);
        }
        let granted = (0..9).filter(|_| workers[3].acquire(Breaker::Retries));
        assert_eq!(granted.count(), 3);
    }

    #[test]
    fn a_limit_of_zero_grants_nothing() {
        let shared = SharedBreakers::new(
            Thresholds {
                retries: 0,
                ..Thresholds::default()
            },
            4,
        );
        assert!(!Breakers::new(shared).acquire(Breaker::Retries));
    }
}
