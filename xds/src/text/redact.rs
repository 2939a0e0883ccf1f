//! What is never shown: the bytes of keys, where a configuration holds them itself.

use super::POOL;
use prost_reflect::{DynamicMessage, ReflectMessage, Value, prost::Message};

/// Fields that hold a `DataSource` with a secret, or several.
const SECRET_FIELDS: [&str; 2] = [
    "envoy.extensions.transport_sockets.tls.v3.TlsCertificate.private_key",
    "envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys.keys",
];

/// What stands in their place.
const REDACTED: &str = "[redacted]";

/// Replaces what is not to be shown, within messages of any type, too.
pub(super) fn redact(message: &mut DynamicMessage) {
    if message.descriptor().full_name() == "google.protobuf.Any" {
        return redact_any(message);
    }
    for (field, value) in message.fields_mut() {
        if SECRET_FIELDS.contains(&field.full_name()) {
            each_message(value, &hide);
        } else {
            each_message(value, &redact);
        }
    }
}

fn redact_any(packed: &mut DynamicMessage) {
    let inner = packed.get_field_by_name("type_url").and_then(|url| {
        let descriptor = POOL.get_message_by_name(super::type_name(url.as_str()?))?;
        let bytes = packed.get_field_by_name("value")?.as_bytes()?.clone();
        DynamicMessage::decode(descriptor, bytes).ok()
    });
    let bytes = inner.map(|mut inner| {
        redact(&mut inner);
        inner.encode_to_vec()
    });
    // What cannot be looked into is not shown.
    let bytes = Value::Bytes(bytes.unwrap_or_default().into());
    packed.set_field_by_name("value", bytes);
}

fn each_message(value: &mut Value, then: &dyn Fn(&mut DynamicMessage)) {
    match value {
        Value::Message(message) => then(message),
        Value::List(list) => list.iter_mut().for_each(|value| each_message(value, then)),
        Value::Map(map) => map.values_mut().for_each(|value| each_message(value, then)),
        Value::Bool(_)
        | Value::I32(_)
        | Value::I64(_)
        | Value::U32(_)
        | Value::U64(_)
        | Value::F32(_)
        | Value::F64(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::EnumNumber(_) => {}
    }
}

/// The bytes of a `DataSource`; the name of a file stays.
fn hide(source: &mut DynamicMessage) {
    for field in ["inline_bytes", "inline_string"] {
        if source.has_field_by_name(field) {
            source.set_field_by_name("inline_string", Value::String(REDACTED.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_that_are_hidden_exist() {
        for name in SECRET_FIELDS {
            let (message, field) = name.rsplit_once('.').unwrap();
            let message = POOL.get_message_by_name(message).unwrap();
            let field = message.get_field_by_name(field).unwrap();
            let kind = field.kind();
            let kind = kind.as_message().unwrap();
            assert_eq!(kind.full_name(), "envoy.config.core.v3.DataSource");
        }
    }
}
