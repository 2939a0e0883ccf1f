//! One binary of a proxy, run in one way: its version, its configuration, its command.

use super::{
    certificates::Certificates,
    kinds::{KINDS, Kind},
    scenario::{Listener, Part},
    template::Tokens,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// Timeouts of connections that carry nothing.
const IDLE_SECONDS: u32 = 600;
/// The kernel caps it at `net.core.somaxconn`.
const BACKLOG: u32 = 65_535;

/// One binary run in one way.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What it is.
    pub kind: &'static Kind,
    /// Names it in reports.
    pub label: String,
    /// Where it is.
    pub binary: PathBuf,
    /// What it says of itself.
    pub version: String,
    /// It is one of those that the others are measured against.
    pub is_rival: bool,
    /// It has a TCP listener.
    pub has_tcp: bool,
    arguments: &'static [&'static str],
    preamble: String,
}

/// Where a proxy listens and what it is before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// Its HTTP and its TCP listener, those of HTTP/2 before HTTP/1.1 and before HTTP/2, and those of TLS: with
    /// an ECDSA certificate, with one of RSA, with tickets, before TLS, over RFC 8998.
    pub(super) listeners: [u16; 9],
    /// What they lead to: HTTP, TCP, HTTP over TLS.
    pub(super) endpoints: [u16; 3],
}

/// What a proxy is configured for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    pub(super) ports: Ports,
    pub(super) connections: u32,
    /// What is needed beside HTTP/1.1 and TCP in the clear.
    pub(super) parts: &'a [Part],
    pub(super) certificates: &'a Certificates,
}

impl Ports {
    /// Where a load of that kind goes to.
    pub(super) fn of(&self, listener: Listener) -> u16 {
        let [http, tcp, h2c, h2c_h2c, tls, rsa, tickets, tls_tls, sm] = self.listeners;
        match listener {
            Listener::Grpc | Listener::H2cH2c => h2c_h2c,
            Listener::H2c => h2c,
            Listener::Http => http,
            Listener::Tcp => tcp,
            Listener::Tls => tls,
            Listener::TlsRsa => rsa,
            Listener::TlsSm => sm,
            Listener::TlsTickets => tickets,
            Listener::TlsTls => tls_tls,
        }
    }
}

impl Kind {
    /// All ways to run a binary of this kind; `label` names a further copy.
    ///
    /// # Errors
    /// The binary cannot be run.
    pub fn peers(&'static self, binary: &Path, label: Option<&str>) -> Result<Vec<Peer>, String> {
        let said = said(binary, self.version);
        let said = said.map_err(|error| format!("{}: {error}", binary.display()))?;
        let version = version(&said, self.version_behind);
        let (has_tcp, preamble) = match self.name == "nginx" {
            true => nginx_stream(binary)?,
            false => (true, String::new()),
        };
        let named = |flavour: &str| {
            let parts = [label.unwrap_or(self.name), flavour];
            parts
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("-")
        };
        let peers = self.flavours.iter().map(|(flavour, arguments)| Peer {
            kind: self,
            label: named(flavour),
            binary: std::path::absolute(binary).unwrap_or_else(|_| binary.to_owned()),
            version: version.clone(),
            is_rival: self.name != KINDS[0].name,
            has_tcp,
            arguments,
            preamble: preamble.clone(),
        });
        Ok(peers.collect())
    }
}

impl Peer {
    /// Writes the configuration into `dir` and says how to start the proxy.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn prepare(&self, dir: &Path, site: &Site<'_>) -> Result<Vec<String>, String> {
        let tokens = self.write(dir, site)?;
        self.command(&tokens, self.kind.run, self.arguments)
    }

    /// Lets the proxy check its own configuration.
    ///
    /// # Errors
    /// What it says of it.
    pub fn check(&self, dir: &Path) -> Result<(), String> {
        let ports = Ports {
            listeners: [8001, 8002, 8005, 8006, 8007, 8008, 8009, 8010, 8012],
            endpoints: [8003, 8004, 8011],
        };
        let site = Site {
            ports,
            connections: 100,
            parts: &[Part::Http2, Part::Tls, Part::Sm],
            certificates: &Certificates::new()?,
        };
        let tokens = self.write(dir, &site)?;
        let argv = self.command(&tokens, self.kind.check, &[])?;
        let output = Command::new(&argv[0])
            .args(&argv[1..])
            .current_dir(dir)
            .output();
        let output = output.map_err(|error| format!("{}: {error}", argv[0]))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn write(&self, dir: &Path, site: &Site<'_>) -> Result<Tokens, String> {
        let Site {
            ports,
            connections,
            parts,
            certificates,
        } = *site;
        let mut tokens = Tokens::default();
        let path = dir.join(self.kind.file);
        tokens.set("DIR", dir.display());
        tokens.set("CONFIG", path.display());
        for (name, port) in LISTENERS.into_iter().zip(ports.listeners) {
            tokens.set(name, port);
        }
        tokens.set("HTTP_ENDPOINT", ports.endpoints[0]);
        tokens.set("TCP_ENDPOINT", ports.endpoints[1]);
        tokens.set("HTTPS_ENDPOINT", ports.endpoints[2]);
        tokens.set(
            "CONNECTIONS",
            connections.saturating_mul(2).saturating_add(4000),
        );
        tokens.set("IDLE_SECONDS", IDLE_SECONDS);
        tokens.set("BACKLOG", BACKLOG);
        tokens.set("PREAMBLE", &self.preamble);
        let stream = match self.has_tcp {
            true => tokens.fill(include_str!("templates/nginx-stream.conf"))?,
            false => String::new(),
        };
        tokens.set("STREAM", stream);
        if parts.contains(&Part::Tls) || parts.contains(&Part::Sm) {
            certificates.write(dir)?;
        }
        for (part, name, text) in self.kind.parts {
            let text = if parts.contains(part) { text } else { "" };
            let text = tokens.fill(text)?;
            tokens.set(name, text);
        }
        let text = tokens.fill(self.kind.template)?;
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(tokens)
    }

    fn command(
        &self,
        tokens: &Tokens,
        arguments: &[&str],
        more: &[&str],
    ) -> Result<Vec<String>, String> {
        let mut argv = vec![self.binary.display().to_string()];
        for argument in arguments.iter().chain(more) {
            argv.push(tokens.fill(argument)?);
        }
        Ok(argv)
    }
}

const LISTENERS: [&str; 9] = [
    "HTTP_PORT",
    "TCP_PORT",
    "H2C_PORT",
    "H2C_H2C_PORT",
    "TLS_PORT",
    "TLS_RSA_PORT",
    "TLS_TICKETS_PORT",
    "TLS_TLS_PORT",
    "TLS_SM_PORT",
];

/// The version that a binary's own words have behind `behind`: digits and dots, or none.
fn version(said: &str, behind: &str) -> String {
    let line = said.lines().find_map(|line| line.split_once(behind));
    // Envoy says COMMIT/VERSION/STATE/TYPE/LIBRARY, nginx nginx/VERSION.
    let mut parts = line
        .map_or("", |(_, rest)| rest)
        .split(|c: char| c.is_whitespace() || c == '/');
    let is_version =
        |part: &&str| part.contains('.') && part.starts_with(|c: char| c.is_ascii_digit());
    parts
        .find(is_version)
        .unwrap_or("of unknown version")
        .to_owned()
}

/// Both outputs of a command.
fn said(binary: &Path, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(binary).args(arguments).output()?;
    let bytes = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether this nginx can proxy TCP, and the lines that its configuration begins with: the module, if it
/// is a separate one, and for root a worker that may use our directory.
fn nginx_stream(binary: &Path) -> Result<(bool, String), String> {
    let built = said(binary, &["-V"]).map_err(|error| format!("{}: {error}", binary.display()))?;
    let mut preamble = String::new();
    if nix::unistd::geteuid().is_root() {
        preamble += "user root;\n";
    }
    let options: Vec<&str> = built.split_whitespace().collect();
    if options.contains(&"--with-stream") {
        return Ok((true, preamble));
    }
    let modules = options
        .iter()
        .find_map(|option| option.strip_prefix("--modules-path="));
    let module = modules.map(|path| Path::new(path).join("ngx_stream_module.so"));
    let Some(module) = module.filter(|module| module.exists()) else {
        return Ok((false, preamble));
    };
    preamble += &format!("load_module {};\n", module.display());
    Ok((true, preamble))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(kind: &'static Kind, has_tcp: bool) -> Peer {
        Peer {
            kind,
            label: kind.name.to_owned(),
            binary: PathBuf::from("/x/bin"),
            version: String::new(),
            is_rival: true,
            has_tcp,
            arguments: kind.flavours[0].1,
            preamble: String::new(),
        }
    }

    #[test]
    fn every_template_is_filled_with_the_same_ports_and_limits() {
        let dir = std::env::temp_dir().join(format!("loadtest-peer-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let ports = Ports {
            listeners: [
                11_111, 11_112, 11_115, 11_116, 11_121, 11_122, 11_123, 11_124, 11_126,
            ],
            endpoints: [11_113, 11_114, 11_125],
        };
        let certificates = Certificates::new().unwrap();
        let site = |parts| Site {
            ports,
            connections: 70,
            parts,
            certificates: &certificates,
        };
        let all = site(&[Part::Http2, Part::Tls, Part::Sm]);
        for kind in &KINDS {
            let argv = peer(kind, true).prepare(&dir, &all).unwrap();
            assert_eq!(argv[0], "/x/bin");
            let path = dir.join(kind.file).display().to_string();
            assert!(argv.contains(&path), "{argv:?}");
            let text = fs::read_to_string(&path).unwrap();
            let text_of_buffers = match kind.name {
                "haproxy" => "tune.bufsize 32768",
                "nginx" => "client_body_buffer_size 128k",
                _ => "per_connection_buffer_limit_bytes: 131072",
            };
            assert!(text.contains(text_of_buffers), "{}", kind.name);
            assert!(!text.contains("@DIR@") && !text.contains(&*dir.to_string_lossy()));
            for port in (11_111..=11_116)
                .chain(11_121..=11_125)
                .chain([65_535, 600])
            {
                assert!(text.contains(&port.to_string()), "{}: {port}", kind.name);
            }
            assert_eq!(text.contains("11126"), kind.name == "ringlb");
            let is_token = |part: &str| {
                !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            };
            assert!(!text.split('@').skip(1).step_by(2).any(is_token), "{text}");
        }
        let nginx = peer(&KINDS[2], false);
        nginx.prepare(&dir, &all).unwrap();
        let text = fs::read_to_string(dir.join("nginx.conf")).unwrap();
        assert!(!text.contains("stream {") && !text.contains("11112"));
        for kind in &KINDS {
            peer(kind, true).prepare(&dir, &site(&[])).unwrap();
            let text = fs::read_to_string(dir.join(kind.file)).unwrap();
            let has_more = ["11115", "11116", "http2", "proto h2", "11121", "tls", "ssl"]
                .iter()
                .any(|word| text.contains(word));
            assert!(!has_more, "{}", kind.name);
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn each_kind_s_version_is_found_in_its_own_words() {
        for (kind, said, want) in [
            ("ringlb", "ringlb 0.1.0\n", "0.1.0"),
            (
                "haproxy",
                "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\nStatus: x.y\n",
                "2.6.12-1+deb12u4",
            ),
            ("nginx", "nginx version: nginx/1.22.1\n", "1.22.1"),
            (
                "envoy",
                "\n/opt/3.11.7/bin/envoy  version: 9e5580/1.40.0/Clean/RELEASE/BoringSSL\n",
                "1.40.0",
            ),
            (
                "envoy",
                "/opt/3.11.7/bin/envoy: broken",
                "of unknown version",
            ),
            ("ringlb", "", "of unknown version"),
        ] {
            let behind = Kind::find(kind).unwrap().version_behind;
            assert_eq!(version(said, behind), want, "{said}");
        }
    }
}
