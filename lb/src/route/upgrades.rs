//! Which upgrades of HTTP/1 (RFC 9110 §7.8), and their extended CONNECTs (RFC 8441), are let through.

/// Names of protocols in lower case, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrades(Vec<Box<[u8]>>);

impl Upgrades {
    /// Lets a protocol through, or does so no longer.
    pub fn set(&mut self, name: &[u8], allowed: bool) {
        self.0.retain(|known| !known.eq_ignore_ascii_case(name));
        if allowed {
            self.0.push(name.to_ascii_lowercase().into());
        }
    }

    /// Lets through what others do too.
    pub fn add(&mut self, others: &Self) {
        others.0.iter().for_each(|name| self.set(name, true));
    }

    /// Whether a request may ask for a protocol; case does not count.
    pub fn allows(&self, name: &[u8]) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_last_counts_whatever_its_case() {
        let mut upgrades = Upgrades::default();
        assert!(!upgrades.allows(b"websocket"));
        upgrades.set(b"WebSocket", true);
        upgrades.set(b"websocket", true);
        assert!(upgrades.allows(b"websocket") && upgrades.allows(b"WEBSOCKET"));
        assert!(!upgrades.allows(b"websocket2") && !upgrades.allows(b""));
        upgrades.set(b"WEBSOCKET", false);
        assert_eq!(upgrades, Upgrades::default());
        let mut others = Upgrades::default();
        for (own, theirs) in [("a", "a"), ("b", "c")] {
            upgrades.set(own.as_bytes(), true);
            others.set(theirs.as_bytes(), true);
        }
        upgrades.add(&others);
        assert!(
            ["a", "b", "c"]
                .iter()
                .all(|name| upgrades.allows(name.as_bytes()))
        );
    }
}
