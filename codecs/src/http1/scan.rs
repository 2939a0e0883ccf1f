//! Where a head or a trailer section ends.
//!
//! Only CRLF ends a line: a bare CR or LF, NUL and folded lines are refused here, so nothing behind
//! this can disagree about where lines are. A scan is resumed, no byte is looked at twice, and limits
//! count while the section is incomplete.

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
    is_after_cr: bool,
    has_control: bool,
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
    /// Some control characters are in the lines (a tab is one).
    pub(super) has_control: bool,
}

impl Scan {
    /// True when nothing of a section was seen.
    pub(super) fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// Looks at what came since the last call; once it finds the end the scan is fresh again.
    pub(super) fn find_end(
        &mut self,
        input: &[u8],
        bounds: Bounds,
    ) -> Result<Option<Section>, Malformed> {
        let window = &input[..input.len().min(bounds.bytes_max)];
        while self.at < window.len() {
            if self.is_after_cr {
                if self.line_ends(window, bounds)? {
                    return Ok(Some(self.take()));
                }
            } else {
                self.line_goes_on(window)?;
            }
        }
        match window.len() == bounds.bytes_max {
            true if self.lines == 0 => Err(refused(bounds.first_line_status, "line-too-long")),
            true => Err(refused(431, "head-too-long")),
            false => Ok(None),
        }
    }

    /// The byte behind a CR; true at the end of the section.
    fn line_ends(&mut self, window: &[u8], bounds: Bounds) -> Result<bool, Malformed> {
        if window[self.at] != b'\n' {
            return Err(bad("bare-cr"));
        }
        let len = self.at - 1 - self.line;
        self.at += 1;
        self.line = self.at;
        self.is_after_cr = false;
        if len == 0 {
            return Ok(true);
        }
        if self.lines == 0 {
            self.first = len;
        }
        self.lines += 1;
        match self.lines > bounds.lines_max {
            true => Err(refused(431, "too-many-fields")),
            false => Ok(false),
        }
    }

    fn line_goes_on(&mut self, window: &[u8]) -> Result<(), Malformed> {
        let is_start = self.at == self.line && self.lines > 0;
        if is_start && matches!(window[self.at], b' ' | b'\t') {
            return Err(bad("folded-line"));
        }
        let Some(n) = find_control(&window[self.at..]) else {
            self.at = window.len();
            return Ok(());
        };
        self.at += n + 1;
        match window[self.at - 1] {
            b'\r' => self.is_after_cr = true,
            b'\n' => return Err(bad("bare-lf")),
            0 => return Err(bad("nul")),
            _ => self.has_control = true,
        }
        Ok(())
    }

    fn take(&mut self) -> Section {
        let section = Section {
            len: self.at,
            first: self.first,
            lines: self.lines,
            has_control: self.has_control,
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
        let found = Scan::default().find_end(input, BOUNDS);
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
            has_control: false,
        };
        assert_eq!(scan_whole(input), Ok(Some(whole)));
        let mut scan = Scan::default();
        for end in 0..13 {
            assert_eq!(scan.find_end(&input[..end], BOUNDS), Ok(None));
        }
        assert_eq!(scan.find_end(input, BOUNDS), Ok(Some(whole)));
        assert!(scan.is_fresh());
    }
}
