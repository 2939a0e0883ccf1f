//! An outcome as text, JSON, HDR percentile table and HTML.

pub mod markup;
pub mod page;
pub mod svg;
pub mod unit;
