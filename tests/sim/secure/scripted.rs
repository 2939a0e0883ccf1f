//! One end of an encrypted connection for played scenes: what it says is scripted.

use super::talk::{Said, Talk};
use crate::stage::Stage;
use engines::Sock;
use std::sync::Arc;
use tls::{ClientContext, Fault, ServerContext};

pub(crate) struct Scripted {
    pub(crate) sock: Sock,
    pub(crate) talk: Talk,
    received: Vec<u8>,
    is_open: bool,
    has_closed: bool,
    /// Why the session failed.
    pub(crate) fault: Option<Fault>,
}

impl Scripted {
    /// A client that has said its hello to `name`.
    pub(crate) fn client(stage: &mut Stage, context: &Arc<ClientContext>, name: &str) -> Self {
        let mut hello = Vec::new();
        let talk = Talk::connect(context, name, stage.wall(), &mut hello);
        let sock = stage.client();
        stage.send(sock, hello);
        Self::new(sock, talk)
    }

    /// The endpoint's side of the connection that was accepted as the `number`th.
    pub(crate) fn endpoint(stage: &Stage, number: usize, context: &Arc<ServerContext>) -> Self {
        Self::new(stage.accepted(number), Talk::accept(context))
    }

    pub(crate) fn new(sock: Sock, talk: Talk) -> Self {
        Self {
            sock,
            talk,
            received: Vec::new(),
            is_open: false,
            has_closed: false,
            fault: None,
        }
    }

    pub(crate) fn say(&mut self, stage: &mut Stage, text: impl AsRef<[u8]>) {
        let records = self.talk.seal(stage.wall(), text.as_ref());
        stage.send(self.sock, records);
    }

    /// Tells that nothing more is said; the transport stays open.
    pub(crate) fn say_end(&mut self, stage: &mut Stage) {
        let mut records = Vec::new();
        self.talk.session.close(&mut records);
        stage.send(self.sock, records);
    }

    /// Ends our direction properly.
    pub(crate) fn finish(&mut self, stage: &mut Stage) {
        self.say_end(stage);
        stage.finish(self.sock);
    }

    /// Takes what was said so far.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    /// The handshake is over.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The other end has said that it sends no more.
    pub(crate) fn has_closed(&self) -> bool {
        self.has_closed
    }

    #[track_caller]
    fn exchange(&mut self, stage: &mut Stage) {
        let (bytes, mut out) = (stage.bytes(self.sock), Vec::new());
        if bytes.is_empty() || self.fault.is_some() {
            return;
        }
        for said in self.talk.receive(stage.wall(), &bytes, &mut out) {
            match said {
                Said::Established => self.is_open = true,
                Said::Data(data) => self.received.extend(data),
                Said::Closed => self.has_closed = true,
                Said::Failed(fault) => self.fault = Some(fault),
                Said::Plain => panic!("what came first is no TLS"),
            }
        }
        if !out.is_empty() {
            stage.send(self.sock, out);
        }
    }
}

/// Lets all ends say what they have to, until nothing more comes of it.
#[track_caller]
pub(crate) fn settle(stage: &mut Stage, ends: &mut [&mut Scripted]) {
    for _ in 0..4 {
        stage.settle();
        for end in ends.iter_mut() {
            end.exchange(stage);
        }
    }
    stage.settle();
}
