//! The media types of gRPC-Web and what they are in gRPC.

/// How a body of gRPC-Web is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// As the bytes are (`application/grpc-web`).
    #[default]
    Binary,
    /// In base64 (`application/grpc-web-text`).
    Text,
}

/// A media type of gRPC-Web.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Media<'a> {
    pub(super) form: Form,
    /// The format of messages with its `+`, as in `+proto`; empty if it is not told.
    pub(super) format: &'a [u8],
}

const WEB: &[u8] = b"application/grpc-web";
const TEXT: &[u8] = b"-text";
const GRPC: &[u8] = b"application/grpc";
/// What a client that names no format is answered with.
const USUAL_FORMAT: &[u8] = b"+proto";

/// Reads a `content-type`, or one media range of an `accept`; `None`: not gRPC-Web's.
pub(super) fn parse(value: &[u8]) -> Option<Media<'_>> {
    let value = value.split(|byte| *byte == b';').next()?.trim_ascii();
    let rest = strip(value, WEB)?;
    let (form, format) = match strip(rest, TEXT) {
        Some(rest) => (Form::Text, rest),
        None => (Form::Binary, rest),
    };
    // RFC 6838 §4.2: what is behind another letter is another media type.
    matches!(format, [] | [b'+', _, ..]).then_some(Media { form, format })
}

/// What an `accept` asks for first, if that is one of gRPC-Web's types.
pub(super) fn accepted(accept: &[u8]) -> Option<Form> {
    let ranges = accept.split(|byte| *byte == b',');
    ranges.filter_map(parse).map(|media| media.form).next()
}

/// gRPC's content type for messages of that format.
pub(super) fn grpc(format: &[u8]) -> Vec<u8> {
    [GRPC, format].concat()
}

/// gRPC-Web's content type for an answer of `content_type` to a request of `format`.
pub(super) fn answer(form: Form, content_type: &[u8], format: &[u8]) -> Vec<u8> {
    let media_type = content_type.split(|byte| *byte == b';').next();
    let media_type = media_type.unwrap_or_default().trim_ascii();
    let own = parse(media_type).map(|media| media.format);
    let own = own.or_else(|| strip(media_type, GRPC).filter(|rest| rest.starts_with(b"+")));
    let known = [own.unwrap_or_default(), format, USUAL_FORMAT];
    let format = known.into_iter().find(|format| !format.is_empty());
    let form: &[u8] = match form {
        Form::Binary => b"",
        Form::Text => TEXT,
    };
    [WEB, form, format.unwrap_or_default()].concat()
}

/// What follows a prefix; RFC 9110 §8.3.1: case does not count.
fn strip<'a>(value: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = value.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_types_are_told_from_others() {
        let media = |form, format: &'static str| {
            let format = format.as_bytes();
            Some(Media { form, format })
        };
        for (value, expected) in [
            ("application/grpc-web", media(Form::Binary, "")),
            ("application/grpc-web+proto", media(Form::Binary, "+proto")),
            ("application/grpc-web-text", media(Form::Text, "")),
            (
                "application/grpc-web-text+thrift",
                media(Form::Text, "+thrift"),
            ),
            (
                "Application/gRPC-Web-Text+proto ; a=b",
                media(Form::Text, "+proto"),
            ),
            ("application/grpc-web+", None),
            ("application/grpc-webby", None),
            ("application/grpc-web-texts", None),
            ("application/grpc", None),
            ("application/grpc+proto", None),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(parse(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn an_answer_s_form_is_the_first_of_ours_that_is_accepted() {
        for (accept, expected) in [
            ("application/grpc-web-text", Some(Form::Text)),
            ("application/grpc-web+proto", Some(Form::Binary)),
            ("text/html, application/grpc-web-text;q=1", Some(Form::Text)),
            (
                "application/grpc-web, application/grpc-web-text",
                Some(Form::Binary),
            ),
            ("*/*", None),
            ("", None),
        ] {
            assert_eq!(accepted(accept.as_bytes()), expected, "{accept}");
        }
    }

    #[test]
    fn an_answer_s_type_names_a_format_always() {
        for (form, content_type, format, expected) in [
            (
                Form::Binary,
                "application/grpc",
                "",
                "application/grpc-web+proto",
            ),
            (
                Form::Text,
                "application/grpc",
                "+json",
                "application/grpc-web-text+json",
            ),
            (
                Form::Text,
                "application/grpc+json;a=b",
                "+proto",
                "application/grpc-web-text+json",
            ),
            (
                Form::Binary,
                "application/grpc-web+json",
                "",
                "application/grpc-web+json",
            ),
            (
                Form::Binary,
                "text/html",
                "+json",
                "application/grpc-web+json",
            ),
            (Form::Binary, "", "", "application/grpc-web+proto"),
        ] {
            let found = answer(form, content_type.as_bytes(), format.as_bytes());
            assert_eq!(
                String::from_utf8(found).unwrap(),
                expected,
                "{content_type}"
            );
        }
        assert_eq!(grpc(b"+proto"), b"application/grpc+proto");
    }
}
