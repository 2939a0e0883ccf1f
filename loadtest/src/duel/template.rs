//! Configuration templates: text with `@NAME@` where something is filled in.

/// What is filled in.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens(Vec<(&'static str, String)>);

impl Tokens {
    pub(super) fn set(&mut self, name: &'static str, value: impl ToString) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.to_string()));
    }

    /// The text with every `@NAME@` replaced; what is filled in is not looked at again.
    ///
    /// # Errors
    /// The text names what nobody set.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((before, behind)) = rest.split_once('@') {
            filled += before;
            let name = behind.split_once('@').filter(|(name, _)| is_name(name));
            rest = match name {
                None => {
                    filled.push('@');
                    behind
                }
                Some((name, behind)) => {
                    let found = self.0.iter().find(|(known, _)| *known == name);
                    let (_, value) = found.ok_or_else(|| format!("nothing fills @{name}@"))?;
                    filled += value;
                    behind
                }
            };
        }
        filled += rest;
        Ok(filled)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_other_at_signs_stay() {
        let mut tokens = Tokens::default();
        tokens.set("A", 1);
        tokens.set("A", 2);
        tokens.set("B_C", "@A@");
        for (text, want) in [
            ("", Ok("")),
            ("x@A@y@B_C@", Ok("x2y@A@")),
            ("\"@type\": @A@", Ok("\"@type\": 2")),
            ("a@b.example @", Ok("a@b.example @")),
            ("@D@", Err("nothing fills @D@")),
            ("@H2C@", Err("nothing fills @H2C@")),
        ] {
            let filled = tokens.fill(text);
            assert_eq!(filled.as_deref().map_err(String::as_str), want, "{text}");
        }
    }
}
