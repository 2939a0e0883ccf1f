//! An outcome as text, JSON, HDR percentile table and HTML.
