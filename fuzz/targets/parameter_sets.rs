//! `avcC`, `hvcC`, parameter sets, slices and SEI: any bytes.

use bytes::Bytes;
use courtside::media::sei::Sei;
use courtside::media::{Codec, h264, h265};

/// Parameter sets, their records, slices and SEI. The first byte says which.
pub(crate) fn run(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(bytes);
    if which & 1 == 0 {
        if let Some(new) = h264::without_reordering(&bytes) {
            let (old, new) = (h264::Sps::read(&bytes), h264::Sps::read(&new));
            let (old, new) = (old.expect("it was rewritten"), new.expect("it is whole"));
            assert_eq!(new.reorder_frames, Some(0));
            assert_eq!((new.width, new.height, new.id), (old.width, old.height, old.id));
        }
        let _read = (h264::slice_type(&bytes), Sei::read(Codec::H264, &bytes));
        if let Some((mut sets, _)) = h264::ParameterSets::from_record(&bytes) {
            sets.supersede(&bytes);
            if let Some(known) = sets.parameters() {
                assert!(h264::ParameterSets::from_record(&known.config).is_some());
            }
        }
    } else {
        drop((h265::Sps::read(&bytes), Sei::read(Codec::H265, &bytes)));
        if let Some((mut sets, _)) = h265::ParameterSets::from_record(&bytes) {
            sets.supersede(&bytes);
            let _read = (sets.is_reordered_b(&bytes), h265::slice_type(&bytes, &sets.pps));
            if let Some(known) = sets.parameters() {
                assert!(h265::ParameterSets::from_record(&known.config).is_some());
            }
        }
    }
}
