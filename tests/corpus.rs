//! Fuzz targets over what is kept in `fuzz/corpus/`: what was found once stays found.
#![cfg(test)]
#![allow(
    clippy::duplicate_mod,
    dropping_copy_types,
    clippy::drop_non_drop,
    reason = "targets are included as they are; their results are thrown away"
)]

use std::path::Path;

#[path = "../fuzz/targets/configuration.rs"]
mod configuration;
#[path = "../fuzz/targets/flv_tags.rs"]
mod flv_tags;
#[path = "../fuzz/targets/parameter_sets.rs"]
mod parameter_sets;
#[path = "../fuzz/targets/ring_index.rs"]
mod ring_index;
#[path = "../fuzz/targets/ring_segment.rs"]
mod ring_segment;
#[path = "../fuzz/targets/rtmp.rs"]
mod rtmp;
#[path = "../fuzz/targets/rtmp_client.rs"]
mod rtmp_client;

/// Runs every file of a target's corpus, and every beginning of a short one.
fn check(target: &str, run: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&dir).expect("a corpus") {
        let bytes = std::fs::read(entry.expect("entry").path()).expect("file");
        for cut in (0..bytes.len()).step_by(bytes.len() / 200 + 1) {
            run(&bytes[..cut]);
        }
        run(&bytes);
        files += 1;
    }
    assert!(files > 0, "{} is empty", dir.display());
}

#[test]
fn corpus_of_ring_segment() {
    check("ring_segment", ring_segment::run);
}

#[test]
fn corpus_of_ring_index() {
    check("ring_index", ring_index::run);
}

#[test]
fn corpus_of_rtmp() {
    check("rtmp", rtmp::run);
}

#[test]
fn corpus_of_rtmp_client() {
    check("rtmp_client", rtmp_client::run);
}

#[test]
fn corpus_of_flv_tags() {
    check("flv_tags", flv_tags::run);
}

#[test]
fn corpus_of_parameter_sets() {
    check("parameter_sets", parameter_sets::run);
}

#[test]
fn corpus_of_configuration() {
    check("configuration", configuration::run);
}
