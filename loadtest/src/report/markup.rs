//! Text in HTML and SVG.

/// Text as content or attribute value: what would be markup is escaped, and what no document may hold
/// (control characters) replaced.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// What is wrong with a document's tags, in the order in which it is found: a check for tests.
///
/// # Errors
/// A tag is not closed, closed out of order, or a `<` or `&` stands free.
#[cfg(test)]
pub(crate) fn check(document: &str) -> Result<(), String> {
    let mut open = Vec::new();
    let mut rest = document.trim_start_matches("<!DOCTYPE html>");
    while let Some(at) = rest.find(['<', '&']) {
        let here = &rest[at..];
        if here.starts_with('&') {
            let entity = here.split_inclusive(';').next().unwrap_or_default();
            if !["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].contains(&entity) {
                return Err(format!("free & at {:.40}", here));
            }
            rest = &here[entity.len()..];
            continue;
        }
        let end = here.find('>').ok_or("no > any more")?;
        let tag = &here[1..end];
        rest = &here[end + 1..];
        if tag.contains('<') || tag.matches('"').count() % 2 == 1 {
            return Err(format!("broken tag {tag}"));
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        if let Some(closed) = tag.strip_prefix('/') {
            if open.pop() != Some(closed) {
                return Err(format!("{closed} closes nothing, open are {open:?}"));
            }
        } else if name == "style" {
            rest = rest.split_once("</style>").ok_or("style without end")?.1;
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("open are {open:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_stays_text() {
        assert_eq!(
            escape("<a href=\"x\" b='&'>\u{1}\n"),
            "&lt;a href=&quot;x&quot; b=&#39;&amp;&#39;&gt;\u{fffd} "
        );
        assert_eq!(escape("µs – ≥"), "µs – ≥");
    }

    #[test]
    fn the_check_finds_broken_documents() {
        for good in ["", "<p>a &amp; b<br/></p>", "<!DOCTYPE html><a b=\"c\"/>"] {
            assert_eq!(check(good), Ok(()));
        }
        for bad in [
            "<p>",
            "</p>",
            "<p><b></p></b>",
            "a & b",
            "<p",
            "<p a=\"></p>",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
