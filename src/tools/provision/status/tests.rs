//! How boxes are shown.

use super::*;
use crate::claim::{Answer, Authority, Grant, Granted, Keys, Verdict};
use crate::tools::provision::records::BoxRecord;

/// 2026-12-01.
const TODAY: UtcTime = UtcTime::from_nanos(1_796_083_200_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn record(n: u32, name: &str, days: u32) -> BoxRecord {
    let made = Authority::make("a venue", TODAY).expect("made");
    let authority = Authority::load(&made.certificate, made.key.expose()).expect("loaded");
    let serial = Serial::new(&format!("CS-{n}")).expect("a serial number");
    let name = BoxName::new(name).expect("a name");
    let Keys { request, nonce, csr, .. } = Keys::make(&serial).expect("keys");
    let chain = authority.sign_box(&csr, &name, TODAY, DAY * days).expect("signed");
    let grant = Grant { chain: Some(chain), ..Grant::to(name.clone()) };
    let answer = Answer { v: 1, request, nonce, verdict: Verdict::Grant(Box::new(grant)) };
    let granted_at = TODAY.as_nanos() / 1_000_000_000;
    BoxRecord::first(Granted {
        serial,
        name,
        request,
        nonce,
        answer,
        committed: true,
        void: false,
        granted_at,
    })
}

#[test]
fn a_box_stands_as_its_record_and_its_last_word_say() {
    let state = |online| BoxState {
        online,
        session: 1,
        instance: None,
        version: "1.2".to_owned(),
        courts: Vec::new(),
    };
    let mut heard = BTreeMap::new();
    heard.insert(BoxName::new("rim-1").expect("a name"), state(true));
    heard.insert(BoxName::new("rim-2").expect("a name"), state(false));
    let mut boxes = vec![
        row(&record(1, "rim-1", 400), &heard, TODAY),
        row(&record(2, "rim-2", 29), &heard, TODAY),
        row(&record(3, "rim-3", 1), &heard, TODAY.plus_nanos(2 * 24 * 3600 * 1_000_000_000)),
    ];
    let mut revoked = record(4, "rim-1", 400);
    revoked.revoked = Some(TODAY.as_nanos());
    boxes.push(row(&revoked, &heard, TODAY));
    let mut untold = record(5, "rim-5", 400);
    untold.granted.committed = false;
    boxes.push(row(&untold, &heard, TODAY));
    let status = Status {
        authority: "a venue".to_owned(),
        broker: "mqtts://10.0.0.5:8883".to_owned(),
        broker_fault: None,
        boxes,
        others: Vec::new(),
    };
    insta::assert_snapshot!(status.lines().join("\n"));
    let online: Vec<Option<bool>> = status.boxes.iter().map(|it| it.online).collect();
    assert_eq!(online, [Some(true), Some(false), None, None, None]);
}
