//! A small plot kit: plots and bar charts as SVG elements to be put into an HTML page.
//!
//! Colours are classes that [`STYLE`] defines for light and dark: `s0` to `s7` for series, `bad` for
//! failures, `h0` to `h8` for shades. Values are placed by a [`Scale`], which takes any value: what lies
//! outside is drawn at the edge. Sizes are in CSS pixels at the width that the drawing is made for.

mod bars;
mod key;
mod plot;
mod scale;

pub use bars::{Bar, Bars, Group, bars};
pub use key::Key;
pub use plot::{Axis, Cell, Plot, Size};
pub use scale::Scale;

/// The style sheet that drawings need.
pub const STYLE: &str = include_str!("plot.css");

/// Number of shades of a [`Cell`].
pub const SHADES: u8 = 9;

/// Series that have a colour of their own; more start again from the first.
pub const SERIES: usize = 8;

/// The class of a series.
pub fn series(index: usize) -> String {
    format!("s{}", index % SERIES)
}

/// Width of a text of a drawing, at most: letters are 12 px high.
fn text_width(text: &str) -> f64 {
    7.0 * text.chars().count() as f64
}

/// A coordinate, to a tenth of a pixel.
fn px(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    format!(
        "{}",
        if rounded.is_finite() {
            rounded + 0.0
        } else {
            0.0
        }
    )
}
