//! A scan between two pieces of input.
//!
//! Most sections come in one piece, and an idle connection has none: where a scan stands is kept only
//! while a section is incomplete.

use super::scan::{Bounds, Scan, Section};
use crate::Malformed;

/// A scan that goes on when there is more input.
#[derive(Debug, Default)]
pub(super) struct Resume(Option<Box<Scan>>);

impl Resume {
    /// True when nothing of a section was seen.
    pub(super) fn is_fresh(&self) -> bool {
        self.0.is_none()
    }

    /// Looks at what came since the last call; once it finds the end the scan is fresh again.
    pub(super) fn find_end(
        &mut self,
        input: &[u8],
        bounds: Bounds,
    ) -> Result<Option<Section>, Malformed> {
        if let Some(scan) = &mut self.0 {
            let found = scan.find_end(input, bounds)?;
            if found.is_some() {
                self.0 = None;
            }
            return Ok(found);
        }
        let mut scan = Scan::default();
        let found = scan.find_end(input, bounds)?;
        if !scan.is_fresh() {
            self.0 = Some(Box::new(scan));
        }
        Ok(found)
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
        assert_eq!(scan.find_end(b"", bounds), Ok(None));
        assert!(scan.is_fresh());
        for end in 1..13 {
            assert_eq!(scan.find_end(&input[..end], bounds), Ok(None));
            assert!(!scan.is_fresh());
        }
        for _ in 0..2 {
            let found = scan.find_end(input, bounds).unwrap();
            assert_eq!(found.map(|section| section.len), Some(13));
            assert!(scan.is_fresh());
        }
    }
}
