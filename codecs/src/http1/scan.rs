//! Where the lines of a head or a trailer section end.
//!
//! Only CRLF ends a line: a bare CR or LF, NUL and folded lines are refused here, so nothing behind
//! this can disagree about where lines are. A scan is resumed where it was, and limits count while the
//! section is incomplete.

use super::{bad, refused};
use crate::Malformed;
use crate::bytes::find_control;

/// A resumable scan over one section.
#[derive(Debug, Default)]
pub(super) struct Scan {
    at: usize,
    line: usize,
    lines: usize,
    first: usize,
    is_odd: bool,
}

/// A complete line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Where it begins, and where its CRLF is.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) is_first: bool,
    /// Control characters are in it (a tab is one).
    pub(super) is_odd: bool,
}

/// How much a section may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The section's bytes, the blank line included.
    pub(super) bytes_max: usize,
    /// Its lines without the blank one.
    pub(super) lines_max: usize,
    /// The answer to a first line that alone is too long.
    pub(super) first_line_status: u16,
}

/// A complete section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Bytes, the blank line included.
    pub(super) len: usize,
    /// Length of the first line without its CRLF.
    pub(super) first: usize,
    /// Lines without the blank one.
    pub(super) lines: usize,
}

impl Scan {
    /// True when nothing of a section was seen.
    pub(super) fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// Looks at what came since the last call and tells of each line that it completes; once it finds
    /// the end the scan is fresh again.
    pub(super) fn find_end(
        &mut self,
        input: &[u8],
        bounds: Bounds,
        mut on_line: impl FnMut(Line),
    ) -> Result<Option<Section>, Malformed> {
        let window = &input[..input.len().min(bounds.bytes_max)];
        // A CR at the end of what had come waits for its LF.
        let is_after_cr = self.at > self.line && window[self.at - 1] == b'\r';
        self.at -= usize::from(is_after_cr);
        while let Some(n) = self.next_control(&window[self.at..])? {
            let at = self.at + n;
            self.at = at + 1;
            match window[at..] {
                [b'\r', b'\n', ..] if at == self.line => return Ok(Some(self.take())),
                [b'\r', b'\n', ..] => on_line(self.line_ends(at, bounds)?),
                [b'\r', _, ..] => return Err(bad("bare-cr")),
                [b'\r'] => {}
                [b'\n', ..] => return Err(bad("bare-lf")),
                [0, ..] => return Err(bad("nul")),
                _ => self.is_odd = true,
            }
        }
        self.at = window.len();
        match window.len() == bounds.bytes_max {
            true if self.lines == 0 => Err(refused(bounds.first_line_status, "line-too-long")),
            true => Err(refused(431, "head-too-long")),
            false => Ok(None),
        }
    }

    /// A line may not go on where the next one begins (RFC 9112 §5.2).
    #[inline(always)]
    fn next_control(&self, rest: &[u8]) -> Result<Option<usize>, Malformed> {
        let is_start = self.at == self.line && self.lines > 0;
        match rest {
            [b'\r', ..] => Ok(Some(0)),
            [b' ' | b'\t', ..] if is_start => Err(bad("folded-line")),
            _ => Ok(find_control(rest)),
        }
    }

    fn line_ends(&mut self, at: usize, bounds: Bounds) -> Result<Line, Malformed> {
        let is_first = self.lines == 0;
        if is_first {
            self.first = at;
        }
        self.at = at + 2;
        self.lines += 1;
        match self.lines > bounds.lines_max {
            true => Err(refused(431, "too-many-fields")),
            false => Ok(Line {
                start: std::mem::replace(&mut self.line, self.at),
                end: at,
                is_first,
                is_odd: std::mem::take(&mut self.is_odd),
            }),
        }
    }

    fn take(&mut self) -> Section {
        let section = Section {
            len: self.line + 2,
            first: self.first,
            lines: self.lines,
        };
        *self = Self::default();
        section
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        bytes_max: 24,
        lines_max: 3,
        first_line_status: 414,
    };

    fn scan_whole(input: &[u8]) -> Result<Option<Section>, (u16, &'static str)> {
        let found = Scan::default().find_end(input, BOUNDS, |_| ());
        found.map_err(|why| (why.status, why.detail))
    }

    #[test]
    fn only_crlf_ends_lines() {
        for (input, detail) in [
            ("a\nb\r\n\r\n", "bare-lf"),
            ("a\rb\r\n\r\n", "bare-cr"),
            ("a\r\r\n\r\n", "bare-cr"),
            ("a\0\r\n\r\n", "nul"),
            ("a\r\n b\r\n\r\n", "folded-line"),
            ("a\r\n\tb\r\n\r\n", "folded-line"),
            ("a\r\n\n", "bare-lf"),
        ] {
            assert_eq!(
                scan_whole(input.as_bytes()),
                Err((400, detail)),
                "{input:?}"
            );
        }
    }

    #[test]
    fn limits_count_while_the_section_is_incomplete() {
        assert_eq!(scan_whole(&[b'a'; 24]), Err((414, "line-too-long")));
        let long = b"a\r\nbbbbbbbbbbbbbbbbbbbbbbbb";
        assert_eq!(scan_whole(long), Err((431, "head-too-long")));
        let many = b"a\r\nb\r\nc\r\nd\r\n";
        assert_eq!(scan_whole(many), Err((431, "too-many-fields")));
        assert_eq!(scan_whole(b"a\r\nb\r\nc\r"), Ok(None));
    }

    #[test]
    fn any_split_finds_the_same_end() {
        let input = b"abc\r\nd: e\r\n\r\nrest";
        let whole = Section {
            len: 13,
            first: 3,
            lines: 2,
        };
        assert_eq!(scan_whole(input), Ok(Some(whole)));
        let mut scan = Scan::default();
        for end in 0..13 {
            assert_eq!(scan.find_end(&input[..end], BOUNDS, |_| ()), Ok(None));
        }
        assert_eq!(scan.find_end(input, BOUNDS, |_| ()), Ok(Some(whole)));
        assert!(scan.is_fresh());
    }
}
