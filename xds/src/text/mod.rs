//! From YAML or JSON text to a message, with every error at once and each at its place.

mod place;
mod redact;
mod scalar;
mod tree;
mod walk;

pub use place::Place;
pub use walk::did_you_mean;

use crate::api::{DESCRIPTORS, envoy::config::bootstrap::v3::Bootstrap};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use std::{fmt, sync::LazyLock};

/// All messages of our subset.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(DESCRIPTORS).expect("the build encodes valid descriptors")
});

/// Bytes of a configuration text.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// A configuration text that holds only what is supported, and the places of its parts.
pub struct Document {
    /// What it says.
    pub bootstrap: Bootstrap,
    tree: tree::Node,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the text, if it comes from a text.
    pub place: Option<Place>,
    /// Which field, e.g. `static_resources.listeners[0].name`; empty: the text as a whole.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text may hold secrets.
        f.debug_struct("Document")
            .field("bootstrap", &self.bootstrap)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{}:{}: ", place.line, place.column)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

impl Document {
    /// Where a field stands, or the nearest part around it that was written.
    pub fn place(&self, path: &str) -> Place {
        place::find(&self.tree, path)
    }

    /// A problem of meaning in a field.
    pub fn problem(&self, path: &str, reason: impl Into<String>) -> Problem {
        let place = Some(self.place(path));
        Problem {
            place,
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Reads a configuration. JSON is YAML, too.
///
/// # Errors
/// Every error of form, and every unknown or mistyped field.
pub fn parse(text: &str) -> Result<Document, Vec<Problem>> {
    if text.len() > TEXT_BYTES_MAX {
        let reason = format!("the text is longer than {TEXT_BYTES_MAX} bytes");
        return Err(vec![Problem {
            place: None,
            path: String::new(),
            reason,
        }]);
    }
    let tree = tree::parse(text).map_err(|problem| vec![problem])?;
    let descriptor = POOL
        .get_message_by_name("envoy.config.bootstrap.v3.Bootstrap")
        .expect("the bootstrap is part of the subset");
    let mut walk = walk::Walk::new(&POOL);
    let message = walk.message(&tree, &descriptor, "");
    if !walk.problems.is_empty() {
        walk.problems.sort_by_key(|problem| problem.place);
        return Err(walk.problems);
    }
    match message.transcode_to::<Bootstrap>() {
        Ok(bootstrap) => Ok(Document { bootstrap, tree }),
        Err(error) => Err(vec![Problem {
            place: None,
            path: String::new(),
            reason: error.to_string(),
        }]),
    }
}

/// A message as JSON text with the field names of its `.proto` file; secrets in it are readable.
pub fn to_json(message: &impl prost::Message, full_name: &str) -> Option<String> {
    json(&dynamic(message, full_name)?)
}

/// The same with `[redacted]` in place of the bytes of private keys and of other secrets.
pub fn to_public_json(message: &impl prost::Message, full_name: &str) -> Option<String> {
    let mut dynamic = dynamic(message, full_name)?;
    redact::redact(&mut dynamic);
    json(&dynamic)
}

fn dynamic(message: &impl prost::Message, full_name: &str) -> Option<DynamicMessage> {
    let descriptor = POOL.get_message_by_name(full_name)?;
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message).ok()?;
    Some(dynamic)
}

fn json(dynamic: &DynamicMessage) -> Option<String> {
    let mut out = serde_json::Serializer::pretty(Vec::new());
    let options = SerializeOptions::new().use_proto_field_name(true);
    dynamic.serialize_with_options(&mut out, &options).ok()?;
    String::from_utf8(out.into_inner()).ok()
}

/// The message name in an `Any`'s type URL.
pub fn type_name(type_url: &str) -> &str {
    type_url.rsplit('/').next().unwrap_or(type_url)
}
