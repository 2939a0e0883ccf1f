//! What is sent.

use super::{
    Keys, kind,
    plan::{Pace, Plan, Planned},
};
use crate::Now;

/// KeyUpdate with `update_not_requested` (RFC 8446 §4.6.3).
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// Makes records.
pub(crate) struct Sealer {
    keys: Keys,
    pace: Pace,
    records_max: u64,
    is_due: bool,
}

/// Why no more can be sent.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The keys have been used for as many records as they may.
    UsedUp,
    /// The cipher or rustls failed.
    Failed(String),
}

impl Sealer {
    /// `records_max`: records that one key may be used for.
    pub(crate) fn new(keys: Keys, records_max: u64, now: Now) -> Self {
        Self {
            keys,
            pace: Pace::new(now),
            records_max,
            is_due: false,
        }
    }

    /// A KeyUpdate goes before the next data.
    pub(crate) fn ask_update(&mut self) {
        self.is_due = true;
    }

    /// The keys of what follows a KeyUpdate.
    pub(crate) fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// Keys that cannot be changed have been used for 7/8 of the records that they may be used for.
    pub(crate) fn is_nearly_used_up(&self) -> bool {
        let nearly = self.records_max - self.records_max / 8;
        !self.keys.is_tls13() && self.keys.seq() >= nearly
    }

    /// Bytes of the records that so much data goes in.
    pub(crate) fn sealed_len(&self, now: Now, data: usize) -> usize {
        let records = self.plan(now, data).map(|planned| match planned {
            Planned::Update => KEY_UPDATE.len() + self.keys.overhead(),
            Planned::Data(len) => len + self.keys.overhead(),
            Planned::UsedUp => 0,
        });
        records.sum()
    }

    /// Makes the records that data goes in; `next_keys` gives those that follow a KeyUpdate.
    pub(crate) fn seal(
        &mut self,
        now: Now,
        data: &[&[u8]],
        mut out: &mut [u8],
        mut next_keys: impl FnMut() -> Result<Keys, String>,
    ) -> Result<(), Refused> {
        let mut plan = self.plan(now, data.iter().map(|piece| piece.len()).sum());
        // Before any of it: a record that is made and not sent would leave a gap before the alert that follows.
        if !plan.has_update && plan.into_iter().any(|planned| planned == Planned::UsedUp) {
            return Err(Refused::UsedUp);
        }
        let mut pieces = Pieces {
            rest: data,
            first: &[],
        };
        for planned in plan.by_ref() {
            out = match planned {
                Planned::Update => {
                    let out =
                        self.record(kind::HANDSHAKE, &mut Pieces::of(&[&KEY_UPDATE]), 5, out)?;
                    self.keys = next_keys().map_err(Refused::Failed)?;
                    out
                }
                Planned::Data(len) => self.record(kind::DATA, &mut pieces, len, out)?,
                Planned::UsedUp => return Err(Refused::UsedUp),
            };
        }
        (self.pace, self.is_due) = (plan.pace, plan.is_due);
        // What would stay of it is whatever the memory held before.
        match out.is_empty() {
            true => Ok(()),
            false => Err(Refused::Failed("records are shorter than planned".into())),
        }
    }

    /// Appends a record of another type; it does not count against the limit.
    pub(crate) fn write(
        &mut self,
        kind: u8,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let start = out.len();
        out.resize(start + data.len() + self.keys.overhead(), 0);
        let sealed = self.record(
            kind,
            &mut Pieces::of(&[data]),
            data.len(),
            &mut out[start..],
        );
        sealed.map(|_| ())
    }

    fn plan(&self, now: Now, data: usize) -> Plan {
        Plan {
            pace: self.pace.at(now),
            data,
            seq: self.keys.seq(),
            records_max: self.records_max,
            has_update: self.keys.is_tls13(),
            is_due: self.is_due,
        }
    }

    /// One record at the beginning of `out`; returns what follows it.
    fn record<'a>(
        &mut self,
        kind: u8,
        pieces: &mut Pieces<'_>,
        len: usize,
        out: &'a mut [u8],
    ) -> Result<&'a mut [u8], Refused> {
        let prefix = self.keys.prefix();
        let (record, rest) = out.split_at_mut(len + self.keys.overhead());
        pieces.copy(&mut record[prefix..prefix + len]);
        let sealed = self.keys.seal(kind, record);
        sealed.ok_or_else(|| Refused::Failed("a record could not be encrypted".into()))?;
        Ok(rest)
    }
}

/// Data in pieces, as far as it is not taken.
struct Pieces<'a> {
    rest: &'a [&'a [u8]],
    first: &'a [u8],
}

impl<'a> Pieces<'a> {
    fn of(rest: &'a [&'a [u8]]) -> Self {
        Self { rest, first: &[] }
    }

    /// Fills `to`; there is as much.
    fn copy(&mut self, mut to: &mut [u8]) {
        while !to.is_empty() {
            if self.first.is_empty() {
                let Some((first, rest)) = self.rest.split_first() else {
                    return debug_assert!(false, "more records than data");
                };
                (self.first, self.rest) = (first, rest);
            }
            let len = to.len().min(self.first.len());
            let (now, later) = self.first.split_at(len);
            to[..len].copy_from_slice(now);
            (self.first, to) = (later, &mut to[len..]);
        }
    }
}
