//! HTTP/2's frames (RFC 9113 §4.1) as the peers of the simulation write and read them, and its settings.

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

pub(crate) const ID_MAX: u32 = (1 << 31) - 1;
pub(crate) const WINDOW_DEFAULT: i64 = 65_535;
pub(crate) const WINDOW_MAX: i64 = (1 << 31) - 1;

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) id: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Four bytes of the payload as a number, its reserved bit left out.
    ///
    /// # Errors
    /// The payload is shorter.
    pub(crate) fn number(&self, at: usize) -> Result<u32, String> {
        let bytes = self.payload.get(at..at + 4);
        let bytes = bytes.ok_or_else(|| format!("a short frame: {self:?}"))?;
        Ok(u32::from_be_bytes(bytes.try_into().unwrap()))
    }

    /// Drops the padding, and of HEADERS the priority.
    ///
    /// # Errors
    /// There is more padding than payload.
    pub(crate) fn strip(&mut self) -> Result<(), String> {
        if self.has(PADDED) {
            let len = usize::from(*self.payload.first().ok_or("no padding length")?);
            let left = self.payload.len() - 1;
            let left = left.checked_sub(len).ok_or("too much padding")?;
            self.payload.truncate(1 + left);
            self.payload.remove(0);
        }
        if self.kind == HEADERS && self.has(WITH_PRIORITY) {
            if self.payload.len() < 5 {
                return Err("a short priority".into());
            }
            self.payload.drain(..5);
        }
        Ok(())
    }
}

pub(crate) fn write(out: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    preface_left: usize,
}

impl Reader {
    /// Of a server's: the client's preface comes first.
    pub(crate) fn of_server() -> Self {
        Self {
            preface_left: PREFACE.len(),
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame.
    ///
    /// # Errors
    /// It is longer than `max`, or the preface is not there.
    pub(crate) fn next(&mut self, max: usize) -> Result<Option<Frame>, String> {
        while self.preface_left > 0 {
            let wanted = &PREFACE[PREFACE.len() - self.preface_left..];
            let part = wanted.len().min(self.bytes.len());
            if self.bytes[..part] != wanted[..part] {
                return Err("not the preface".into());
            }
            self.bytes.drain(..part);
            self.preface_left -= part;
            if part < wanted.len() {
                return Ok(None);
            }
        }
        if self.bytes.len() < 9 {
            return Ok(None);
        }
        let at = |index: usize| self.bytes[index];
        let len = usize::from(at(0)) << 16 | usize::from(at(1)) << 8 | usize::from(at(2));
        if len > max {
            return Err(format!("a frame of {len} bytes where {max} are allowed"));
        }
        if self.bytes.len() < 9 + len {
            return Ok(None);
        }
        let later = self.bytes.split_off(9 + len);
        let mut head = std::mem::replace(&mut self.bytes, later);
        let payload = head.split_off(9);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok(Some(Frame {
            kind: head[3],
            flags: head[4],
            id: id & ID_MAX,
            payload,
        }))
    }
}

/// What SETTINGS say; the protocol's own values where nothing is said (RFC 9113 §6.5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) table: usize,
    pub(crate) push: bool,
    pub(crate) streams: usize,
    pub(crate) window: i64,
    pub(crate) frame: usize,
    pub(crate) connect: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            table: 4096,
            push: true,
            streams: usize::MAX,
            window: WINDOW_DEFAULT,
            frame: 16_384,
            connect: false,
        }
    }
}

impl Settings {
    /// Takes over what a peer says.
    ///
    /// # Errors
    /// A value is not allowed.
    pub(crate) fn read(&mut self, payload: &[u8]) -> Result<(), String> {
        if !payload.len().is_multiple_of(6) {
            return Err("settings of a wrong length".into());
        }
        for entry in payload.chunks(6) {
            let name = u16::from_be_bytes([entry[0], entry[1]]);
            let value = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
            let wrong = Err(format!("setting {name} is {value}"));
            match (name, value) {
                (1, _) => self.table = value as usize,
                (2, 0 | 1) => self.push = value == 1,
                (3, _) => self.streams = value as usize,
                (4, 0..=ID_MAX) => self.window = value.into(),
                (5, 16_384..=16_777_215) => self.frame = value as usize,
                (8, 0 | 1) => self.connect = value == 1,
                (2 | 4 | 5 | 8, _) => return wrong,
                _ => {}
            }
        }
        Ok(())
    }

    /// The entries that differ from `before`.
    pub(crate) fn write(&self, before: &Self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut say = |name: u16, value: u32| {
            out.extend_from_slice(&name.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        };
        if self.table != before.table {
            say(1, self.table as u32);
        }
        if self.push != before.push {
            say(2, self.push.into());
        }
        if self.streams != before.streams {
            say(3, self.streams as u32);
        }
        if self.window != before.window {
            say(4, self.window as u32);
        }
        if self.frame != before.frame {
            say(5, self.frame as u32);
        }
        if self.connect != before.connect {
            say(8, self.connect.into());
        }
        out
    }
}
