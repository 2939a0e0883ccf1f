//! A text as a tree of plain values, each with its place.

use super::{Place, Problem};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A plain value.
#[derive(Debug)]
pub(super) enum Value {
    Bool(bool),
    Float(f64),
    Int(i128),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    Null,
    Text(String),
}

/// A key of a map.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) place: Place,
}

impl Value {
    /// What it is, for error messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Float(_) | Self::Int(_) => "a number",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Null => "nothing",
            Self::Text(_) => "a text",
        }
    }
}

/// Reads one YAML or JSON document.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    if text.trim().is_empty() {
        return Ok(Node {
            value: Value::Map(Vec::new()),
            place: Place { line: 1, column: 1 },
        });
    }
    serde_saphyr::from_str::<Spanned<Value>>(text)
        .map(Node::from)
        .map_err(|error| {
            let place = error.location().map(|at| Place {
                line: at.line(),
                column: at.column(),
            });
            let reason = reason(&error.without_snippet().to_string());
            Problem {
                place,
                path: String::new(),
                reason,
            }
        })
}

/// The reader's own words without the place, which is told apart, and without hints to programmers.
fn reason(whole: &str) -> String {
    let line = whole.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or_default();
    match line.strip_prefix("duplicate mapping key: ") {
        Some(rest) => {
            let key = rest.split(", set ").next().unwrap_or_default();
            format!("`{key}` is there twice")
        }
        None => line.to_owned(),
    }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        let at = spanned.referenced;
        Self {
            value: spanned.value,
            place: Place {
                line: at.line(),
                column: at.column(),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Int(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Value>>()? {
            items.push(item.into());
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Value>>()? {
            let at = key.referenced;
            let place = Place {
                line: at.line(),
                column: at.column(),
            };
            entries.push((
                Key {
                    name: key.value,
                    place,
                },
                value.into(),
            ));
        }
        Ok(Value::Map(entries))
    }
}
