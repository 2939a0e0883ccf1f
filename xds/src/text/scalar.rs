//! Single values: numbers, texts, enums, and the well-known messages that are written as one value.

use super::{
    tree::{Node, Value},
    walk::did_you_mean,
};
use prost_reflect::{DynamicMessage, EnumDescriptor, Kind, MessageDescriptor, Value as Proto};

/// A value of a scalar or enum type.
pub(super) fn parse(node: &Node, kind: &Kind) -> Result<Proto, String> {
    match (kind, &node.value) {
        (Kind::Bool, Value::Bool(value)) => Ok(Proto::Bool(*value)),
        (Kind::String, Value::Text(text)) => Ok(Proto::String(text.clone())),
        (Kind::Bytes, Value::Text(text)) => base64(text)
            .map(|b| Proto::Bytes(b.into()))
            .ok_or("not valid base64".into()),
        (Kind::Enum(descriptor), value) => enumeration(value, descriptor),
        (Kind::Double, _) => number(node).map(Proto::F64),
        (Kind::Float, _) => number(node).map(|n| Proto::F32(n as f32)),
        (Kind::Int32 | Kind::Sint32 | Kind::Sfixed32, _) => {
            integer(node, i32::MIN.into(), i32::MAX.into()).map(|n| Proto::I32(n as i32))
        }
        (Kind::Int64 | Kind::Sint64 | Kind::Sfixed64, _) => {
            integer(node, i64::MIN.into(), i64::MAX.into()).map(|n| Proto::I64(n as i64))
        }
        (Kind::Uint32 | Kind::Fixed32, _) => {
            integer(node, 0, u32::MAX.into()).map(|n| Proto::U32(n as u32))
        }
        (Kind::Uint64 | Kind::Fixed64, _) => {
            integer(node, 0, u64::MAX.into()).map(|n| Proto::U64(n as u64))
        }
        (Kind::Bool, value) => Err(format!("expected true or false, found {}", value.kind())),
        (Kind::String | Kind::Bytes, value) => Err(format!(
            "expected a text, found {}; put it in quotes",
            value.kind()
        )),
        (Kind::Message(_), value) => Err(format!("expected a message, found {}", value.kind())),
    }
}

fn number(node: &Node) -> Result<f64, String> {
    match &node.value {
        Value::Float(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        other
        @ (Value::Bool(_) | Value::List(_) | Value::Map(_) | Value::Null | Value::Text(_)) => {
            Err(format!("expected a number, found {}", other.kind()))
        }
    }
}

fn integer(node: &Node, low: i128, high: i128) -> Result<i128, String> {
    let value = match &node.value {
        Value::Int(value) => *value,
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => *value as i128,
        // Protobuf's JSON writes 64-bit numbers as text.
        Value::Text(text) => text
            .parse()
            .map_err(|_| format!("expected a whole number, found `{text}`"))?,
        Value::Float(value) => return Err(format!("expected a whole number, found {value}")),
        other @ (Value::Bool(_) | Value::List(_) | Value::Map(_) | Value::Null) => {
            return Err(format!("expected a whole number, found {}", other.kind()));
        }
    };
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{value} is not between {low} and {high}"))
    }
}

fn enumeration(value: &Value, descriptor: &EnumDescriptor) -> Result<Proto, String> {
    match value {
        Value::Text(name) => match descriptor.get_value_by_name(name) {
            Some(found) => Ok(Proto::EnumNumber(found.number())),
            None => {
                let names: Vec<_> = descriptor.values().map(|v| v.name().to_owned()).collect();
                let near = did_you_mean(name, names.iter().cloned());
                let list = names.join(", ");
                Err(format!(
                    "`{name}` is unknown or not supported, only {list}{near}"
                ))
            }
        },
        Value::Int(number) => {
            let found = i32::try_from(*number)
                .ok()
                .and_then(|n| descriptor.get_value(n));
            found.map(|v| Proto::EnumNumber(v.number())).ok_or_else(|| {
                format!(
                    "{number} is unknown or not supported in {}",
                    descriptor.name()
                )
            })
        }
        other @ (Value::Bool(_)
        | Value::Float(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Null) => Err(format!(
            "expected a name of {}, found {}",
            descriptor.name(),
            other.kind()
        )),
    }
}

/// Whether a message is written as one value.
pub(super) fn is_well_known(descriptor: &MessageDescriptor) -> bool {
    descriptor.full_name().starts_with("google.protobuf.")
}

/// A well-known message; `None`: it is not one.
pub(super) fn well_known(
    node: &Node,
    descriptor: &MessageDescriptor,
) -> Option<Result<DynamicMessage, String>> {
    let name = descriptor.full_name().strip_prefix("google.protobuf.")?;
    Some(match name {
        "Any" => return None,
        "Duration" => duration(node, descriptor),
        "Struct" => structure(&node.value, descriptor),
        "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value" | "Int64Value"
        | "StringValue" | "UInt32Value" | "UInt64Value" => wrapper(node, descriptor),
        other => Err(format!("google.protobuf.{other} is not supported")),
    })
}

fn wrapper(node: &Node, descriptor: &MessageDescriptor) -> Result<DynamicMessage, String> {
    let mut message = DynamicMessage::new(descriptor.clone());
    let field = descriptor.get_field(1).ok_or("a wrapper has one field")?;
    message.set_field(&field, parse(node, &field.kind())?);
    Ok(message)
}

fn duration(node: &Node, descriptor: &MessageDescriptor) -> Result<DynamicMessage, String> {
    const FORM: &str = "expected a duration such as 5s or 0.25s";
    let Value::Text(text) = &node.value else {
        return Err(format!("{FORM}, found {}", node.value.kind()));
    };
    let wrong = || format!("{FORM}, found `{text}`");
    let digits = text.strip_suffix('s').ok_or_else(wrong)?;
    let (digits, sign) = digits
        .strip_prefix('-')
        .map_or((digits, 1), |rest| (rest, -1));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || fraction.len() > 9 {
        return Err(wrong());
    }
    let seconds: i64 = whole.parse().map_err(|_| wrong())?;
    let nanos: i32 = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
    // The range that protobuf documents: 10 000 years.
    if seconds > 315_576_000_000 {
        return Err(format!("{text} is longer than 10 000 years"));
    }
    let mut message = DynamicMessage::new(descriptor.clone());
    message.set_field_by_name("seconds", Proto::I64(sign * seconds));
    message.set_field_by_name("nanos", Proto::I32(sign as i32 * nanos));
    Ok(message)
}

fn structure(value: &Value, descriptor: &MessageDescriptor) -> Result<DynamicMessage, String> {
    let Value::Map(entries) = value else {
        return Err(format!("expected a map, found {}", value.kind()));
    };
    let mut message = DynamicMessage::new(descriptor.clone());
    let fields = descriptor
        .get_field_by_name("fields")
        .ok_or("a Struct has fields")?;
    let Kind::Message(entry) = fields.kind() else {
        return Err("a Struct is a map".into());
    };
    let Kind::Message(inner) = entry.map_entry_value_field().kind() else {
        return Err("a Struct holds values".into());
    };
    let mut map = std::collections::HashMap::new();
    for (key, node) in entries {
        let value = Proto::Message(dynamic_value(&node.value, &inner)?);
        map.insert(prost_reflect::MapKey::String(key.name.clone()), value);
    }
    message.set_field(&fields, Proto::Map(map));
    Ok(message)
}

/// A `google.protobuf.Value`.
fn dynamic_value(value: &Value, descriptor: &MessageDescriptor) -> Result<DynamicMessage, String> {
    let mut message = DynamicMessage::new(descriptor.clone());
    let inner = |name: &str| -> Result<MessageDescriptor, String> {
        match descriptor.get_field_by_name(name).map(|field| field.kind()) {
            Some(Kind::Message(inner)) => Ok(inner),
            Some(_) | None => Err(format!("a Value has no {name}")),
        }
    };
    match value {
        Value::Bool(value) => message.set_field_by_name("bool_value", Proto::Bool(*value)),
        Value::Float(value) => message.set_field_by_name("number_value", Proto::F64(*value)),
        Value::Int(value) => message.set_field_by_name("number_value", Proto::F64(*value as f64)),
        Value::Null => message.set_field_by_name("null_value", Proto::EnumNumber(0)),
        Value::Text(text) => message.set_field_by_name("string_value", Proto::String(text.clone())),
        Value::Map(_) => {
            let map = structure(value, &inner("struct_value")?)?;
            message.set_field_by_name("struct_value", Proto::Message(map));
        }
        Value::List(items) => {
            let values: Result<Vec<_>, _> = items
                .iter()
                .map(|item| dynamic_value(&item.value, descriptor).map(Proto::Message))
                .collect();
            let mut list = DynamicMessage::new(inner("list_value")?);
            list.set_field_by_name("values", Proto::List(values?));
            message.set_field_by_name("list_value", Proto::Message(list));
        }
    }
    Ok(message)
}

/// Standard or URL-safe base64, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    (text.len() % 4 != 1).then_some(out)
}
