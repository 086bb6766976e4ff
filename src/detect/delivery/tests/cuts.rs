//! Connections that are cut anywhere, and power that goes at any change of the disk.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use crate::detect::delivery::tests::{MODELS, Script, Server, forgetful, noise, parcel};
use crate::disk::{Disk, ForgetfulDisk, read_whole};
use crate::http::outgoing::PartFile;
use crate::http::outgoing::{BLOCK, Have};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However often a connection is cut, and where: the parcel comes whole, and no byte that came once
    /// comes again.
    #[test]
    fn a_parcel_comes_over_connections_that_are_cut_anywhere(
        bytes in 0_usize..3 * BLOCK,
        cuts in prop::collection::vec(0_usize..2 * BLOCK, 0..6),
    ) {
        let body = parcel("0.2.0", bytes);
        let script =
            Script { body: body.clone(), etag: Some("\"v1\""), cuts, ranges: true, ..Script::default() };
        let server = Server::of(script);
        let toy = forgetful();
        prop_assert_eq!(toy.stage(&server.url(), None), Ok("toy@0.2.0".to_owned()));
        prop_assert_eq!(toy.kept("toy@0.2.0.parcel"), body.clone());
        prop_assert_eq!(*server.sent.lock(), body.len());
    }

    /// A power cut at any change of the disk costs at most a MiB that had come.
    #[test]
    fn a_power_cut_costs_at_most_a_block(
        pieces in prop::collection::vec(1_usize..400_000, 1..14),
        stop in 0_u64..60,
        seed in any::<u64>(),
    ) {
        let (had, left, whole) = cut(&pieces, stop, seed, false);
        prop_assert!(had - left.0 <= BLOCK, "{had} had come, {} are left", left.0);
        prop_assert!(whole.starts_with(&left.1));
    }
}

/// Takes pieces until the disk stops: bytes that had come, what the next start finds of them, and all.
fn cut(pieces: &[usize], stop: u64, seed: u64, lies: bool) -> (usize, (usize, Vec<u8>), Vec<u8>) {
    let whole = noise(3, pieces.iter().sum());
    let disk = ForgetfulDisk::new();
    disk.ignore_syncs(lies);
    let shared = || Arc::new(disk.clone()) as Arc<dyn Disk>;
    let mut part = PartFile::take_up(&shared(), Path::new(MODELS), "x").expect("begun");
    let total = Some(whole.len() as u64);
    part.begin(Have { of: "x".to_owned(), total, ..Have::default() }).expect("begun");
    disk.stop_after(disk.operations() + stop);
    let mut had = 0;
    for piece in pieces {
        if part.take(&whole[had..had + piece]).is_err() {
            // What is behind the block that could not be kept was never taken.
            had = (had / BLOCK + 1) * BLOCK;
            break;
        }
        had += piece;
    }
    let next = Arc::new(disk.power_cut(seed)) as Arc<dyn Disk>;
    let part = PartFile::take_up(&next, Path::new(MODELS), "x").expect("taken up");
    let bytes = usize::try_from(part.bytes()).expect("small");
    let found = read_whole(&*next, &part.path(), 64 << 20).expect("there");
    assert_eq!(found.len(), bytes, "what does not count is cut off");
    (had, (bytes, found), whole)
}

/// A disk that does not sync shows what the order of writes is for.
#[test]
fn without_syncs_a_power_cut_costs_more_or_leaves_other_bytes() {
    let pieces = [300_000; 12];
    let spoilt = (0..40).any(|seed| {
        let (had, (bytes, found), whole) = cut(&pieces, 1_000, seed, true);
        had - bytes > BLOCK || !whole.starts_with(&found)
    });
    assert!(spoilt, "the negative control keeps everything");
}
