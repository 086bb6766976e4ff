//! The uplink's start, and what it owes the ring.

use std::io;
use std::path::{Path, PathBuf};

use super::*;
use crate::broker::Access;
use crate::clock::{Chance, SystemClock};
use crate::config::Broker;
use crate::disk::RealDisk;
use crate::event::{ClipOrder, ClipRequest, Event, FactId, Family, Saying, Score};
use crate::mailbox::{Take, Tally, WhenFull};
use crate::media::{BoxName, MediaTime, SessionId, UtcTime};

/// Has something to give up once.
struct Once(Mutex<bool>);

impl SpaceNeeded for Once {
    fn release(&self) -> bool {
        std::mem::take(&mut self.0.lock())
    }
}

fn full() -> StoreError {
    let path = PathBuf::from("/data/outbox");
    StoreError::Directory { path, source: io::ErrorKind::StorageFull.into() }
}

#[test]
fn an_outbox_that_meets_a_full_disk_at_the_start_gets_the_ballast() {
    let space = Once(Mutex::new(true));
    let mut tries = 0;
    let opened = with_space(Some(&space), || {
        tries += 1;
        if tries == 1 { Err(full()) } else { Ok("open") }
    });
    assert!(matches!(opened, Ok("open")), "{opened:?}");
    // Nothing is left to give: the error is told.
    assert!(with_space(Some(&space), || Err::<(), _>(full())).is_err());
    assert!(with_space(None, || Err::<(), _>(full())).is_err());
}

pub(super) fn settings(dir: PathBuf) -> UplinkSettings {
    UplinkSettings {
        box_name: BoxName::new("rim-1").unwrap(),
        access: Some(Access::to(Broker { tls: false, host: "127.0.0.1".to_owned(), port: 1 })),
        dir,
        quota_bytes: DEFAULT_QUOTA_BYTES,
        boot: "boot".to_owned(),
        time_floor: UtcTime::from_nanos(0).into(),
        version: String::new(),
        courts: Vec::new(),
    }
}

fn with_clip(n: u32) -> Event {
    Event {
        court: CourtId::new("a").unwrap(),
        session: SessionId::from_bits(5),
        game: None,
        fact: FactId { family: Some(Family::Score), session: SessionId::from_bits(5), n },
        revision: 0,
        attempt: n,
        at: MediaTime::from_millis(i64::from(n) * 1000),
        saying: Saying::Score(Score { made: vec![n], attempts: vec![n], after: None }),
        clip: Some(ClipRequest {
            id: format!("a-{n}"),
            from_ns: 0,
            to_ns: 9,
            reason: "r".into(),
            ..ClipRequest::default()
        }),
    }
}

/// Opens the outbox with one seat on the way to the ring.
fn opened(dir: &Path) -> (Uplink, Mailbox<ClipOrder>, Mailbox<String>) {
    let hop = || Mailbox::new(1, WhenFull::DropNewest, Tally::default());
    let (orders, done) = (hop(), Mailbox::new(8, WhenFull::DropNewest, Tally::default()));
    let hooks =
        Hooks { orders: Some(orders.clone()), clips_done: Some(done.clone()), ..Hooks::default() };
    let (disk, clock): (Arc<dyn Disk>, _) =
        (Arc::new(RealDisk::new()), Arc::new(SystemClock::new()));
    let uplink = Uplink::open(settings(dir.to_owned()), clock, &disk, Chance::system(), hooks);
    (uplink.unwrap().0, orders, done)
}

fn ordered(orders: &Mailbox<ClipOrder>, count: usize) -> Vec<String> {
    let one = |_| match orders.take(Duration::from_secs(60)) {
        Take::Item(order) => order.request.id,
        other => panic!("{other:?}"),
    };
    (0..count).map(one).collect()
}

#[tokio::test]
async fn a_clip_that_finds_no_room_is_ordered_in_its_turn_and_after_a_restart_until_it_is_done() {
    let dir = tempfile::tempdir().expect("a folder");
    let (uplink, orders, _) = opened(dir.path());
    for n in 1..=3 {
        assert!(uplink.inbox().try_offer(with_clip(n).into()).is_ok());
    }
    assert_eq!(ordered(&orders, 3), ["a-1", "a-2", "a-3"], "one at a time, none lost");
    assert!(uplink.shutdown(Duration::from_secs(5)).await.committed);
    drop(uplink);
    // None was told as done.
    let (uplink, orders, done) = opened(dir.path());
    assert_eq!(orders.len(), 1, "ordered by the time that the ring is opened");
    assert_eq!(ordered(&orders, 3), ["a-1", "a-2", "a-3"]);
    for id in ["a-1", "a-3"] {
        assert_eq!(done.offer(id.to_owned()), None);
    }
    assert!(uplink.shutdown(Duration::from_secs(5)).await.committed);
    drop(uplink);
    let (_uplink, orders, _) = opened(dir.path());
    assert_eq!(ordered(&orders, 1), ["a-2"]);
    assert!(orders.is_empty());
}

#[tokio::test]
async fn an_uplink_that_is_let_go_of_without_a_word_is_opened_again_at_once_on_all_it_had() {
    let dir = tempfile::tempdir().expect("a folder");
    for n in 1..=8 {
        let (uplink, ..) = opened(dir.path());
        assert!(uplink.inbox().try_offer(with_clip(n).into()).is_ok());
        drop(uplink);
    }
    let (uplink, ..) = opened(dir.path());
    assert_eq!(uplink.replay(None, 0, 100).await.len(), 8);
}

#[test]
fn as_long_as_somebody_is_at_the_inbox_the_folder_is_held() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let lock = || disk.lock(&dir.path().join("lock"));
    let inbox = Inbox::open(inbox::Parts {
        disk: &disk,
        dir: dir.path(),
        clock: Arc::new(SystemClock::new()),
        floor: UtcTime::from_nanos(0).into(),
        root: "courtside/1/rim-1".to_owned(),
        held: Some(Arc::from(lock().expect("locked"))),
    });
    let inbox = inbox.expect("opened");
    assert!(lock().is_err());
    drop(inbox);
    assert!(lock().is_ok());
}
