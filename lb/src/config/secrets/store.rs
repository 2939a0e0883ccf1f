//! Secrets by their places, and what is made of them.

use super::{Fault, Outcome, Recipe, SecretStats, Value, recipe::Print};
use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};
use xds::api::envoy::extensions::transport_sockets::tls::v3::Secret;

/// Something that is made of secrets.
pub(in crate::config) trait Use: Send + Sync {
    /// The places of the secrets.
    fn secrets(&self) -> Vec<usize>;

    /// Makes it anew because `changed` did; nothing is replaced before what is returned is called.
    ///
    /// # Errors
    /// What is wrong with the secrets together.
    fn remake(&self, store: &Values<'_>, changed: usize) -> Result<Box<dyn FnOnce()>, String>;

    /// Makes a new key for its session tickets, if it has random ones.
    fn rotate_tickets(&self, now: tls::Now);
}

/// The secrets as they would be after a change.
pub(in crate::config) struct Values<'a> {
    entries: &'a [Entry],
    changed: Option<(usize, &'a Value)>,
}

/// All secrets.
#[derive(Default)]
pub(in crate::config) struct Store {
    entries: Vec<Entry>,
    names: HashMap<String, usize>,
    uses: Vec<Arc<dyn Use>>,
}

struct Entry {
    name: String,
    recipe: Recipe,
    value: Value,
    /// Of what was read last, usable or not.
    print: Print,
    updates: u64,
    failures: u64,
}

impl Values<'_> {
    /// A secret as it would be.
    pub(in crate::config) fn get(&self, index: usize) -> &Value {
        match self.changed {
            Some((changed, value)) if changed == index => value,
            Some(_) | None => &self.entries[index].value,
        }
    }

    /// A secret's recipe.
    pub(in crate::config) fn recipe(&self, index: usize) -> &Recipe {
        &self.entries[index].recipe
    }
}

impl Store {
    /// Adds a secret; `path`: what it is called if it has neither a name nor a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::config) fn add(&mut self, path: &str, recipe: Recipe) -> Result<usize, Fault> {
        let (print, value) = recipe.read();
        self.entries.push(Entry {
            name: recipe.file_name().unwrap_or_else(|| path.to_owned()),
            recipe,
            value: value?,
            print,
            updates: 0,
            failures: 0,
        });
        Ok(self.entries.len() - 1)
    }

    /// Adds a secret with a name; `Ok(false)`: the name is taken.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::config) fn add_named(&mut self, secret: &Secret) -> Result<bool, Fault> {
        let recipe = Recipe::of(secret);
        let recipe = recipe.ok_or_else(|| Fault::new("", "it has no type"))?;
        if self.names.contains_key(&secret.name) {
            return Ok(false);
        }
        let index = self.add(&secret.name, recipe)?;
        self.entries[index].name.clone_from(&secret.name);
        self.names.insert(secret.name.clone(), index);
        Ok(true)
    }

    /// The place of a secret by its name.
    pub(in crate::config) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// Adds what is made of them.
    pub(in crate::config) fn add_use(&mut self, used: Arc<dyn Use>) {
        self.uses.push(used);
    }

    /// The secrets as they are.
    pub(in crate::config) fn values(&self) -> Values<'_> {
        Values {
            entries: &self.entries,
            changed: None,
        }
    }

    pub(super) fn reload(&mut self, is_changed: impl Fn(&Path) -> bool) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for index in 0..self.entries.len() {
            let directories = self.entries[index].recipe.directories();
            if directories.iter().any(|directory| is_changed(directory)) {
                let recipe = self.entries[index].recipe.clone();
                outcomes.extend(self.change(index, recipe));
            }
        }
        outcomes
    }

    pub(super) fn set(&mut self, secret: &Secret) -> Option<Outcome> {
        let index = self.named(&secret.name)?;
        let Some(recipe) = Recipe::of(secret) else {
            return Some(self.fail(index, "it has no type".into()));
        };
        let kinds = [&recipe, &self.entries[index].recipe].map(std::mem::discriminant);
        if kinds[0] != kinds[1] {
            return Some(self.fail(index, "it is of another type than before".into()));
        }
        Some(self.change(index, recipe).unwrap_or(Outcome {
            secret: secret.name.clone(),
            error: None,
        }))
    }

    /// Reads a secret; `None`: nothing of it has changed.
    fn change(&mut self, index: usize, recipe: Recipe) -> Option<Outcome> {
        let (print, value) = recipe.read();
        let entry = &mut self.entries[index];
        if std::mem::replace(&mut entry.print, print) == print {
            return None;
        }
        let told = |fault: Fault| format!("{}: {}", fault.field, fault.reason);
        let replaced = value.map_err(told).and_then(|value| {
            self.remake(index, &value)?;
            Ok(value)
        });
        let value = match replaced {
            Ok(value) => value,
            Err(error) => return Some(self.fail(index, error)),
        };
        let entry = &mut self.entries[index];
        (entry.value, entry.recipe) = (value, recipe);
        entry.updates += 1;
        Some(Outcome {
            secret: entry.name.clone(),
            error: None,
        })
    }

    /// Makes anew all that a secret is used for, or nothing.
    fn remake(&self, index: usize, value: &Value) -> Result<(), String> {
        let values = Values {
            entries: &self.entries,
            changed: Some((index, value)),
        };
        let used = self
            .uses
            .iter()
            .filter(|used| used.secrets().contains(&index));
        let made: Result<Vec<_>, _> = used.map(|used| used.remake(&values, index)).collect();
        made?.into_iter().for_each(|put| put());
        Ok(())
    }

    fn fail(&mut self, index: usize, error: String) -> Outcome {
        let entry = &mut self.entries[index];
        entry.failures += 1;
        Outcome {
            secret: entry.name.clone(),
            error: Some(error),
        }
    }

    pub(super) fn directories(&self) -> BTreeSet<PathBuf> {
        let directories = self.entries.iter().map(|entry| entry.recipe.directories());
        directories.flatten().collect()
    }

    pub(super) fn stats(&self) -> Vec<SecretStats> {
        let stats = |entry: &Entry| SecretStats {
            secret: entry.name.clone(),
            updates: entry.updates,
            update_failures: entry.failures,
            expires: match &entry.value {
                Value::Certificate(identity) => Some(identity.expires()),
                Value::Tickets(_) | Value::Trust(_) => None,
            },
        };
        self.entries.iter().map(stats).collect()
    }

    pub(super) fn rotate_tickets(&self, now: tls::Now) {
        self.uses.iter().for_each(|used| used.rotate_tickets(now));
    }
}
