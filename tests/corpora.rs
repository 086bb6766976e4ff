//! The fuzz targets' bodies over their corpora, as plain tests. `fuzz/run` looks for more.
#![cfg(test)]

use std::fs;
use std::path::Path;

#[path = "../fuzz/bodies.rs"]
mod bodies;

fn each(target: &str, body: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(&folder).expect("a corpus").flatten() {
        let path = entry.path();
        println!("{}", path.display());
        body(&fs::read(&path).expect("readable"));
        files += 1;
    }
    assert!(files > 0, "{} is empty", folder.display());
}

#[test]
fn rtmp_bytes() {
    each("rtmp", bodies::rtmp);
}

#[test]
fn flv_tags() {
    each("flv", bodies::flv);
}

#[test]
fn parameter_sets() {
    each("sets", bodies::sets);
}
