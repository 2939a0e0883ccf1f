//! The configuration's wire: our subset of Envoy's v3 API, and the way from text to its messages.
//!
//! The files in `proto/` *are* the list of supported configuration: a field that is not there is an
//! error with its place in the text.
#![forbid(unsafe_code)]

pub mod api;
mod shown;
mod text;

pub use prost_reflect::ReflectMessage;
pub use text::{Document, Place, Problem, did_you_mean, parse, to_json, to_public_json, type_name};
