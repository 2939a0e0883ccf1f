//! Where one direction of a stream stands: how far its head has come, and what waits at each filter.
//!
//! Bytes are at exactly one place: in the half's `incoming`, at one stage, or in the half's `ready`.

use crate::stream::Half;
use engines::BufList;

/// One direction of a stream on its way through the filters.
#[derive(Default)]
pub(super) struct Direction {
    /// One a filter, in the order in which this direction passes them.
    pub(super) stages: Vec<Stage>,
    /// Filters that the head has passed.
    pub(super) head_at: usize,
    /// The head ends the message: data hooks are not called. Known from the first hook on.
    is_bare: Option<bool>,
    /// The end of the message was taken from the half.
    end_taken: bool,
}

/// What waits at one filter.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) hold: Option<Hold>,
    /// Waits for the data hook.
    pub(super) unseen: BufList,
    /// Has seen the data hook, and goes on when the filter lets go.
    pub(super) seen: BufList,
    pub(super) end: End,
}

/// Why a filter lets nothing go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// It wants the whole body.
    Collect,
    /// Until a later hook of it continues.
    Pause,
}

/// Where the end of the message stands at a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// Not here.
    #[default]
    Away,
    /// Behind what the data hook has not seen.
    Unseen,
    /// The data hook has seen it, the trailers hook not.
    Data,
    /// Every hook has seen it.
    Seen,
}

/// What a filter can do next.
pub(super) enum Work {
    /// More was collected than is allowed.
    Overflow(usize),
    /// Its data hook is to be called; `true`: with the whole body.
    Data(usize, bool),
    /// What it held goes on.
    Seen(usize),
}

impl Direction {
    /// A message that has to pass that many filters.
    pub(super) fn new(filters: usize) -> Self {
        Self {
            stages: (0..filters).map(|_| Stage::default()).collect(),
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.stages.len()
    }

    pub(super) fn has_passed(&self) -> bool {
        self.head_at == self.len()
    }

    /// Whether the head ends the message, as the first filter was told.
    pub(super) fn is_bare(&mut self, half: &Half) -> bool {
        *self.is_bare.get_or_insert_with(|| half.is_bare())
    }

    pub(super) fn held_bytes(&self) -> usize {
        let bytes = |stage: &Stage| stage.unseen.len() + stage.seen.len();
        self.stages.iter().map(bytes).sum()
    }

    pub(super) fn settle(&mut self) {
        for stage in &mut self.stages {
            stage.unseen.settle();
            stage.seen.settle();
        }
    }

    /// The filter at `position` lets go of what it holds.
    pub(super) fn release(&mut self, position: usize) {
        if self.stages[position].hold.take().is_some() {
            self.pass_head(position);
        }
    }

    /// The head goes on if it was held at `position`.
    pub(super) fn pass_head(&mut self, position: usize) {
        self.head_at += usize::from(self.head_at == position);
    }

    /// Takes in what has arrived; false if there is nothing.
    pub(super) fn take_in(&mut self, half: &mut Half) -> bool {
        let end = half.incoming_end && !self.end_taken;
        if half.incoming.is_empty() && !end {
            return false;
        }
        self.end_taken |= end;
        let data = std::mem::take(&mut half.incoming);
        self.hand_to(0, data, end, half);
        true
    }

    /// Puts data in front of the filter at `position`, or behind all of them.
    pub(super) fn hand_to(&mut self, position: usize, data: BufList, end: bool, half: &mut Half) {
        if let Some(stage) = self.stages.get_mut(position) {
            append(&mut stage.unseen, data);
            if end {
                stage.end = End::Unseen;
            }
            return;
        }
        append(&mut half.ready, data);
        if end {
            half.trailers = half.trailers.take().filter(|fields| !fields.is_empty());
            half.ready_end = true;
        }
    }

    /// The last filter for which there is something to do: what is ahead moves first.
    pub(super) fn next_work(&self, limit: usize) -> Option<Work> {
        let find = |(position, stage): (usize, &Stage)| stage.work(position, self.head_at, limit);
        self.stages.iter().enumerate().rev().find_map(find)
    }

    /// Gives all that waits back to the half, as it would have to come again.
    pub(super) fn give_back(&mut self, half: &mut Half) {
        let mut all = BufList::default();
        for stage in self.stages.iter_mut().rev() {
            append(&mut all, std::mem::take(&mut stage.seen));
            append(&mut all, std::mem::take(&mut stage.unseen));
        }
        append(&mut all, std::mem::take(&mut half.incoming));
        half.incoming = all;
    }
}

impl Stage {
    fn work(&self, position: usize, head_at: usize, limit: usize) -> Option<Work> {
        match self.hold {
            Some(Hold::Pause) => None,
            Some(Hold::Collect) => {
                let is_whole = self.end == End::Unseen;
                // At the limit nothing more is read: a body that may go on has reached it.
                let is_long = self.unseen.len() + usize::from(!is_whole) > limit;
                match (is_long, is_whole) {
                    (true, _) => Some(Work::Overflow(position)),
                    (false, true) => Some(Work::Data(position, true)),
                    (false, false) => None,
                }
            }
            None if position >= head_at => None,
            None if !self.seen.is_empty() || matches!(self.end, End::Data | End::Seen) => {
                Some(Work::Seen(position))
            }
            None if !self.unseen.is_empty() || self.end == End::Unseen => {
                Some(Work::Data(position, false))
            }
            None => None,
        }
    }
}

fn append(to: &mut BufList, from: BufList) {
    if to.is_empty() {
        *to = from;
    } else {
        to.append(from);
    }
}
