//! Where something stands in a text, and finding a field's place by its path.

use super::tree::{Node, Value};

/// A place in a text, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// The place of `path`, or of the nearest part around it that was written.
pub(super) fn find(tree: &Node, path: &str) -> Place {
    let mut node = tree;
    let mut place = tree.place;
    let mut rest = path;
    while let Some((step, after)) = next_step(rest) {
        rest = after;
        let found = match (&node.value, step) {
            (Value::Map(entries), Step::Name(name)) => {
                let named = |key: &str| key == name || walk_name(key) == name;
                entries
                    .iter()
                    .find(|(key, _)| named(&key.name))
                    .map(|(k, n)| (k.place, n))
            }
            (Value::List(items), Step::Index(index)) => items.get(index).map(|n| (n.place, n)),
            (_, _) => None,
        };
        let Some((at, inner)) = found else { break };
        (place, node) = (at, inner);
    }
    place
}

#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Index(usize),
    Name(&'a str),
}

/// Cuts the first step off a path such as `a.b[0]["c.d"].e`.
fn next_step(path: &str) -> Option<(Step<'_>, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if let Some(key) = path.strip_prefix("[\"") {
        let (name, rest) = key.split_once("\"]")?;
        return Some((Step::Name(name), rest));
    }
    if let Some(index) = path.strip_prefix('[') {
        let (index, rest) = index.split_once(']')?;
        return Some((Step::Index(index.parse().ok()?), rest));
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    (end > 0).then(|| (Step::Name(&path[..end]), &path[end..]))
}

/// `filterChains` as `filter_chains`.
fn walk_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 4);
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_into_steps() {
        let mut rest = "a.b[12][\"c.d\"].e";
        let mut steps = Vec::new();
        while let Some((step, after)) = next_step(rest) {
            steps.push(step);
            rest = after;
        }
        let expected = [
            Step::Name("a"),
            Step::Name("b"),
            Step::Index(12),
            Step::Name("c.d"),
            Step::Name("e"),
        ];
        assert_eq!(steps, expected);
    }
}
