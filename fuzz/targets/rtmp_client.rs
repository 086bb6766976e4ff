//! A server after its handshake, as a relay hears it: any bytes, in any pieces.

use courtside::rtmp::address::Address;
use courtside::rtmp::client::ClientSession;

/// Everything that a server said after its handshake, in pieces of the first byte's size; the same bytes whole
/// must give the same.
pub(crate) fn run(data: &[u8]) {
    let Some((&size, bytes)) = data.split_first() else { return };
    let Ok(address) = Address::parse("rtmp://far/live/planted-key") else { return };
    let play = |size: usize| {
        let mut session = ClientSession::to(&address, Some(*b"hvc1"), 1);
        let hello = [&[3][..], &[0; 2 * 1536]].concat();
        let (mut said, mut answers) = (Vec::new(), Vec::new());
        for piece in [hello.as_slice()].into_iter().chain(bytes.chunks(size)) {
            let mut input = piece;
            loop {
                match session.next(&mut input) {
                    Ok(Some(event)) => said.push(format!("{event:?}")),
                    Ok(None) => break,
                    Err(error) => {
                        said.push(error.to_string());
                        answers.append(session.output());
                        return (said, answers);
                    }
                }
            }
            assert!(input.is_empty(), "bytes are left");
            answers.append(session.output());
        }
        (said, answers)
    };
    let (said, answers) = play(usize::from(size) + 1);
    let all = said.concat();
    assert!(!all.contains("planted-key"), "{all}");
    // A ping takes 7 bytes and its answer 18; the rest is said once.
    assert!(answers.len() <= 3 * bytes.len() + 8_192, "{} for {}", answers.len(), bytes.len());
    let (whole, _) = play(usize::MAX);
    assert_eq!(said, whole);
}
