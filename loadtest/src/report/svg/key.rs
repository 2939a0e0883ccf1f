//! What the colours of a drawing mean.

use super::{SHADES, px, text_width};
use crate::report::markup::escape;

/// An entry of a legend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A line.
    Line {
        /// Classes of the line.
        class: String,
        /// What it shows.
        label: String,
    },
    /// A filled shape.
    Fill {
        /// Class of the shape.
        class: String,
        /// What it shows.
        label: String,
    },
    /// All shades, from the faintest to the strongest.
    Shades {
        /// What the faintest stands for.
        low: String,
        /// What the strongest stands for.
        high: String,
    },
}

/// Height of a row of a legend.
pub(super) const ROW: f64 = 18.0;
/// Width of a mark with the gap behind it, and between entries.
const MARK: f64 = 24.0;
const GAP: f64 = 14.0;
const SHADE: f64 = 12.0;

impl Key {
    fn width(&self) -> f64 {
        match self {
            Self::Line { label, .. } | Self::Fill { label, .. } => MARK + text_width(label),
            Self::Shades { low, high } => {
                text_width(low) + text_width(high) + 12.0 + SHADE * f64::from(SHADES)
            }
        }
    }

    fn draw(&self, x: f64, y: f64) -> String {
        let text = |x: f64, label: &str| {
            format!(
                "<text class=\"key\" x=\"{}\" y=\"{}\">{}</text>",
                px(x),
                px(y),
                escape(label)
            )
        };
        let rect = |class: &str, x: f64, width: f64| {
            let (x, y) = (px(x), px(y - 10.0));
            format!(
                "<rect class=\"fill {class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"11\"/>"
            )
        };
        match self {
            Self::Line { class, label } => {
                let (from, to, y) = (px(x), px(x + 18.0), px(y - 4.0));
                let line = format!("<path class=\"line {class}\" d=\"M{from} {y}H{to}\"/>");
                line + &text(x + MARK, label)
            }
            Self::Fill { class, label } => rect(class, x + 4.0, 11.0) + &text(x + MARK, label),
            Self::Shades { low, high } => {
                let start = x + text_width(low) + 6.0;
                let at = |shade: u8| start + SHADE * f64::from(shade);
                let shades = (0..SHADES).map(|shade| rect(&format!("h{shade}"), at(shade), SHADE));
                let low = text(x, low);
                low + &shades.collect::<String>() + &text(at(SHADES) + 6.0, high)
            }
        }
    }
}

/// Entries in rows of `width`, the first row beginning at `from`; with the number of rows.
pub(super) fn rows(keys: &[Key], from: f64, width: f64) -> (String, usize) {
    let mut out = String::new();
    let (mut x, mut row) = (from, 0);
    for key in keys {
        if x > 0.0 && x + key.width() > width {
            (x, row) = (0.0, row + 1);
        }
        out.push_str(&key.draw(x, 12.0 + ROW * row as f64));
        x += key.width() + GAP;
    }
    (out, row + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_do_not_fit_begin_a_row() {
        let key = Key::Line {
            class: "s0".into(),
            label: "ten <chars".into(),
        };
        let keys = [key.clone(), key.clone(), key];
        for (from, width, count) in [
            (0.0, 400.0, 1),
            (0.0, 250.0, 2),
            (200.0, 250.0, 3),
            (0.0, 5.0, 3),
        ] {
            let (drawn, rows) = rows(&keys, from, width);
            assert_eq!(rows, count, "{from} {width}");
            assert_eq!(drawn.matches("ten &lt;chars").count(), 3);
        }
    }
}
