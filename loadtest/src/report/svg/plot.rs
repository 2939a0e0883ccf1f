//! A plot: two axes, and what is drawn between them.

use super::{Key, SHADES, Scale, key, px, text_width};
use crate::report::markup::escape;

/// Width and height of a drawing in CSS pixels, at least 100 each.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// All of its width.
    pub width: f64,
    /// All of its height.
    pub height: f64,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What is how far along it.
    pub scale: Scale,
    /// What it shows.
    pub title: String,
    /// A value as the text of a tick.
    pub label: fn(f64) -> String,
}

/// A rectangle of values that has a shade.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// From and to on the x axis.
    pub x: (f64, f64),
    /// From and to on the y axis.
    pub y: (f64, f64),
    /// 0 (faintest) to `SHADES - 1`; higher ones are drawn as the strongest.
    pub shade: u8,
}

/// Least room for the labels of the y axis, so that plots below each other begin at the same place.
const LEFT: f64 = 50.0;

/// A plot being drawn; later marks cover earlier ones.
#[derive(Debug)]
pub struct Plot {
    x: Scale,
    y: Scale,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    out: String,
}

impl Plot {
    /// Axes with ticks and grid, and a legend. `name` is what it is called for those who do not see it.
    pub fn new(size: Size, name: &str, x: &Axis, y: &Axis, keys: &[Key]) -> Self {
        let width = size.width.max(100.0);
        let height = size.height.max(100.0);
        let (legend, rows) = key::rows(keys, text_width(&y.title) + 14.0, width);
        let top = key::ROW * rows as f64 + 8.0;
        let y_ticks = y.scale.ticks(((height - top) / 36.0) as usize);
        let labels = y_ticks.iter().map(|tick| (y.label)(*tick));
        let left = labels.map(|label| text_width(&label)).fold(LEFT, f64::max) + 8.0;
        let mut plot = Self {
            x: x.scale,
            y: y.scale,
            left,
            right: width - 12.0,
            top,
            bottom: height - 36.0,
            out: String::new(),
        };
        let (w, h) = (px(width), px(height));
        plot.push(format!(
            "<svg viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" aria-label=\"{}\">",
            escape(name)
        ));
        plot.text("key", 0.0, 12.0, &y.title);
        plot.push(legend);
        plot.axes(x, y, &y_ticks, width);
        plot
    }

    fn axes(&mut self, x: &Axis, y: &Axis, y_ticks: &[f64], width: f64) {
        let (left, right, top, bottom) =
            (px(self.left), px(self.right), px(self.top), px(self.bottom));
        let mut grid = String::new();
        for tick in y_ticks {
            let at = self.y_at(*tick);
            grid.push_str(&format!("M{left} {}H{right}", px(at)));
            self.text("tick end", self.left - 6.0, at + 4.0, &(y.label)(*tick));
        }
        let mut free = f64::NEG_INFINITY;
        for tick in x.scale.ticks(((self.right - self.left) / 70.0) as usize) {
            let at = self.x_at(tick);
            grid.push_str(&format!("M{} {top}V{bottom}", px(at)));
            let label = (x.label)(tick);
            let half = text_width(&label) / 2.0;
            let middle = at.min(width - half);
            // A label that would touch the one before is left out; its line stays.
            if middle - half >= free {
                self.text("tick middle", middle, self.bottom + 15.0, &label);
                free = middle + half + 4.0;
            }
        }
        self.push(format!("<path class=\"grid\" d=\"{grid}\"/>"));
        self.push(format!(
            "<path class=\"axis\" d=\"M{left} {top}V{bottom}H{right}\"/>"
        ));
        self.text("key end", self.right, self.bottom + 32.0, &x.title);
    }

    /// A line through points; less than two draw nothing.
    pub fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        let mut count = 0;
        for (x, y) in points {
            let step = if count == 0 { 'M' } else { 'L' };
            path.push_str(&format!("{step}{} {}", px(self.x_at(x)), px(self.y_at(y))));
            count += 1;
        }
        if count > 1 {
            self.push(format!("<path class=\"line {class}\" d=\"{path}\"/>"));
        }
    }

    /// A bar from the x axis up to a value, for each span of the x axis. What is above nothing is at least
    /// a hair high.
    pub fn columns(&mut self, class: &str, columns: impl IntoIterator<Item = ((f64, f64), f64)>) {
        let mut path = String::new();
        for ((from, to), value) in columns {
            let height = self.bottom - self.y_at(value);
            if value > 0.0 {
                let (from, to) = (self.x_at(from), self.x_at(to));
                path.push_str(&self.rectangle(from, self.bottom, to - from, height.max(1.0)));
            }
        }
        if !path.is_empty() {
            self.push(format!("<path class=\"fill {class}\" d=\"{path}\"/>"));
        }
    }

    /// Shaded rectangles.
    pub fn cells(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut paths = vec![String::new(); usize::from(SHADES)];
        for cell in cells {
            let (x, y) = (self.x_at(cell.x.0), self.y_at(cell.y.0));
            let (width, height) = (self.x_at(cell.x.1) - x, y - self.y_at(cell.y.1));
            let path = self.rectangle(x, y, width, height);
            paths[usize::from(cell.shade.min(SHADES - 1))].push_str(&path);
        }
        for (shade, path) in paths.iter().enumerate() {
            if !path.is_empty() {
                self.push(format!(
                    "<path class=\"fill crisp h{shade}\" d=\"{path}\"/>"
                ));
            }
        }
    }

    /// A vertical line with a word at its top.
    pub fn mark(&mut self, x: f64, label: &str) {
        let at = self.x_at(x);
        let (top, bottom) = (px(self.top), px(self.bottom));
        self.push(format!(
            "<path class=\"mark\" d=\"M{} {top}V{bottom}\"/>",
            px(at)
        ));
        self.text("key end", at - 4.0, self.top + 12.0, label);
    }

    /// What a pointer is told over spans of the x axis.
    pub fn hints(&mut self, hints: impl IntoIterator<Item = ((f64, f64), String)>) {
        for ((from, to), hint) in hints {
            let (from, to) = (self.x_at(from), self.x_at(to));
            self.push(format!(
                "<rect class=\"hint\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>",
                px(from),
                px(self.top),
                px(to - from),
                px(self.bottom - self.top),
                escape(&hint)
            ));
        }
    }

    /// The drawing.
    pub fn finish(mut self) -> String {
        self.push("</svg>".to_owned());
        self.out
    }

    /// A rectangle's path from its lower left corner; edges on tenths of a pixel, so neighbours meet.
    fn rectangle(&self, x: f64, y: f64, width: f64, height: f64) -> String {
        let (left, low, right, high) = (px(x), px(y), px(x + width), px(y - height));
        format!("M{left} {low}H{right}V{high}H{left}Z")
    }

    fn x_at(&self, value: f64) -> f64 {
        self.left + self.x.place(value) * (self.right - self.left)
    }

    fn y_at(&self, value: f64) -> f64 {
        self.bottom - self.y.place(value) * (self.bottom - self.top)
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let (x, y, text) = (px(x), px(y), escape(text));
        self.push(format!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"
        ));
    }

    fn push(&mut self, piece: String) {
        self.out.push_str(&piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{markup::check, unit};

    fn plot(width: f64) -> Plot {
        let x = Axis {
            scale: Scale::linear(0.0, 10.0),
            title: "x <&>".into(),
            label: unit::number_short,
        };
        let y = Axis {
            scale: Scale::log(1e3, 1e9),
            title: "y".into(),
            label: unit::time_short,
        };
        let keys = [Key::Shades {
            low: "0".into(),
            high: "9".into(),
        }];
        Plot::new(
            Size {
                width,
                height: 200.0,
            },
            "a \"plot\"",
            &x,
            &y,
            &keys,
        )
    }

    #[test]
    fn all_marks_give_one_well_formed_element() {
        let mut plot = plot(500.0);
        plot.line("s0", [(0.0, 1e4), (f64::NAN, f64::INFINITY), (20.0, -1.0)]);
        plot.line("s1", [(0.0, 1e4)]);
        plot.columns("s2", [((0.0, 1.0), 1e5), ((1.0, 2.0), 0.0)]);
        plot.cells([Cell {
            x: (0.0, 5.0),
            y: (1e3, 1e6),
            shade: 200,
        }]);
        plot.mark(5.0, "<end>");
        plot.hints([((0.0, 5.0), "a & b".to_owned())]);
        let drawn = plot.finish();
        assert_eq!(check(&drawn), Ok(()));
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        for (part, count) in [
            ("class=\"line s0\"", 1),
            ("line s1", 0),
            ("fill s2", 1),
            ("fill crisp h8", 1),
            ("<title>a &amp; b</title>", 1),
            ("a &quot;plot&quot;", 1),
            ("x &lt;&amp;&gt;", 1),
        ] {
            assert_eq!(drawn.matches(part).count(), count, "{part}");
        }
    }

    #[test]
    fn labels_that_would_touch_are_left_out() {
        let label = |width| {
            let drawn = plot(width).finish();
            drawn.matches("tick middle").count()
        };
        assert_eq!(label(800.0), 11);
        assert!((2..=4).contains(&label(200.0)), "{}", label(200.0));
    }

    #[test]
    fn values_are_where_the_scale_says() {
        let mut plot = plot(524.0);
        let (left, right, top, bottom) = (plot.left, plot.right, plot.top, plot.bottom);
        plot.line("s0", [(0.0, 1e3), (5.0, 1e6), (10.0, 1e9)]);
        let (x, y) = (px((left + right) / 2.0), px((top + bottom) / 2.0));
        let (left, right, top, bottom) = (px(left), px(right), px(top), px(bottom));
        let path = format!("d=\"M{left} {bottom}L{x} {y}L{right} {top}\"");
        assert!(plot.finish().contains(&path), "{path}");
    }
}
