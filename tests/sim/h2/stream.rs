//! One stream of a connection, and the heads that it may carry (RFC 9113 §5.1, §8).

use super::hpack::Fields;

/// A head: its pseudo fields apart from the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pseudo: Fields,
    pub(crate) fields: Fields,
}

impl Head {
    fn new(all: Fields) -> Result<Self, String> {
        let first = all.iter().position(|(name, _)| !name.starts_with(':'));
        let mut pseudo = all;
        let fields = pseudo.split_off(first.unwrap_or(pseudo.len()));
        if fields.iter().any(|(name, _)| name.starts_with(':')) {
            return Err(format!("a pseudo field is not first: {fields:?}"));
        }
        for (at, (name, _)) in pseudo.iter().enumerate() {
            if pseudo[..at].iter().any(|(other, _)| other == name) {
                return Err(format!("{name} is there twice"));
            }
        }
        check_fields(&fields)?;
        Ok(Self { pseudo, fields })
    }

    /// # Errors
    /// What an answer must not have.
    pub(crate) fn answer(all: Fields) -> Result<Self, String> {
        let head = Self::new(all)?;
        match head.pseudo.as_slice() {
            [(name, value)] if name == ":status" && value.len() == 3 => Ok(head),
            other => Err(format!("the pseudo fields of an answer: {other:?}")),
        }
    }

    /// # Errors
    /// What a request must not have.
    pub(crate) fn request(all: Fields) -> Result<Self, String> {
        let head = Self::new(all)?;
        let names = [":method", ":scheme", ":authority", ":path", ":protocol"];
        let is_known = |(name, _): &(String, String)| names.contains(&name.as_str());
        let is_whole = names[..4].iter().all(|name| head.pseudo(name).is_some());
        let is_extended = head.pseudo(":protocol").is_none() || head.method() == "CONNECT";
        if is_whole && is_extended && head.pseudo.iter().all(is_known) {
            return Ok(head);
        }
        Err(format!("the pseudo fields of a request: {:?}", head.pseudo))
    }

    fn pseudo(&self, name: &str) -> Option<&str> {
        find(&self.pseudo, name)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }

    pub(crate) fn method(&self) -> &str {
        self.pseudo(":method").unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.pseudo(":path").unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u16 {
        let status = self.pseudo(":status").unwrap_or_default();
        status.parse().unwrap_or(0)
    }

    fn length(&self) -> Result<Option<u64>, String> {
        let length = self.field("content-length").map(str::parse);
        length
            .transpose()
            .map_err(|_| "a bad content-length".into())
    }
}

fn find<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// RFC 9113 §8.2: what no section may have.
fn check_fields(fields: &Fields) -> Result<(), String> {
    const FORBIDDEN: [&str; 6] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "host",
    ];
    for (name, value) in fields {
        let is_wrong = name.is_empty()
            || name.bytes().any(|byte| byte.is_ascii_uppercase())
            || FORBIDDEN.contains(&name.as_str())
            || name == "te" && value != "trailers"
            || value.contains(['\r', '\n', '\0'])
            || value.trim() != value;
        if is_wrong {
            return Err(format!("field {name:?}: {value:?}"));
        }
    }
    Ok(())
}

/// One stream's books.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) send_window: i64,
    /// What was given back, less what was received: the window but for what it was at first.
    pub(super) balance: i64,
    /// Received and not given back.
    pub(crate) owed: i64,
    pub(crate) sent_end: bool,
    pub(crate) sent_reset: bool,
    /// The request's or the final answer's head came.
    pub(crate) got_head: bool,
    pub(crate) got_end: bool,
    pub(crate) got_reset: bool,
    pub(crate) is_head_request: bool,
    length: Option<u64>,
    got: u64,
}

impl Stream {
    pub(super) fn new(send_window: i64) -> Self {
        Self {
            send_window,
            balance: 0,
            owed: 0,
            sent_end: false,
            sent_reset: false,
            got_head: false,
            got_end: false,
            got_reset: false,
            is_head_request: false,
            length: None,
            got: 0,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.sent_reset || self.got_reset || self.sent_end && self.got_end
    }

    fn check_open(&self) -> Result<(), String> {
        match self.got_end || self.got_reset {
            true => Err("behind a stream's end".into()),
            false => Ok(()),
        }
    }

    /// `all`: with padding, as it counts against the window.
    pub(super) fn on_data(
        &mut self,
        first_window: i64,
        all: i64,
        len: u64,
        end: bool,
    ) -> Result<(), String> {
        self.check_open()?;
        if !self.got_head {
            return Err("data before a head".into());
        }
        self.balance -= all;
        self.owed += all;
        let window = first_window + self.balance;
        // What we reset is not waited for, and its window not opened.
        if window < 0 && all > 0 && !self.sent_reset {
            return Err(format!("{} bytes above a stream's window", -window));
        }
        self.got += len;
        self.on_end(end)
    }

    fn on_end(&mut self, end: bool) -> Result<(), String> {
        self.got_end |= end;
        let wrong = self.length.filter(|length| match end {
            true => *length != self.got,
            false => *length < self.got,
        });
        match wrong.filter(|_| !self.is_head_request) {
            Some(length) => Err(format!("{} of {length} bytes", self.got)),
            None if self.is_head_request && self.got > 0 => Err("a body of a HEAD".into()),
            None => Ok(()),
        }
    }

    pub(super) fn on_request(&mut self, head: &Head, end: bool) -> Result<(), String> {
        self.got_head = true;
        self.length = head.length()?;
        self.on_end(end)?;
        self.is_head_request = head.method() == "HEAD";
        Ok(())
    }

    pub(super) fn on_answer(&mut self, head: &Head, end: bool) -> Result<(), String> {
        self.check_open()?;
        if head.status() < 200 {
            return match end || head.status() == 101 {
                true => Err("an interim answer that ends".into()),
                false => Ok(()),
            };
        }
        self.got_head = true;
        self.length = head.length()?;
        // RFC 9110 §15.4.5: what a 304 tells is another answer's length.
        if head.status() == 304 {
            self.length = None;
        }
        self.on_end(end)
    }

    pub(super) fn on_trailers(&mut self, fields: &Fields, end: bool) -> Result<(), String> {
        self.check_open()?;
        if !end || fields.iter().any(|(name, _)| name.starts_with(':')) {
            return Err(format!("not trailers: {fields:?}"));
        }
        check_fields(fields)?;
        self.on_end(true)
    }
}
