//! A tree against the descriptors of its messages: every unknown field, wrong type and clash, and, if
//! there is none, the message.

use super::{
    Place, Problem, scalar,
    tree::{Node, Value},
};
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage, prost::Message,
};
use std::collections::HashMap;

/// How deep messages may lie in each other.
const DEPTH_MAX: usize = 100;

/// A walk through a tree.
pub(super) struct Walk<'a> {
    pool: &'a DescriptorPool,
    depth: usize,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(pool: &'a DescriptorPool) -> Self {
        Self {
            pool,
            depth: 0,
            problems: Vec::new(),
        }
    }

    fn report(&mut self, place: Place, path: &str, reason: String) {
        self.problems.push(Problem {
            place: Some(place),
            path: path.to_owned(),
            reason,
        });
    }

    /// A message of that type; what is wrong in it is reported and left out.
    pub(super) fn message(
        &mut self,
        node: &Node,
        descriptor: &MessageDescriptor,
        path: &str,
    ) -> DynamicMessage {
        self.depth += 1;
        let message = if self.depth > DEPTH_MAX {
            self.report(node.place, path, "nested too deeply".into());
            DynamicMessage::new(descriptor.clone())
        } else {
            self.message_inside(node, descriptor, path)
        };
        self.depth -= 1;
        message
    }

    fn message_inside(
        &mut self,
        node: &Node,
        descriptor: &MessageDescriptor,
        path: &str,
    ) -> DynamicMessage {
        if let Some(known) = scalar::well_known(node, descriptor) {
            return known.unwrap_or_else(|reason| {
                self.report(node.place, path, reason);
                DynamicMessage::new(descriptor.clone())
            });
        }
        if descriptor.full_name() == "google.protobuf.Any" {
            return self.any(node, descriptor, path);
        }
        self.fields(node, descriptor, path, None)
    }

    /// The fields of a message. `skip`: a key that is not one of them.
    fn fields(
        &mut self,
        node: &Node,
        descriptor: &MessageDescriptor,
        path: &str,
        skip: Option<&str>,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        let Value::Map(entries) = &node.value else {
            let kind = node.value.kind();
            self.report(
                node.place,
                path,
                format!("expected a map of fields, found {kind}"),
            );
            return message;
        };
        let mut oneofs: HashMap<String, String> = HashMap::new();
        for (key, value) in entries
            .iter()
            .filter(|(key, _)| Some(key.name.as_str()) != skip)
        {
            let found = descriptor
                .get_field_by_name(&key.name)
                .or_else(|| descriptor.get_field_by_json_name(&key.name));
            let Some(field) = found else {
                let place = join(path, &key.name);
                self.report(key.place, &place, unknown_field(&key.name, descriptor));
                continue;
            };
            if matches!(value.value, Value::Null) {
                continue;
            }
            let inner = join(path, field.name());
            if message.has_field(&field) {
                self.report(key.place, &inner, "set twice".into());
                continue;
            }
            if let Some(oneof) = field.containing_oneof()
                && let Some(other) = oneofs.insert(oneof.name().into(), field.name().into())
            {
                let reason = format!("only one of `{other}` and `{}` may be set", field.name());
                self.report(key.place, &inner, reason);
                continue;
            }
            if let Some(value) = self.field(value, &field, &inner) {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn field(
        &mut self,
        node: &Node,
        field: &FieldDescriptor,
        path: &str,
    ) -> Option<prost_reflect::Value> {
        if field.is_map() {
            return self.map(node, field, path);
        }
        if field.cardinality() != Cardinality::Repeated {
            return self.single(node, &field.kind(), path);
        }
        let Value::List(items) = &node.value else {
            let kind = node.value.kind();
            self.report(node.place, path, format!("expected a list, found {kind}"));
            return None;
        };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            values.extend(self.single(item, &field.kind(), &format!("{path}[{index}]")));
        }
        Some(prost_reflect::Value::List(values))
    }

    fn map(
        &mut self,
        node: &Node,
        field: &FieldDescriptor,
        path: &str,
    ) -> Option<prost_reflect::Value> {
        let Value::Map(entries) = &node.value else {
            let kind = node.value.kind();
            self.report(node.place, path, format!("expected a map, found {kind}"));
            return None;
        };
        let Kind::Message(entry) = field.kind() else {
            return None;
        };
        let kind = entry.map_entry_value_field().kind();
        let mut map = HashMap::new();
        for (key, value) in entries {
            let inner = format!("{path}[\"{}\"]", key.name);
            if let Some(value) = self.single(value, &kind, &inner) {
                map.insert(MapKey::String(key.name.clone()), value);
            }
        }
        Some(prost_reflect::Value::Map(map))
    }

    fn single(&mut self, node: &Node, kind: &Kind, path: &str) -> Option<prost_reflect::Value> {
        if let Kind::Message(descriptor) = kind {
            let message = self.message(node, descriptor, path);
            return Some(prost_reflect::Value::Message(message));
        }
        scalar::parse(node, kind)
            .map_err(|reason| self.report(node.place, path, reason))
            .ok()
    }

    /// A message that names its own type.
    fn any(&mut self, node: &Node, any: &MessageDescriptor, path: &str) -> DynamicMessage {
        let mut packed = DynamicMessage::new(any.clone());
        let Some(url) = self.type_url(node, path) else {
            return packed;
        };
        let name = super::type_name(&url);
        let Some(descriptor) = self.pool.get_message_by_name(name) else {
            let names = self.pool.all_messages().map(|m| m.full_name().to_owned());
            let names = names.filter(|name| name.starts_with("envoy.extensions."));
            let near = did_you_mean(name, names);
            self.report(
                node.place,
                &join(path, "@type"),
                format!("`{name}` is not supported{near}"),
            );
            return packed;
        };
        let message = if scalar::is_well_known(&descriptor) {
            self.report(node.place, path, format!("`{name}` cannot be used here"));
            return packed;
        } else {
            self.fields(node, &descriptor, path, Some("@type"))
        };
        packed.set_field_by_name("type_url", prost_reflect::Value::String(url));
        let bytes = message.encode_to_vec();
        packed.set_field_by_name("value", prost_reflect::Value::Bytes(bytes.into()));
        debug_assert_eq!(packed.descriptor().full_name(), "google.protobuf.Any");
        packed
    }

    fn type_url(&mut self, node: &Node, path: &str) -> Option<String> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Bool(_)
            | Value::Float(_)
            | Value::Int(_)
            | Value::List(_)
            | Value::Null
            | Value::Text(_) => &[],
        };
        match entries
            .iter()
            .find(|(key, _)| key.name == "@type")
            .map(|(_, url)| &url.value)
        {
            Some(Value::Text(url)) => Some(url.clone()),
            _ => {
                let reason = "expected a map with the type of the message under `@type`";
                self.report(node.place, path, reason.into());
                None
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn unknown_field(name: &str, descriptor: &MessageDescriptor) -> String {
    let near = did_you_mean(
        name,
        descriptor.fields().map(|field| field.name().to_owned()),
    );
    format!(
        "unknown or unsupported field `{name}` of {}{near}",
        descriptor.name()
    )
}

/// `; did you mean …?` with the nearest of the names in any case, if one is near; empty if none is.
pub fn did_you_mean(name: &str, names: impl Iterator<Item = String>) -> String {
    let lower = name.to_lowercase();
    let apart = |other: &String| distance(&lower, &other.to_lowercase());
    let near = names.map(|other| (apart(&other), other)).min();
    match near {
        Some((distance, other)) if distance <= name.len().max(other.len()) / 3 => {
            format!("; did you mean `{other}`?")
        }
        Some(_) | None => String::new(),
    }
}

/// Letters to insert, remove or replace to make one text the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
