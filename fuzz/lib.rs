//! The parsers of courtside alone, under its name: what is fuzzed is compiled in seconds, without the
//! decoder, the models and the network beside it.
#![warn(missing_docs)]
#![allow(dead_code, reason = "only what is fuzzed is used")]

#[path = "../src/media/mod.rs"]
pub mod media;

/// The pure half of `ingest`.
#[path = "../src/ingest"]
pub mod ingest {
    pub mod flv;
    pub mod rtmp;
    mod stream;

    pub use crate::ingest::stream::StreamAssembler;
}
