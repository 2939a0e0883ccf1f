//! An outcome as text, JSON, HDR percentile table and HTML.
//!
//! [`Summary`] says what was run, [`Outcome`](crate::outcome::Outcome) what came of it; each function here
//! turns both into one document. All of them take any outcome, also one of a run in which nothing was
//! answered, and none of them reads a clock. [`svg`], [`page`] and [`mod@unit`] serve other reports as well.

mod figures;
mod hgrm;
mod html;
pub mod json;
pub mod markup;
pub mod page;
pub mod summary;
pub mod svg;
mod text;
pub mod unit;
mod warnings;
mod words;

#[cfg(test)]
mod sample;

pub use hgrm::hgrm;
pub use html::html;
pub use json::json;
pub use summary::{Machine, Summary};
pub use text::text;
pub use warnings::warnings;
