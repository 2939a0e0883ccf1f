//! Cookie crumbs (RFC 9113 §8.2.3): several fields become one before they go anywhere else.

use super::super::hpack::FieldRef;
use crate::Fields;
use crate::kind::Kind;

/// Between crumbs.
const SEPARATOR: &[u8] = b"; ";

/// Crumbs that came so far. Neighbours are joined as they come, which is how clients send them; others
/// once all are there, so that no crumb is moved twice.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    /// Fields that have to be joined.
    parts: u32,
}

impl Cookies {
    pub(super) fn add(&mut self, field: &FieldRef<'_>, fields: &mut Fields) {
        let value = field.value;
        if self.parts > 0 && fields.extend_last(field.name, SEPARATOR, value, field.never_indexed) {
            return;
        }
        self.parts += 1;
        fields.take_line(field.name, value, Kind::Plain, field.never_indexed);
    }

    pub(super) fn join(&self, fields: &mut Fields) {
        if self.parts > 1 {
            fields.join(b"cookie", SEPARATOR);
        }
    }
}
