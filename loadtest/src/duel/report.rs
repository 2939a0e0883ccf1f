//! What a comparison found.

use super::{
    figure::Figure,
    limit::{Base, Limit},
    scenario::Scenario,
    statistics::{Spread, ratio, spread},
};
use crate::{
    outcome::Failure,
    report::{Machine, unit},
    workload::Sessions,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The whole.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this program.
    pub version: String,
    /// Where it was measured.
    pub machine: Machine,
    /// The proxy's CPU, and those of generator and endpoint.
    pub proxy_cpu: usize,
    /// The endpoint has the last; with one alone they share it.
    pub load_cpus: Vec<usize>,
    /// What the generator's threads run on.
    pub engine: String,
    /// Least and greatest load average seen at the start of a round.
    pub load_average: Option<(f64, f64)>,
    /// Who took part.
    pub peers: Vec<About>,
    /// Sentences that a reader must not miss.
    pub notes: Vec<String>,
    /// In the order in which they were measured. JSON has more of each.
    #[serde(skip_serializing)]
    pub comparisons: Vec<Comparison>,
    /// It was ended before its time.
    pub is_cut: bool,
}

/// A proxy that took part.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Its name in the report.
    pub label: String,
    /// What the binary says of itself.
    pub version: String,
    /// It is one of those that the others are measured against.
    pub is_rival: bool,
}

/// All proxies under one load.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The load.
    pub scenario: Scenario,
    /// What the rate that was asked for is a share of, where that was found out first.
    pub base: Option<Base>,
    /// In the order of the peers.
    pub rows: Vec<Row>,
}

/// One proxy under one load.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Whose.
    pub label: String,
    /// It is one of those that the others are measured against.
    pub is_rival: bool,
    /// What was measured.
    pub rounds: Vec<Round>,
    /// Why it was not measured, or no further.
    pub failure: Option<String>,
}

/// What was measured once.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Round {
    /// Figures by name.
    pub figures: BTreeMap<Figure, f64>,
    /// Failed requests by class.
    pub errors: BTreeMap<Failure, u64>,
    /// Right answers.
    pub answers: u64,
    /// Why it went no faster.
    pub limit: Limit,
    /// It was ended before its time.
    pub is_cut: bool,
}

impl Row {
    /// A figure over all rounds.
    pub fn spread(&self, figure: Figure) -> Option<Spread> {
        let values = self
            .rounds
            .iter()
            .filter_map(|round| round.figures.get(&figure).copied());
        spread(&values.collect::<Vec<f64>>())
    }

    /// What a reader has to know of it, and of these figures of it.
    fn remarks(&self, figures: &[Figure]) -> Vec<String> {
        let mut remarks: Vec<String> = self.failure.iter().map(|why| one_line(why)).collect();
        let rounds = self.rounds.len();
        let count = |holds: &dyn Fn(&Round) -> bool| {
            let found = self.rounds.iter().filter(|round| holds(round));
            found.count()
        };
        let limits = [Limit::Load, Limit::Other].into_iter();
        remarks.extend(
            limits.filter_map(|limit| limit.remark(count(&|round| round.limit == limit), rounds)),
        );
        let is_answered =
            |figure: &Figure| matches!(figure, Figure::CpuPerRequest | Figure::CpuPerConnection);
        let silent = count(&|round| round.answers == 0);
        if silent > 0 && figures.iter().any(is_answered) {
            remarks.push(format!(
                "nothing was answered in {silent} of {rounds} rounds"
            ));
        }
        for figure in figures {
            let is_none = |round: &Round| !round.figures.get(figure).is_some_and(|f| *f > 0.0);
            let (without, title) = (count(&is_none), figure.title());
            if without > 0 {
                remarks.push(format!(
                    "{title}: no figure above 0 in {without} of {rounds} rounds"
                ));
            }
        }
        let mut errors = BTreeMap::new();
        for (class, count) in self.rounds.iter().flat_map(|round| &round.errors) {
            *errors.entry(*class).or_insert(0) += count;
        }
        let told: Vec<String> = errors
            .iter()
            .map(|(class, count)| format!("{count} {class:?}"))
            .collect();
        if !told.is_empty() {
            remarks.push(format!("failed: {}", told.join(", ").to_lowercase()));
        }
        remarks
    }
}

/// Without line breaks and without a full stop, which sentences around it bring along.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").trim_end_matches('.').to_owned()
}

impl Comparison {
    /// The best median of the rivals; what is not positive is no figure to be compared with.
    pub fn best_rival(&self, figure: Figure) -> Option<f64> {
        let rivals = self.rows.iter().filter(|row| row.is_rival);
        let medians = rivals.filter_map(|row| Some(row.spread(figure)?.median));
        let medians = medians.filter(|median| *median > 0.0);
        match figure.is_more_better() {
            true => medians.max_by(f64::total_cmp),
            false => medians.min_by(f64::total_cmp),
        }
    }

    /// A row's median as a share of the best rival's.
    pub fn ratio(&self, row: &Row, figure: Figure) -> Option<f64> {
        ratio(row.spread(figure)?.median, self.best_rival(figure)?)
    }

    /// Which rate was asked for and why, in a sentence; none where the scenario says it itself.
    pub fn about(&self) -> Option<String> {
        let base = self.base?;
        let rate = unit::number(base.requests_per_second * self.scenario.share);
        let share = 100.0 * self.scenario.share;
        let warning = match base.is_at_limit {
            true => "",
            false => " It was not at its limit then and can do more.",
        };
        Some(format!(
            "{rate} requests/s were asked for, {share:.0} % of what the best rival reached.{warning}"
        ))
    }

    /// That handshakes were not those that were to be measured.
    fn handshake_remark(&self, row: &Row) -> Option<String> {
        let (wanted, kind) = match self.scenario.workload.sessions {
            Sessions::Full => (0.0, "full"),
            Sessions::Resumed => (100.0, "resumed"),
        };
        let shares = row
            .rounds
            .iter()
            .map(|round| round.figures.get(&Figure::Resumed));
        // The first of a round have nothing to resume.
        let is_other = |share: &f64| (share - wanted).abs() > 1.0;
        let count = shares.flatten().filter(|share| is_other(share)).count();
        let rounds = row.rounds.len();
        (count > 0).then(|| format!("not all handshakes were {kind} in {count} of {rounds} rounds"))
    }

    /// What a reader has to know, in sentences that begin with a proxy's label.
    pub fn remarks(&self) -> Vec<String> {
        let figures = self.scenario.headlines();
        let told = self.rows.iter().flat_map(|row| {
            let remarks = row.remarks(figures).into_iter();
            let remarks = remarks.chain(self.handshake_remark(row));
            remarks.map(|remark| format!("{}: {remark}.", row.label))
        });
        told.collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A comparison with these medians of the first figure; `None` failed.
    pub(in crate::duel) fn comparison(
        name: &str,
        rows: &[(&str, bool, Option<f64>)],
    ) -> Comparison {
        let scenario = Scenario::find(name).unwrap();
        let figure = scenario.figures()[0];
        let row = |(label, is_rival, value): &(&str, bool, Option<f64>)| Row {
            label: (*label).to_owned(),
            is_rival: *is_rival,
            rounds: value.map_or_else(Vec::new, |value| {
                let round = |value| Round {
                    figures: BTreeMap::from([(figure, value)]),
                    answers: 1,
                    ..Round::default()
                };
                vec![round(value * 0.9), round(value), round(value * 1.2)]
            }),
            failure: value.is_none().then(|| "did\nnot start".to_owned()),
        };
        Comparison {
            scenario,
            base: None,
            rows: rows.iter().map(row).collect(),
        }
    }

    pub(in crate::duel) fn report(comparisons: Vec<Comparison>) -> Report {
        let about = |row: &Row| About {
            label: row.label.clone(),
            version: "1.2".to_owned(),
            is_rival: row.is_rival,
        };
        Report {
            version: "0.1".to_owned(),
            machine: Machine::of("6.1", "model name : Some CPU\nprocessor : 0\n"),
            proxy_cpu: 0,
            load_cpus: vec![1],
            engine: "uring".to_owned(),
            load_average: Some((0.5, 1.25)),
            peers: comparisons[0].rows.iter().map(about).collect(),
            notes: vec!["envoy is not installed".to_owned()],
            comparisons,
            is_cut: false,
        }
    }

    #[test]
    fn rows_are_measured_against_the_best_rival() {
        let all = [
            ("a", false, Some(10.0)),
            ("b", true, Some(25.0)),
            ("c", true, Some(20.0)),
            ("d", true, None),
        ];
        let small = comparison("h1-small", &all);
        let figure = small.scenario.figures()[0];
        let ratios: Vec<_> = small
            .rows
            .iter()
            .map(|row| small.ratio(row, figure))
            .collect();
        assert_eq!(ratios, [Some(0.5), Some(1.25), Some(1.0), None]);
        let spread = small.rows[0].spread(figure).unwrap();
        assert_eq!((spread.low, spread.median, spread.high), (9.0, 10.0, 12.0));
        assert_eq!(small.remarks(), ["d: did not start."]);
        let alone = comparison("h1-small", &all[..1]);
        assert_eq!(alone.ratio(&alone.rows[0], figure), None);
    }

    #[test]
    fn what_limited_a_row_and_what_failed_is_told() {
        let mut small = comparison("h1-small", &[("a", true, Some(1.0))]);
        let row = &mut small.rows[0];
        row.rounds[0].limit = Limit::Load;
        row.rounds[1].limit = Limit::Other;
        row.rounds[2].figures.clear();
        row.rounds[2].answers = 0;
        row.rounds[1].errors = BTreeMap::from([(Failure::Timeout, 3)]);
        row.rounds[2].errors = BTreeMap::from([(Failure::Timeout, 4), (Failure::Body, 1)]);
        let want = [
            "a: the load, not the proxy, was the limit in 1 of 3 rounds; such rates are not what it can do.",
            "a: the proxy was not at its limit: the load, its connections or the machine was, in 1 of 3 \
             rounds; such rates are not what it can do.",
            "a: nothing was answered in 1 of 3 rounds.",
            "a: CPU µs a request: no figure above 0 in 1 of 3 rounds.",
            "a: failed: 1 body, 7 timeout.",
        ];
        assert_eq!(small.remarks(), want);
    }

    #[test]
    fn handshakes_that_were_others_than_meant_are_told() {
        for (name, resumed, told) in [
            ("tls-handshake", 0.0, None),
            (
                "tls-handshake",
                40.0,
                Some("a: not all handshakes were full in 1 of 3 rounds."),
            ),
            ("tls-resumed", 99.9, None),
            (
                "tls-resumed",
                0.0,
                Some("a: not all handshakes were resumed in 1 of 3 rounds."),
            ),
        ] {
            let mut all = comparison(name, &[("a", true, Some(1.0))]);
            all.rows[0].rounds[1]
                .figures
                .insert(Figure::Resumed, resumed);
            let remarks = all.remarks();
            let found = remarks.iter().find(|remark| remark.contains("handshakes"));
            assert_eq!(found.map(String::as_str), told, "{name}");
        }
    }

    #[test]
    fn what_is_not_positive_is_never_the_best() {
        let all = [
            ("a", false, Some(30.0)),
            ("b", true, Some(-5.0)),
            ("c", true, Some(20.0)),
        ];
        let idle = comparison("idle-10k", &all);
        let figure = idle.scenario.figures()[0];
        let ratios: Vec<_> = idle
            .rows
            .iter()
            .map(|row| idle.ratio(row, figure))
            .collect();
        assert_eq!(ratios, [Some(1.5), None, Some(1.0)]);
        let want = "b: bytes a connection: no figure above 0 in 3 of 3 rounds.";
        assert!(idle.remarks().contains(&want.to_owned()));
    }

    #[test]
    fn a_base_below_the_limit_is_told() {
        let mut latency = comparison("latency", &[("a", true, Some(1.0))]);
        assert_eq!(latency.about(), None);
        latency.base = Some(Base {
            requests_per_second: 1000.0,
            is_at_limit: true,
        });
        let says = "700 requests/s were asked for, 70 % of what the best rival reached.";
        assert_eq!(latency.about().as_deref(), Some(says));
        latency.base = latency.base.map(|base| Base {
            is_at_limit: false,
            ..base
        });
        assert!(latency.about().unwrap().ends_with("can do more."));
    }
}
