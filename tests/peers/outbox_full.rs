//! An outbox beyond its quota, a game that waits for it, and both well again without a restart.

use std::collections::BTreeSet;
use std::time::Duration;

use courtside::uplink::UplinkSettings;

use crate::broker::{NOON, Sut, missed, settings};
use crate::fake_broker::TestBroker;
use crate::mosquitto::until;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Events that wait for weeks; each record takes some 600 bytes.
const OLD: u32 = 1_200;
/// Decided in the last days.
const YOUNG: u32 = 300;
/// Room for some 500 of them.
const QUOTA: u64 = 300_000;

/// What is never let go for the quota: the newest ones.
const NEWEST: u32 = 256;

#[test]
fn a_queue_over_its_quota_sheds_what_is_older_than_the_promise_and_goes_on_without_a_restart() {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let broker = runtime.block_on(TestBroker::start());
    broker.away();
    let dir = tempfile::tempdir().expect("directory");
    let settings = UplinkSettings { quota_bytes: QUOTA, ..settings(dir.path(), broker.port()) };
    let sut = Sut::open_with(dir, settings, NOON);
    for n in 1..=OLD {
        sut.offer(missed("a", n));
    }
    sut.promised(u64::from(OLD));
    let state = until("it says how full it is", || {
        let state = sut.uplink.status().state;
        (state.outbox_share > 1.0).then_some(state)
    });
    assert_eq!((state.shed, state.outbox_events), (0, u64::from(OLD)), "within the promise");
    sut.clock.advance(14 * DAY);
    for n in OLD + 1..=OLD + YOUNG {
        sut.offer(missed("a", n));
    }
    sut.promised(u64::from(OLD + YOUNG));
    assert_eq!(sut.uplink.status().state.shed, 0, "still within it");

    // The old ones are older than 15 days now, the young ones are not.
    sut.clock.advance(2 * DAY);
    let kept = until("it has let go of what the quota wants", || {
        sut.clock.advance(Duration::from_secs(1));
        let state = sut.uplink.status().state;
        (state.outbox_share <= 1.0).then_some(state)
    });
    assert!(kept.shed > 0 && kept.shed_telemetry == 0, "{kept:?}");
    assert_eq!(kept.outbox_events, u64::from(OLD + YOUNG) - kept.shed, "counted, each");
    assert!(kept.outbox_events >= u64::from(YOUNG.max(NEWEST)));

    // The link is back: what is left arrives in order, the oldest were shed, and it is told.
    broker.open();
    until("all is acknowledged", || {
        sut.clock.advance(Duration::from_millis(200));
        (sut.uplink.status().state.outbox_events == 0).then_some(())
    });
    let sequence = |event: &crate::fake_broker::Message| -> u64 {
        event.json()["sequence"].as_str().expect("said").parse().expect("decimal")
    };
    let arrived: BTreeSet<u64> = broker.events().iter().map(sequence).collect();
    let expected: BTreeSet<u64> = (kept.shed + 1..=u64::from(OLD + YOUNG)).collect();
    assert_eq!(arrived, expected, "the oldest went, no hole in what is left");
    let told = until("state/uplink tells it", || {
        let told = broker.state("uplink")?;
        (told["shed"] == kept.shed).then_some(told)
    });
    assert_eq!(told["shed_telemetry"], 0);
    // And goes on as before.
    sut.offer(missed("a", OLD + YOUNG + 1));
    until("a new one arrives", || {
        broker
            .events()
            .iter()
            .any(|event| sequence(event) == u64::from(OLD + YOUNG) + 1)
            .then_some(())
    });
}
