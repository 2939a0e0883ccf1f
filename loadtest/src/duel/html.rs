//! A report as a page: the table over everything, then bars and a table for each load.

use super::{
    figure::Figure,
    markdown::facts,
    report::{Comparison, Report, Row},
};
use crate::report::{
    markup::escape,
    page::{alerts, figure, page, section, table},
    svg::{Bar, Bars, Group, bars},
    unit,
};

/// The whole page, by itself.
pub fn html(report: &Report) -> String {
    let mut body = String::from("<h1>Proxies compared</h1>\n");
    let (notes, facts): (Vec<String>, Vec<String>) = facts(report)
        .into_iter()
        .partition(|fact| fact.starts_with("Note: "));
    for fact in facts {
        body += &format!("<p>{}</p>\n", escape(&fact));
    }
    body += &alerts(&notes);
    body += &section(
        "Everything",
        "Medians; the last column is ours as a share of the best rival's.",
        &summary(report),
    );
    for comparison in &report.comparisons {
        body += &details(comparison);
    }
    page("Proxies compared", &body)
}

fn summary(report: &Report) -> String {
    let mut head = vec![""];
    head.extend(report.peers.iter().map(|peer| &*peer.label));
    head.push("to the best rival");
    let mut rows = Vec::new();
    for comparison in &report.comparisons {
        for figure in comparison.scenario.headlines() {
            let mut row = vec![format!("{}, {}", comparison.scenario.title, figure.title())];
            row.extend(comparison.rows.iter().map(|row| median(row, *figure)));
            let own = comparison.rows.iter().filter(|row| !row.is_rival);
            let ratios = own.map(|row| ratio(comparison, row, *figure));
            row.push(ratios.collect::<Vec<_>>().join(", "));
            rows.push(row);
        }
    }
    scrolled(&table(&head, &rows))
}

/// Wide tables scroll by themselves, not the page.
fn scrolled(table: &str) -> String {
    format!("<div style=\"overflow-x: auto\">\n{table}</div>\n")
}

fn median(row: &Row, figure: Figure) -> String {
    let all = row.spread(figure);
    all.map_or_else(|| unit::NONE.to_owned(), |all| unit::number(all.median))
}

fn ratio(comparison: &Comparison, row: &Row, figure: Figure) -> String {
    let ratio = comparison.ratio(row, figure);
    ratio.map_or_else(|| unit::NONE.to_owned(), |ratio| format!("{ratio:.2}"))
}

fn details(comparison: &Comparison) -> String {
    let scenario = &comparison.scenario;
    let about = comparison.rate.map_or_else(String::new, |rate| {
        let share = 100.0 * scenario.share;
        let rate = unit::number(rate);
        format!("{rate} requests/s were asked for, {share:.0} % of what the best rival reached.")
    });
    let mut out = String::new();
    for (index, what) in scenario.headlines().iter().enumerate() {
        let heading = format!("{}: {}", scenario.title, what.title());
        let about = if index == 0 { &*about } else { "" };
        out += &figure(&heading, about, |width| {
            bars(&chart(comparison, *what), width)
        });
    }
    let figures = scenario.figures();
    let mut head = vec![""];
    head.extend(figures.iter().map(|figure| figure.title()));
    let measured = comparison.rows.iter().filter(|row| !row.rounds.is_empty());
    let rows = measured.map(|row| {
        let mut cells = vec![row.label.clone()];
        cells.extend(figures.iter().map(|figure| median(row, *figure)));
        cells
    });
    out += &scrolled(&table(&head, &rows.collect::<Vec<_>>()));
    let remarks = comparison.rows.iter().flat_map(|row| {
        let remarks = row.remarks().into_iter();
        remarks.map(|remark| format!("{}: {remark}.", row.label))
    });
    out + &alerts(&remarks.collect::<Vec<_>>())
}

fn chart(comparison: &Comparison, figure: Figure) -> Bars {
    let bar = |row: &Row| {
        let all = row.spread(figure);
        Bar {
            name: row.label.clone(),
            series: usize::from(row.is_rival),
            value: all.map(|all| all.median),
            range: all
                .filter(|_| row.rounds.len() > 1)
                .map(|all| (all.low, all.high)),
        }
    };
    Bars {
        name: format!("{}, {}", comparison.scenario.title, figure.title()),
        title: figure.title().to_owned(),
        label: unit::number_short,
        series: vec!["ringlb".to_owned(), "others".to_owned()],
        groups: vec![Group {
            name: String::new(),
            bars: comparison.rows.iter().map(bar).collect(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{comparison, report};
    use super::*;
    use crate::report::markup::check;

    #[test]
    fn a_page_has_a_chart_for_each_headline_and_closes_its_tags() {
        let rows = [
            ("<uring>", false, Some(10.0)),
            ("haproxy", true, Some(20.0)),
            ("nginx", true, None),
        ];
        let all = vec![comparison("h1-small", &rows), comparison("latency", &rows)];
        let page = html(&report(all));
        assert_eq!(check(&page), Ok(()));
        // One headline of the first, three of the second, each for wide and narrow screens.
        assert_eq!(page.matches("<svg").count(), 8);
        assert!(page.contains("&lt;uring&gt;") && !page.contains("<uring>"));
        assert!(page.contains("nginx: did not start."));
    }
}
