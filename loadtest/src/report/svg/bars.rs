//! Bars with a whisker from the least to the most, in groups.

use super::{Axis, Key, Scale, key, px, series, text_width};
use crate::report::markup::escape;

/// A chart of horizontal bars.
#[derive(Clone, Debug)]
pub struct Bars {
    /// What it is called for those who do not see it.
    pub name: String,
    /// What the length of a bar is.
    pub title: String,
    /// A value as text.
    pub label: fn(f64) -> String,
    /// Names of the series, in the order of their colours; one alone needs no legend.
    pub series: Vec<String>,
    /// The groups from top to bottom.
    pub groups: Vec<Group>,
}

/// Bars that belong together.
#[derive(Clone, Debug)]
pub struct Group {
    /// What stands above them; empty: nothing.
    pub name: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// A bar from 0 on.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What stands left of it.
    pub name: String,
    /// Index of the series that it is coloured as.
    pub series: usize,
    /// How long it is, at least 0; none: there is no value, and the chart says so.
    pub value: Option<f64>,
    /// The least and the most, which the whisker joins; none: no whisker.
    pub range: Option<(f64, f64)>,
}

const BAR: f64 = 16.0;
const STEP: f64 = 22.0;
const HEAD: f64 = 22.0;

/// Draws a chart `width` CSS pixels wide; its height follows from what is in it.
pub fn bars(chart: &Bars, width: f64) -> String {
    let width = width.max(200.0);
    let all = || chart.groups.iter().flat_map(|group| &group.bars);
    let names = all().map(|bar| text_width(&bar.name)).fold(0.0, f64::max);
    let left = names.min(width * 0.4) + 8.0;
    let most = all().flat_map(|bar| [bar.value, bar.range.map(|range| range.1)]);
    let most = most
        .flatten()
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let values = all()
        .map(|bar| text_width(&value(chart, bar)))
        .fold(0.0, f64::max);
    let right = (width - values - 12.0).max(left + 40.0);
    let ticks = ((right - left) / 80.0).max(2.0) as usize;
    let axis = Axis {
        scale: Scale::from_zero(most, ticks),
        title: chart.title.clone(),
        label: chart.label,
    };
    let keys: Vec<Key> = chart.series.iter().enumerate().map(named).collect();
    let keys = if keys.len() > 1 { keys } else { Vec::new() };
    let (legend, rows) = key::rows(&keys, text_width(&axis.title) + 14.0, width);
    let top = key::ROW * rows as f64 + 6.0;
    let place = |value: f64| left + axis.scale.place(value) * (right - left);

    let (body, bottom) = groups(chart, top, left, place);
    let height = bottom + 22.0;
    let (w, h) = (px(width), px(height));
    let mut out = format!(
        "<svg viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" aria-label=\"{}\">",
        escape(&chart.name)
    );
    out.push_str(&text("key", 0.0, 12.0, &axis.title));
    out.push_str(&legend);
    for tick in axis.scale.ticks(ticks) {
        let (x, top, bottom) = (place(tick), px(top), px(bottom));
        out.push_str(&format!(
            "<path class=\"grid\" d=\"M{} {top}V{bottom}\"/>",
            px(x)
        ));
        out.push_str(&text("tick middle", x, height - 7.0, &(axis.label)(tick)));
    }
    out + &body + "</svg>"
}

fn named((index, name): (usize, &String)) -> Key {
    Key::Fill {
        class: series(index),
        label: name.clone(),
    }
}

/// The groups from `top` on, and where they end.
fn groups(chart: &Bars, top: f64, left: f64, place: impl Fn(f64) -> f64) -> (String, f64) {
    let mut out = String::new();
    let mut y = top;
    for group in &chart.groups {
        if group.name.is_empty() {
            y += 6.0;
        } else {
            out.push_str(&text("group", 0.0, y + 15.0, &group.name));
            y += HEAD;
        }
        for bar in &group.bars {
            let name = shortened(&bar.name, left - 8.0);
            out.push_str(&text("tick end", left - 6.0, y + 12.0, &name));
            out.push_str(&drawn(chart, bar, y, &place));
            y += STEP;
        }
    }
    (out, y + 4.0)
}

fn drawn(chart: &Bars, bar: &Bar, y: f64, place: impl Fn(f64) -> f64) -> String {
    let (zero, end) = (place(0.0), place(bar.value.unwrap_or(0.0)));
    let mut out = format!(
        "<rect class=\"fill {}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{BAR}\"><title>{}</title></rect>",
        series(bar.series),
        px(zero),
        px(y),
        px(end - zero),
        escape(&format!("{}: {}", bar.name, told(chart, bar)))
    );
    let mut behind = end;
    if let Some((low, high)) = bar.range {
        let (low, high) = (place(low), place(high));
        let (middle, top, bottom) = (px(y + BAR / 2.0), px(y + 4.0), px(y + BAR - 4.0));
        let (from, to) = (px(low), px(high));
        out.push_str(&format!(
            "<path class=\"whisker\" d=\"M{from} {top}V{bottom}M{from} {middle}H{to}M{to} {top}V{bottom}\"/>"
        ));
        behind = behind.max(high);
    }
    out + &text("value", behind + 6.0, y + 12.0, &value(chart, bar))
}

fn value(chart: &Bars, bar: &Bar) -> String {
    bar.value.map_or_else(|| "no value".to_owned(), chart.label)
}

fn told(chart: &Bars, bar: &Bar) -> String {
    let value = value(chart, bar);
    match bar.range {
        Some((low, high)) => {
            format!(
                "{value} ({} to {})",
                (chart.label)(low),
                (chart.label)(high)
            )
        }
        None => value,
    }
}

/// A name cut to a width.
fn shortened(name: &str, width: f64) -> String {
    if text_width(name) <= width {
        return name.to_owned();
    }
    let fits = (width / text_width("x")) as usize;
    let kept: String = name.chars().take(fits.saturating_sub(1)).collect();
    kept + "…"
}

fn text(class: &str, x: f64, y: f64, text: &str) -> String {
    let (x, y, text) = (px(x), px(y), escape(text));
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{markup::check, unit};

    type Row = (&'static str, Option<f64>, Option<(f64, f64)>);

    fn chart(bars: &[Row]) -> Bars {
        let bar = |(series, (name, value, range)): (usize, &Row)| Bar {
            name: (*name).to_owned(),
            series,
            value: *value,
            range: *range,
        };
        Bars {
            name: "rates & ranges".into(),
            title: "requests/s".into(),
            label: unit::number_short,
            series: vec!["one".into(), "two <2>".into()],
            groups: vec![Group {
                name: "small".into(),
                bars: bars.iter().enumerate().map(bar).collect(),
            }],
        }
    }

    #[test]
    fn any_chart_is_well_formed() {
        let long = "a very long name that does not fit beside its bar at all";
        for chart in [
            chart(&[]),
            chart(&[("a", Some(3.0), None)]),
            chart(&[("a", None, None), (long, Some(1e12), Some((0.0, 2e12)))]),
            chart(&[("<b>", Some(f64::NAN), Some((f64::NAN, f64::INFINITY)))]),
        ] {
            for width in [0.0, 360.0, 920.0] {
                let drawn = bars(&chart, width);
                assert_eq!(check(&drawn), Ok(()), "{drawn}");
                assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
            }
        }
        let drawn = bars(&chart(&[("a", None, None)]), 400.0);
        assert!(drawn.contains("no value"));
    }

    #[test]
    fn bars_begin_at_nothing_and_are_as_long_as_their_value() {
        let drawn = bars(
            &chart(&[("a", Some(50.0), None), ("b", Some(100.0), None)]),
            500.0,
        );
        let widths: Vec<f64> = drawn
            .split("height=\"16\"")
            .filter_map(|before| {
                before
                    .rsplit_once("width=\"")?
                    .1
                    .split('"')
                    .next()?
                    .parse()
                    .ok()
            })
            .collect();
        assert!((widths[1] - 2.0 * widths[0]).abs() < 0.2, "{widths:?}");
    }
}
