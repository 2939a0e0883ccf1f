//! Who may know whom: the crates' edges, and which modules of the balancer may name an engine.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The crates of the workspace that each crate may depend on.
const ALLOWED: [(&str, &[&str]); 7] = [
    ("codecs", &[]),
    ("engines", &[]),
    ("loadtest", &["codecs", "engines", "tls"]),
    ("ringlb", &["codecs", "engines", "tls", "xds"]),
    (
        "tests",
        &["codecs", "engines", "loadtest", "ringlb", "tls", "xds"],
    ),
    ("tls", &[]),
    ("xds", &[]),
];

/// Parts of the balancer that are pure: values in, values out.
const PURE: [&str; 10] = [
    "access_log",
    "cluster",
    "config",
    "date.rs",
    "filter",
    "filters",
    "grpc",
    "limits.rs",
    "route",
    "stats",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn no_crate_depends_on_what_it_must_not_know() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut edges = BTreeMap::<String, Vec<String>>::new();
    for package in metadata["packages"].as_array().unwrap() {
        let own = package["dependencies"].as_array().unwrap().iter();
        let own = own.filter(|dependency| !dependency["path"].is_null());
        let names = own.map(|dependency| dependency["name"].as_str().unwrap().to_owned());
        edges.insert(
            package["name"].as_str().unwrap().to_owned(),
            names.collect(),
        );
    }
    let known: Vec<_> = edges.keys().map(String::as_str).collect();
    assert_eq!(known, ALLOWED.map(|(name, _)| name));
    for (name, allowed) in ALLOWED {
        for other in &edges[name] {
            assert!(
                allowed.contains(&other.as_str()),
                "{name} must not know {other}"
            );
        }
    }
}

#[test]
fn the_pure_parts_of_the_balancer_name_no_engine() {
    for part in PURE {
        for file in sources(&root().join("lb/src").join(part)) {
            let text = fs::read_to_string(&file).unwrap();
            let names = |word: &str| {
                let is_part = |c: char| c.is_alphanumeric() || c == '_';
                text.split(|c| !is_part(c)).any(|found| found == word)
            };
            assert!(!names("Engine"), "{} names an engine", file.display());
        }
    }
}

#[test]
fn unsafe_code_stays_where_it_is_allowed() {
    for crate_root in [
        "codecs/src/lib.rs",
        "lb/src/lib.rs",
        "lb/src/main.rs",
        "loadtest/src/lib.rs",
        "loadtest/src/main.rs",
        "tests/src/lib.rs",
        "xds/src/lib.rs",
    ] {
        let text = fs::read_to_string(root().join(crate_root)).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{crate_root}");
    }
    let tls = fs::read_to_string(root().join("tls/src/lib.rs")).unwrap();
    assert!(tls.contains("#![deny(unsafe_code)]"), "tls/src/lib.rs");
    let allows = |file: &PathBuf| {
        fs::read_to_string(file)
            .unwrap()
            .contains("allow(unsafe_code")
    };
    for file in sources(&root().join("tls/src"))
        .iter()
        .filter(|file| allows(file))
    {
        assert!(
            file.starts_with(root().join("tls/src/sm/kernel")),
            "{}",
            file.display()
        );
    }
    let kernel = sources(&root().join("tls/src/sm/kernel"));
    for file in sources(&root().join("engines/src"))
        .into_iter()
        .chain(kernel)
    {
        let text = fs::read_to_string(&file).unwrap();
        let blocks = text
            .lines()
            .filter(|line| line.contains("unsafe {") || line.contains("unsafe impl"));
        let reasons = text.matches("SAFETY:").count();
        let blocks = blocks
            .filter(|line| !line.trim_start().starts_with("//"))
            .count();
        assert!(
            reasons >= blocks,
            "{}: {blocks} blocks, {reasons} reasons",
            file.display()
        );
    }
}

/// The Rust files at or below a path.
fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let files = paths.iter().flat_map(|path| {
        let is_rust = path.is_dir() || path.extension().is_some_and(|ending| ending == "rs");
        if is_rust { sources(path) } else { Vec::new() }
    });
    files.collect()
}
