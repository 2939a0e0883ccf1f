//! The guests of the filter chains: one file a filter.

pub mod http;
