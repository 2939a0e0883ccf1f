//! A scan between two pieces of input.
//!
//! Most sections come in one piece, and an idle connection has none: where a scan stands is kept only
//! while a section is incomplete. Nothing of its lines is kept: they are told of once more when it is
//! complete, so that no byte is looked at more than twice.

use super::scan::{Bounds, Line, Scan, Section};
use crate::Malformed;

/// A scan that goes on when there is more input.
#[derive(Debug, Default)]
pub(super) struct Resume(Option<Box<Scan>>);

impl Resume {
    /// True when nothing of a section was seen.
    pub(super) fn is_fresh(&self) -> bool {
        self.0.is_none()
    }

    /// Looks at what came since the last call; once it finds the end the scan is fresh again, and all
    /// lines were told of in this call.
    pub(super) fn find_end(
        &mut self,
        input: &[u8],
        bounds: Bounds,
        on_line: impl FnMut(Line),
    ) -> Result<Option<Section>, Malformed> {
        let Some(scan) = &mut self.0 else {
            let mut scan = Scan::default();
            let found = scan.find_end(input, bounds, on_line)?;
            if !scan.is_fresh() {
                self.0 = Some(Box::new(scan));
            }
            return Ok(found);
        };
        let Some(section) = scan.find_end(input, bounds, |_| ())? else {
            return Ok(None);
        };
        self.0 = None;
        Scan::default().find_end(&input[..section.len], bounds, on_line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_kept_only_within_a_section() {
        let (input, mut scan) = (b"abc\r\nd: e\r\n\r\nrest", Resume::default());
        let bounds = Bounds {
            bytes_max: 24,
            lines_max: 3,
            first_line_status: 414,
        };
        assert_eq!(scan.find_end(b"", bounds, |_| ()), Ok(None));
        assert!(scan.is_fresh());
        for end in 1..13 {
            assert_eq!(scan.find_end(&input[..end], bounds, |_| ()), Ok(None));
            assert!(!scan.is_fresh());
        }
        for _ in 0..2 {
            let mut lines = Vec::new();
            let found = scan.find_end(input, bounds, |line| lines.push((line.start, line.end)));
            assert_eq!(found.unwrap().map(|section| section.len), Some(13));
            assert_eq!(lines, [(0, 3), (5, 9)]);
            assert!(scan.is_fresh());
        }
    }
}
