//! Chains of SM2 certificates, made by programs.

use super::{scratch, tls_pki::pki, tls_programs::run};
use std::fs;

/// `ca.pem`, and `leaf` for `localhost` in both roles.
const SM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tls/testdata/sm");

/// Who signs a certificate: what OpenSSL has to be told, and Tongsuo and GmSSL take if they are told nothing.
pub(crate) const CERTIFICATE_ID: &str = "distid:1234567812345678";

/// Files of an authority's certificate, of one for `localhost` in both roles, and of its key.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) ca: String,
    /// The certificate with those between it and the authority.
    pub(crate) chain: String,
    /// Those between alone; none: empty.
    pub(crate) between: String,
    pub(crate) key: String,
}

impl Chain {
    /// Of the usual kind.
    pub(crate) fn standard() -> Self {
        Self {
            ca: format!("{}/ca.pem", pki()),
            chain: format!("{}/any.pem", pki()),
            between: String::new(),
            key: format!("{}/any.key", pki()),
        }
    }

    /// Of SM2, and of the source tree.
    pub(crate) fn sm() -> Self {
        Self {
            ca: format!("{SM}/ca.pem"),
            chain: format!("{SM}/leaf.pem"),
            between: String::new(),
            key: format!("{SM}/leaf.key.pem"),
        }
    }

    /// Root, intermediate and certificate of SM2, made by a program with OpenSSL's commands. `id`: whom signatures are
    /// said to be of, if the program has to be told.
    pub(crate) fn made_by(program: &str, id: Option<&str>) -> Self {
        let making = Making {
            program,
            signing: id.map_or(Vec::new(), |id| vec!["-sigopt", id]),
            checking: id.map_or(Vec::new(), |id| vec!["-vfyopt", id]),
            folder: scratch("sm2").display().to_string(),
        };
        fs::create_dir_all(&making.folder).unwrap();
        making.chain()
    }
}

/// A chain in the making.
struct Making<'a> {
    program: &'a str,
    signing: Vec<&'a str>,
    checking: Vec<&'a str>,
    folder: String,
}

/// GmSSL takes none of less than four bytes.
const SERIAL: &str = "0x5300000000000007";
const NOTHING: &str = "[req]\ndistinguished_name = d\n[d]\n";
const AUTHORITY: &str =
    "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n";
/// GmSSL takes no `CA:false`.
const LEAF: &str = "keyUsage=critical,digitalSignature\nsubjectAltName=DNS:localhost\n";

impl Making<'_> {
    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    fn chain(&self) -> Chain {
        let root =
            format!("[req]\ndistinguished_name = d\nx509_extensions = v\n[d]\n[v]\n{AUTHORITY}");
        for (file, text) in [
            ("nothing.cnf", NOTHING),
            ("root.cnf", &root),
            ("sub.ext", AUTHORITY),
            ("leaf.ext", LEAF),
        ] {
            fs::write(self.at(file), text).unwrap();
        }
        self.request("root", "root.cnf", &["-x509", "-days", "30"]);
        self.sign("sub", "root");
        self.sign("leaf", "sub");
        let read = |name: &str| fs::read_to_string(self.at(name)).unwrap();
        fs::write(self.at("chain.pem"), read("leaf.pem") + &read("sub.pem")).unwrap();
        Chain {
            ca: self.at("root.pem"),
            chain: self.at("chain.pem"),
            between: self.at("sub.pem"),
            key: self.at("leaf.key"),
        }
    }

    /// A key, and a request for it or what it signs itself.
    fn request(&self, name: &str, config: &str, more: &[&str]) {
        let (key, pem) = (
            self.at(&format!("{name}.key")),
            self.at(&format!("{name}.pem")),
        );
        succeed(
            self.program,
            &["genpkey", "-algorithm", "SM2", "-out", &key],
        );
        let (config, subject) = (self.at(config), format!("/CN={name}"));
        let args = [
            "req", "-new", "-config", &config, "-key", &key, "-subj", &subject, "-sm3", "-out",
            &pem,
        ];
        succeed(self.program, &[&args, more, &self.signing].concat());
    }

    /// In place of a request the certificate.
    fn sign(&self, name: &str, by: &str) {
        self.request(name, "nothing.cnf", &[]);
        let pem = self.at(&format!("{name}.pem"));
        let (ca, key) = (self.at(&format!("{by}.pem")), self.at(&format!("{by}.key")));
        let extensions = self.at(&format!("{name}.ext"));
        let args = [
            "x509",
            "-req",
            "-in",
            &pem,
            "-CA",
            &ca,
            "-CAkey",
            &key,
            "-sm3",
            "-days",
            "30",
            "-set_serial",
            SERIAL,
            "-extfile",
            &extensions,
            "-out",
            &pem,
        ];
        succeed(
            self.program,
            &[&args[..], &self.signing, &self.checking].concat(),
        );
    }
}

/// Runs a program that has to succeed.
pub(crate) fn succeed(program: &str, args: &[&str]) {
    let (is_good, _, told) = run(program, args, b"");
    assert!(is_good, "{program} {args:?}: {told}");
}
