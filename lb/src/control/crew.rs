//! How the workers come to run one kind of engine: each tries on its own thread, then all are told.
//!
//! Memory that io_uring locks is charged to the user, so the engine of one worker may fail where
//! another's, or the probe, did not.

use super::start::{Engines, StartError, fall_back};
use engines::{Engine, EngineKind, EngineOptions};
use std::{
    io,
    sync::mpsc::{Receiver, Sender, channel},
};

/// The control thread's side.
pub(super) struct Crew {
    orders: Vec<Sender<Order>>,
    report: Sender<io::Result<()>>,
    reports: Receiver<io::Result<()>>,
}

/// A worker's side.
pub(super) struct Seat {
    orders: Receiver<Order>,
    report: Sender<io::Result<()>>,
}

#[derive(Clone, Copy)]
enum Order {
    /// Open an engine, and report.
    Open(EngineKind),
    /// Run the one that was opened last.
    Run,
}

impl Default for Crew {
    fn default() -> Self {
        let (report, reports) = channel();
        Self {
            orders: Vec::new(),
            report,
            reports,
        }
    }
}

impl Crew {
    /// The place of one more worker.
    pub(super) fn seat(&mut self) -> Seat {
        let (order, orders) = channel();
        self.orders.push(order);
        Seat {
            orders,
            report: self.report.clone(),
        }
    }

    /// Lets every worker open that engine, or another where `wanted` leaves the choice, and run it.
    ///
    /// # Errors
    /// An engine cannot be opened; the workers end.
    pub(super) fn agree_on(
        self,
        mut engine: EngineKind,
        wanted: Engines,
    ) -> Result<EngineKind, StartError> {
        if let Err(error) = self.open(engine) {
            if engine != EngineKind::Uring || wanted != Engines::Auto {
                return Err(StartError::Engine(engine, error.to_string()));
            }
            engine = fall_back(&error.to_string());
            self.open(engine)
                .map_err(|error| StartError::Engine(engine, error.to_string()))?;
        }
        self.tell(Order::Run);
        Ok(engine)
    }

    fn open(&self, engine: EngineKind) -> io::Result<()> {
        self.tell(Order::Open(engine));
        let reports: Vec<_> = self.reports.iter().take(self.orders.len()).collect();
        reports.into_iter().collect()
    }

    fn tell(&self, order: Order) {
        for worker in &self.orders {
            // It waits for orders until it was told to run.
            let _ = worker.send(order);
        }
    }
}

impl Seat {
    /// The engine that all agreed on; none if the start was given up.
    pub(super) fn open_engine(&self) -> Option<Box<dyn Engine>> {
        let mut opened = None;
        loop {
            match self.orders.recv().ok()? {
                Order::Open(kind) => {
                    opened = None;
                    let result = engines::open(kind, &EngineOptions::default());
                    let report = result.map(|engine| opened = Some(engine));
                    let _ = self.report.send(report);
                }
                Order::Run => return opened,
            }
        }
    }
}
