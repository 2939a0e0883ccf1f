//! The page that HTML reports are: one file, no script, nothing fetched, light or dark as the reader's
//! system is.

use super::{markup::escape, svg};

/// Widths that drawings are made for, in CSS pixels: the page shows the one that fits.
pub const WIDE: f64 = 920.0;
/// See [`WIDE`].
pub const NARROW: f64 = 350.0;

/// A whole document around a body that is markup already.
pub fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    let plots = svg::STYLE;
    let style = include_str!("page.css");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{title}</title>\n<style>\n{plots}{style}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// A section with a heading, a sentence (may be empty) and a drawing, made once for wide and once for
/// narrow screens.
pub fn figure(heading: &str, about: &str, draw: impl Fn(f64) -> String) -> String {
    let (wide, narrow) = (draw(WIDE), draw(NARROW));
    let inner = format!("<div class=\"wide\">{wide}</div>\n<div class=\"narrow\">{narrow}</div>\n");
    section(heading, about, &inner)
}

/// A section with a heading, a sentence (may be empty) and what is markup already.
pub fn section(heading: &str, about: &str, inner: &str) -> String {
    let about = if about.is_empty() {
        String::new()
    } else {
        format!("<p class=\"about\">{}</p>\n", escape(about))
    };
    format!(
        "<section>\n<h2>{}</h2>\n{about}{inner}</section>\n",
        escape(heading)
    )
}

/// A table; cells of all columns but the first are figures.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: String = head
        .iter()
        .map(|cell| format!("<th>{}</th>", escape(cell)))
        .collect();
    let mut out = format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let tag = if column == 0 { "th" } else { "td" };
            out.push_str(&format!("<{tag}>{}</{tag}>", escape(cell)));
        }
        out.push_str("</tr>\n");
    }
    out + "</tbody>\n</table>\n"
}

/// Names with what they are.
pub fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let row = |(name, fact): (&str, String)| {
        format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(&fact))
    };
    let rows: String = facts.into_iter().map(row).collect();
    format!("<dl class=\"facts\">\n{rows}</dl>\n")
}

/// Figures that are to be seen first: name, figure, and a word below it (may be empty).
pub fn tiles<'a>(tiles: impl IntoIterator<Item = (&'a str, String, String)>) -> String {
    let tile = |(name, figure, word): (&str, String, String)| {
        format!(
            "<div class=\"tile\"><span>{}</span><strong>{}</strong><span>{}</span></div>\n",
            escape(name),
            escape(&figure),
            escape(&word)
        )
    };
    let tiles: String = tiles.into_iter().map(tile).collect();
    format!("<div class=\"tiles\">\n{tiles}</div>\n")
}

/// Sentences that a reader must not miss; nothing if there are none.
pub fn alerts(sentences: &[String]) -> String {
    if sentences.is_empty() {
        return String::new();
    }
    let item = |sentence: &String| format!("<li>{}</li>\n", escape(sentence));
    let items: String = sentences.iter().map(item).collect();
    format!("<ul class=\"alerts\">\n{items}</ul>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::markup::check;

    #[test]
    fn all_parts_escape_what_they_are_given_and_close_their_tags() {
        let evil = "<script>alert('x')</script>";
        let body = [
            figure(evil, evil, |width| format!("<svg width=\"{width}\"/>")),
            section(evil, "", "<p>inner</p>"),
            table(&[evil, "b"], &[vec![evil.into(), evil.into()]]),
            facts([(evil, evil.to_owned())]),
            tiles([(evil, evil.to_owned(), evil.to_owned())]),
            alerts(&[evil.to_owned()]),
            alerts(&[]),
        ];
        let page = page(evil, &body.concat());
        assert_eq!(check(&page), Ok(()));
        assert!(!page.contains("<script"));
        assert_eq!(page.matches("&lt;script&gt;").count(), 13);
    }

    #[test]
    fn a_page_fetches_nothing() {
        let page = page("t", "");
        for outside in ["http:", "https:", "url(", "@import", "src=", "href="] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
