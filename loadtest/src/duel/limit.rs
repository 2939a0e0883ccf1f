//! What held a round up, and what a proxy can do.

use super::{
    figure::Figure,
    report::{Round, Row},
    statistics::spread,
};
use crate::{outcome::BUSY, workload::Workload};
use serde::Serialize;

/// Why a round went no faster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// The proxy had no CPU time left: its rates are what it can do.
    Proxy,
    /// Generator or endpoint had none left while the proxy had.
    Load,
    /// Nobody was out of CPU time though the load asked for all that comes: it has too few connections,
    /// or the machine stood in the way.
    Other,
    /// More was not asked for.
    #[default]
    Rate,
}

impl Limit {
    /// Of a round in which proxy and load used these shares of their CPUs, in percent.
    pub(super) fn of(workload: &Workload, proxy: f64, load: f64) -> Self {
        let takes_all = !workload.arrivals.is_open() && workload.read_rate.is_none();
        let is_busy = |percent: f64| percent > 100.0 * BUSY;
        match takes_all {
            _ if is_busy(proxy) => Self::Proxy,
            _ if is_busy(load) => Self::Load,
            true => Self::Other,
            false => Self::Rate,
        }
    }

    /// What is said of `count` such rounds of `all`; nothing where rates are the proxy's own or asked.
    pub(super) fn remark(self, count: usize, all: usize) -> Option<String> {
        let why = match self {
            Self::Proxy | Self::Rate => return None,
            Self::Load => "the load, not the proxy, was the limit",
            Self::Other => {
                "the proxy was not at its limit: the load, its connections or the machine was,"
            }
        };
        let says =
            || format!("{why} in {count} of {all} rounds; such rates are not what it can do");
        (count > 0).then(says)
    }
}

/// What the rate of an open load is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Base {
    /// The best rival's in a closed loop before; the best of all without rivals.
    pub requests_per_second: f64,
    /// It could do no more.
    pub is_at_limit: bool,
}

/// The base that these rows of a closed loop give; none if none has a rate.
pub(super) fn base(rows: &[Row]) -> Option<Base> {
    let best = |is_wanted: fn(&Row) -> bool| {
        let bases = rows.iter().filter(|row| is_wanted(row)).filter_map(reached);
        bases.max_by(|a, b| f64::total_cmp(&a.requests_per_second, &b.requests_per_second))
    };
    best(|row| row.is_rival).or_else(|| best(|_| true))
}

/// The median of the rounds at the limit; of all rounds if there are none.
fn reached(row: &Row) -> Option<Base> {
    let median = |is_wanted: fn(&Round) -> bool| {
        let rounds = row.rounds.iter().filter(|round| is_wanted(round));
        let rates = rounds.filter_map(|round| round.figures.get(&Figure::RequestsPerSecond));
        let rate = spread(&rates.copied().collect::<Vec<f64>>())?.median;
        (rate > 0.0).then_some(rate)
    };
    let at_limit = median(|round| round.limit == Limit::Proxy);
    Some(Base {
        requests_per_second: at_limit.or_else(|| median(|_| true))?,
        is_at_limit: at_limit.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Arrivals;
    use std::collections::BTreeMap;

    #[test]
    fn whoever_has_no_time_left_is_the_limit() {
        let closed = Workload::default();
        let open = Workload {
            arrivals: Arrivals::Constant(10.0),
            ..Workload::default()
        };
        let slow = Workload {
            read_rate: Some(10),
            ..Workload::default()
        };
        for (workload, proxy, load, want) in [
            (&closed, 99.0, 99.0, Limit::Proxy),
            (&closed, 80.0, 99.0, Limit::Load),
            (&closed, 80.0, 85.0, Limit::Other),
            (&open, 80.0, 85.0, Limit::Rate),
            (&slow, 80.0, 85.0, Limit::Rate),
            (&open, 80.0, 99.0, Limit::Load),
        ] {
            let found = Limit::of(workload, proxy, load);
            assert_eq!(found, want, "{proxy} {load}");
        }
    }

    fn row(is_rival: bool, rounds: &[(f64, Limit)]) -> Row {
        let round = |(rate, limit): &(f64, Limit)| Round {
            figures: BTreeMap::from([(Figure::RequestsPerSecond, *rate)]),
            limit: *limit,
            ..Round::default()
        };
        Row {
            label: String::new(),
            is_rival,
            rounds: rounds.iter().map(round).collect(),
            failure: None,
        }
    }

    #[test]
    fn the_base_is_the_best_rival_at_its_limit() {
        let base_of = |rows: &[Row]| base(rows).map(|b| (b.requests_per_second, b.is_at_limit));
        let (proxy, other) = (Limit::Proxy, Limit::Other);
        let own = row(false, &[(900.0, proxy)]);
        let mixed = row(
            true,
            &[(10.0, other), (50.0, proxy), (70.0, proxy), (5.0, other)],
        );
        let never = row(true, &[(40.0, other), (100.0, other), (80.0, other)]);
        let nothing = row(true, &[(0.0, other)]);
        let rows = [own, mixed, never, nothing];
        assert_eq!(base_of(&rows[..2]), Some((60.0, true)));
        assert_eq!(base_of(&rows[..3]), Some((80.0, false)));
        assert_eq!(base_of(&rows[..1]), Some((900.0, true)));
        assert_eq!(base_of(&rows[3..]), None);
    }
}
