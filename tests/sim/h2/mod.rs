//! HTTP/2 as the peers of the simulation speak it: written apart from the product's codec, so that a
//! mistake of one is not repeated by the other.

pub(crate) mod client;
pub(crate) mod endpoint;
pub(crate) mod frame;
mod habit;
pub(crate) mod hpack;
mod manners;
mod outgoing;
pub(crate) mod peer;
mod plan;
pub(crate) mod scripted;
pub(crate) mod stream;

/// Fields, from pairs of text.
pub(crate) fn fields(pairs: &[(&str, &str)]) -> hpack::Fields {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}
