//! Bech32 (BIP 173) of 32 bytes: how age writes its keys, with a checksum that finds a typing error (pure).

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Letters of the checksum.
const CHECK: usize = 6;

/// `{prefix}1{digits}`, in small letters.
pub(super) fn encode(prefix: &str, bytes: &[u8; 32]) -> String {
    let mut digits = regroup(bytes, 8, 5, true).unwrap_or_default();
    let mut checked = expanded(prefix);
    checked.extend(&digits);
    checked.extend([0; CHECK]);
    let sum = polymod(&checked) ^ 1;
    digits
        .extend((0..CHECK).filter_map(|at| u8::try_from(sum >> (5 * (CHECK - 1 - at)) & 31).ok()));
    let letters = digits.iter().map(|digit| char::from(ALPHABET[usize::from(*digit)]));
    format!("{prefix}1{}", letters.collect::<String>())
}

/// The bytes of a text with this prefix (small letters), in one case.
pub(super) fn decode(prefix: &str, text: &str) -> Option<[u8; 32]> {
    let lower = text.to_ascii_lowercase();
    if text != lower && text != text.to_ascii_uppercase() {
        return None;
    }
    let digits = lower.strip_prefix(prefix)?.strip_prefix('1')?;
    let value = |letter: u8| ALPHABET.iter().position(|known| *known == letter);
    let digits: Option<Vec<u8>> =
        digits.bytes().map(|letter| u8::try_from(value(letter)?).ok()).collect();
    let digits = digits?;
    let mut checked = expanded(prefix);
    checked.extend(&digits);
    if polymod(&checked) != 1 {
        return None;
    }
    let (data, _) = digits.split_at_checked(digits.len().checked_sub(CHECK)?)?;
    regroup(data, 5, 8, false)?.try_into().ok()
}

fn expanded(prefix: &str) -> Vec<u8> {
    let high = prefix.bytes().map(|letter| letter >> 5);
    high.chain([0]).chain(prefix.bytes().map(|letter| letter & 31)).collect()
}

fn polymod(values: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.iter().fold(1, |sum, value| {
        let top = sum >> 25;
        let shifted = (sum & 0x01ff_ffff) << 5 ^ u32::from(*value);
        let bits = GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
        bits.fold(shifted, |sum, (_, generator)| sum ^ generator)
    })
}

/// Groups of `from` bits as groups of `to`; what is left over is padded, or must be nothing.
fn regroup(values: &[u8], from: u32, to: u32, pad: bool) -> Option<Vec<u8>> {
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut out = Vec::new();
    for value in values {
        bits = (bits << from | u32::from(*value)) & 0xfff;
        held += from;
        while held >= to {
            held -= to;
            out.extend(u8::try_from(bits >> held & ((1 << to) - 1)));
        }
    }
    let rest = bits & ((1 << held) - 1);
    if pad {
        if held > 0 {
            out.extend(u8::try_from(rest << (to - held)));
        }
    } else if held >= from || rest != 0 {
        return None;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_and_read_and_a_changed_letter_is_found() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 7).expect("small"));
        let text = encode("age", &bytes);
        assert_eq!(text.len(), 62);
        assert_eq!(decode("age", &text), Some(bytes));
        assert_eq!(decode("age", &text.to_ascii_uppercase()), Some(bytes));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'q' { b'p' } else { b'q' };
            let changed = String::from_utf8(changed).expect("text");
            assert_eq!(decode("age", &changed), None, "{changed}");
        }
        for bad in ["", "age1", "age1qqqqqq", &text[..61], &format!("{text}q")] {
            assert_eq!(decode("age", bad), None, "{bad}");
        }
    }
}
