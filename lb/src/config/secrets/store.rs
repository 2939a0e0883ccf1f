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

    /// Makes it anew because secrets changed; nothing is replaced before what is returned is called.
    ///
    /// # Errors
    /// What is wrong with the secrets together.
    fn remake(&self, values: &Values<'_>, changed: &[usize]) -> Result<Box<dyn FnOnce()>, String>;

    /// Makes a new key for its session tickets, if it has random ones.
    fn rotate_tickets(&self, now: tls::Now);
}

/// The secrets as they would be after a change.
pub(in crate::config) struct Values<'a> {
    entries: &'a [Entry],
    changed: Vec<(usize, &'a Value)>,
}

/// All secrets.
#[derive(Default)]
pub(in crate::config) struct Store {
    entries: Vec<Entry>,
    /// `None`: the secret of this name cannot be used, which has been told of.
    names: HashMap<String, Option<usize>>,
    uses: Vec<Arc<dyn Use>>,
}

struct Entry {
    name: String,
    recipe: Recipe,
    value: Value,
    /// Of what was read last, usable or not.
    print: Print,
    /// What was read last, if it is in order but cannot be used with the others as they are.
    waiting: Option<(Value, Recipe)>,
    updates: u64,
    failures: u64,
}

impl Values<'_> {
    /// A secret as it would be.
    pub(in crate::config) fn get(&self, index: usize) -> &Value {
        let changed = self.changed.iter().find(|(changed, _)| *changed == index);
        changed.map_or(&self.entries[index].value, |(_, value)| value)
    }
}

impl Store {
    /// Adds a secret; `path`: what it is called if it has neither a name nor a file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(in crate::config) fn add(
        &mut self,
        path: &str,
        recipe: Recipe,
    ) -> Result<usize, Vec<Fault>> {
        let (print, value) = recipe.read();
        self.entries.push(Entry {
            name: recipe.file_name().unwrap_or_else(|| path.to_owned()),
            recipe,
            value: value?,
            print,
            waiting: None,
            updates: 0,
            failures: 0,
        });
        Ok(self.entries.len() - 1)
    }

    /// Adds a secret with a name; `Ok(false)`: the name is taken.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(in crate::config) fn add_named(&mut self, secret: &Secret) -> Result<bool, Vec<Fault>> {
        if self.names.contains_key(&secret.name) {
            return Ok(false);
        }
        self.names.insert(secret.name.clone(), None);
        let recipe = Recipe::of(secret);
        let recipe = recipe.ok_or_else(|| vec![Fault::new("", "it has no type")])?;
        let index = self.add(&secret.name, recipe)?;
        self.entries[index].name.clone_from(&secret.name);
        self.names.insert(secret.name.clone(), Some(index));
        Ok(true)
    }

    /// The place of a secret by its name.
    pub(in crate::config) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied().flatten()
    }

    /// There is a secret of this name, and it cannot be used.
    pub(in crate::config) fn is_broken(&self, name: &str) -> bool {
        self.names.get(name) == Some(&None)
    }

    /// Adds what is made of them.
    pub(in crate::config) fn add_use(&mut self, used: Arc<dyn Use>) {
        self.uses.push(used);
    }

    /// The secrets as they are.
    pub(in crate::config) fn values(&self) -> Values<'_> {
        Values {
            entries: &self.entries,
            changed: Vec::new(),
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
        let outcomes = self.change(index, recipe);
        let own = outcomes.into_iter().find(|one| one.secret == secret.name);
        Some(own.unwrap_or_else(|| self.replaced(index)))
    }

    /// Reads a secret, and uses it with those that wait for others if need be; nothing of it may have changed.
    fn change(&mut self, index: usize, recipe: Recipe) -> Vec<Outcome> {
        let (print, value) = recipe.read();
        let entry = &mut self.entries[index];
        if std::mem::replace(&mut entry.print, print) == print {
            return Vec::new();
        }
        entry.waiting = None;
        match value {
            Ok(value) => entry.waiting = Some((value, recipe)),
            Err(faults) => {
                let told: Vec<_> = faults.iter().map(Fault::to_string).collect();
                return vec![self.fail(index, told.join("; "))];
            }
        }
        let used = self.take(&[index]).or_else(|error| {
            let all: Vec<_> = self.waiting().collect();
            self.take(&all).map_err(|_| error)
        });
        match used {
            Ok(mut outcomes) => {
                self.retry(&mut outcomes);
                outcomes
            }
            Err(error) => vec![self.fail(index, error)],
        }
    }

    /// The secrets that wait for others.
    fn waiting(&self) -> impl Iterator<Item = usize> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(index, entry)| entry.waiting.as_ref().map(|_| index))
    }

    /// Uses those that wait and can be used now that another has changed.
    fn retry(&mut self, outcomes: &mut Vec<Outcome>) {
        let mut waiting: Vec<_> = self.waiting().collect();
        while let Some(at) = waiting.iter().position(|index| {
            let taken = self.take(&[*index]);
            taken.is_ok_and(|mut taken| {
                outcomes.append(&mut taken);
                true
            })
        }) {
            waiting.remove(at);
        }
    }

    /// Uses secrets that wait, all or none.
    fn take(&mut self, indices: &[usize]) -> Result<Vec<Outcome>, String> {
        self.remake(indices)?;
        let taken = indices.iter().map(|index| {
            let entry = &mut self.entries[*index];
            if let Some((value, recipe)) = entry.waiting.take() {
                (entry.value, entry.recipe) = (value, recipe);
                entry.updates += 1;
            }
            self.replaced(*index)
        });
        Ok(taken.collect())
    }

    /// Makes anew all that secrets which wait are used for, or nothing.
    fn remake(&self, indices: &[usize]) -> Result<(), String> {
        let changed = indices.iter().filter_map(|index| {
            let (value, _) = self.entries[*index].waiting.as_ref()?;
            Some((*index, value))
        });
        let values = Values {
            entries: &self.entries,
            changed: changed.collect(),
        };
        let is_used = |used: &&Arc<dyn Use>| {
            let mut secrets = used.secrets().into_iter();
            secrets.any(|secret| indices.contains(&secret))
        };
        let used = self.uses.iter().filter(is_used);
        let made: Result<Vec<_>, _> = used.map(|used| used.remake(&values, indices)).collect();
        made?.into_iter().for_each(|put| put());
        Ok(())
    }

    fn replaced(&self, index: usize) -> Outcome {
        Outcome {
            secret: self.entries[index].name.clone(),
            error: None,
        }
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

    /// Entries of one name, such as a file that several listeners name, are told as one.
    pub(super) fn stats(&self) -> Vec<SecretStats> {
        let of_entry = |entry: &Entry| SecretStats {
            secret: entry.name.clone(),
            updates: entry.updates,
            update_failures: entry.failures,
            expires: match &entry.value {
                Value::Certificate(identity) => Some(identity.expires()),
                Value::Tickets(_) | Value::Trust(_) => None,
            },
            staple_expires: match &entry.value {
                Value::Certificate(identity) => identity.staple_expires(),
                Value::Tickets(_) | Value::Trust(_) => None,
            },
        };
        let mut stats: Vec<SecretStats> = Vec::new();
        for one in self.entries.iter().map(of_entry) {
            match stats.iter_mut().find(|other| other.secret == one.secret) {
                Some(other) => other.join(one),
                None => stats.push(one),
            }
        }
        stats
    }

    pub(super) fn rotate_tickets(&self, now: tls::Now) {
        self.uses.iter().for_each(|used| used.rotate_tickets(now));
    }
}

#[cfg(test)]
mod tests;
