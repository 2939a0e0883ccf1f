//! Compiles our subset of the Envoy API: message types for Rust, descriptors for the configuration
//! parser. protox is pure Rust, so no `protoc` is needed.

use prost::Message;
use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut files = Vec::new();
    collect(Path::new("proto"), &mut files)?;
    files.sort();
    let descriptors = protox::compile(&files, ["proto"])?;
    let out = std::env::var("OUT_DIR")?;
    fs::write(
        Path::new(&out).join("descriptors.bin"),
        descriptors.encode_to_vec(),
    )?;
    prost_build::Config::new()
        .btree_map(["."])
        // Written by hand (`src/shown.rs`): they may hold secrets.
        .skip_debug([
            ".envoy.config.core.v3.DataSource",
            ".envoy.config.core.v3.TransportSocket",
        ])
        .enable_type_names()
        .include_file("api.rs")
        .compile_fds(descriptors)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "proto") {
            files.push(path.to_str().ok_or("a path is not UTF-8")?.to_owned());
        }
    }
    Ok(())
}
