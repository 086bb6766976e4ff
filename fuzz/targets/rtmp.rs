//! A connection after its handshake: any bytes, in any pieces.

use courtside::media::Monotonic;
use courtside::rtmp::RtmpError;
use courtside::rtmp::session::{Event, ServerSession};

#[path = "items.rs"]
mod items;

use items::{assembler, check};

/// Everything that a connection sent after its handshake, in pieces of the first byte's size; the
/// same bytes whole must give the same.
pub(crate) fn run(data: &[u8]) {
    let Some((&size, bytes)) = data.split_first() else { return };
    let play = |size: usize| {
        let mut session = ServerSession::new(1);
        let mut assembler = assembler();
        let mut items = Vec::new();
        let hello = [&[3][..], &[0; 2 * 1536]].concat();
        let mut said = Vec::new();
        for piece in [hello.as_slice()].into_iter().chain(bytes.chunks(size)) {
            let mut input = piece;
            loop {
                match session.next(&mut input) {
                    Ok(Some(Event::Publish { .. })) => session.accept(),
                    Ok(Some(Event::Media(message))) => {
                        if let Err(refused) = assembler.media(&message, Monotonic::ZERO, &mut items)
                        {
                            return (items, format!("{said:?} {refused}"));
                        }
                    }
                    Ok(Some(Event::Data { message, name, values })) => {
                        assembler.data(message.timestamp, &name, &values, &mut items);
                    }
                    Ok(Some(event)) => said.push(format!("{event:?}")),
                    Ok(None) => break,
                    // How much a peer left unread depends on the pieces.
                    Err(RtmpError::Unsent { .. }) => {
                        return (Vec::new(), String::new());
                    }
                    Err(error) => return (items, format!("{said:?} {error}")),
                }
            }
            assert!(input.is_empty(), "bytes are left");
            session.output().clear();
        }
        (items, format!("{said:?}"))
    };
    let (items, said) = play(usize::from(size) + 1);
    check(&items);
    let (whole, said_whole) = play(usize::MAX);
    if !said.is_empty() && !said_whole.is_empty() {
        assert_eq!(said, said_whole);
        assert_eq!(format!("{items:?}"), format!("{whole:?}"));
    }
}
