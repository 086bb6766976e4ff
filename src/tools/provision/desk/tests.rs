//! The desk, on a disk that forgets, with boxes whose keys are made here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::claim::{Keys, describe};
use crate::disk::{Disk, ForgetfulDisk};
use crate::tools::provision::rules::List;

const DIR: &str = "/venue";
/// 2026-12-01.
const TODAY: UtcTime = UtcTime::from_nanos(1_796_083_200_000_000_000);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const YEAR_NANOS: i64 = 365 * 24 * 3600 * 1_000_000_000;

fn serial(n: u32) -> Serial {
    Serial::new(&format!("CS-{n}")).expect("a serial number")
}

fn named(text: &str) -> BoxName {
    BoxName::new(text).expect("a name")
}

fn list(rows: &[(u32, &str)]) -> Option<List> {
    Some(rows.iter().map(|(n, name)| (serial(*n), named(name))).collect())
}

fn rules(list: Option<List>, yes: bool) -> Rules {
    Rules { list, yes, again: false, password: false, lasts: YEAR }
}

/// A venue on a disk that forgets: its desk begins anew on what is there.
struct Venue {
    disk: ForgetfulDisk,
    authority: (String, Hidden),
}

impl Venue {
    fn new() -> Self {
        let disk = ForgetfulDisk::new();
        for below in ["", "boxes", "sticks"] {
            disk.create_dir_all(&Path::new(DIR).join(below)).expect("made");
        }
        let made = Authority::make("a venue", TODAY).expect("made");
        Self { disk, authority: (made.certificate, made.key) }
    }

    fn records(&self) -> Records {
        Records::open_on(Arc::new(self.disk.clone()), PathBuf::from(DIR)).expect("read")
    }

    fn desk(&self, rules: Rules) -> Desk {
        let (certificate, key) = &self.authority;
        let authority = Authority::load(certificate, key.expose()).expect("loaded");
        let broker = Broker::parse("mqtts://10.0.0.5:8884").ok();
        Desk::new(authority, self.records(), rules, broker)
    }
}

fn request(n: u32) -> Request {
    let Keys { request, nonce, csr, .. } = Keys::make(&serial(n)).expect("keys");
    Request {
        v: 1,
        request,
        nonce,
        serial: serial(n),
        csr,
        version: "1.0".to_owned(),
        hardware: None,
    }
}

fn asks(desk: &mut Desk, request: &Request) -> Vec<Effect> {
    let topic = format!("courtside/1/claim/{}/req", request.serial);
    let payload = serde_json::to_vec(request).expect("JSON");
    desk.hears(TODAY, &topic, &payload, false).expect("kept")
}

fn reports(desk: &mut Desk, topic: &str, request: &Request, code: Option<Code>) -> Vec<Effect> {
    let trouble = code.map(|code| Trouble { code, text: Foreign::text("it does not fit") });
    let report = Report {
        v: 1,
        request: request.request,
        nonce: request.nonce,
        serial: request.serial.clone(),
        trouble,
    };
    let payload = serde_json::to_vec(&report).expect("JSON");
    desk.hears(TODAY, &format!("courtside/1/{topic}"), &payload, false).expect("kept")
}

/// The one answer among effects, and its topic.
fn answer(effects: &[Effect]) -> (String, Answer) {
    let mut sent = effects.iter().filter_map(|effect| match effect {
        Effect::Publish { topic, payload } => {
            Some((topic.clone(), serde_json::from_slice(payload).expect("an answer")))
        }
        _ => None,
    });
    let one = sent.next().unwrap_or_else(|| panic!("nothing is sent: {effects:?}"));
    assert!(sent.next().is_none(), "more than one: {effects:?}");
    one
}

/// The name that was granted, or the code of the refusal.
fn verdict(effects: &[Effect]) -> Result<String, Code> {
    match answer(effects).1.verdict {
        Verdict::Grant(grant) => Ok(grant.name.to_string()),
        Verdict::Refused { trouble, .. } => Err(trouble.code),
    }
}

#[test]
fn a_box_on_the_list_gets_its_name_and_the_same_again_after_a_restart() {
    let venue = Venue::new();
    let mut desk = venue.desk(rules(list(&[(1, "rim-1")]), true));
    let asked = request(1);
    let (topic, first) = answer(&asks(&mut desk, &asked));
    assert_eq!(topic, "courtside/1/claim/CS-1/res");
    assert_eq!((first.request, first.nonce), (asked.request, asked.nonce));
    assert_eq!(answer(&asks(&mut desk, &asked)).1, first);
    // Another laptop session, under another rule: what is on record holds.
    let mut later = venue.desk(rules(list(&[(1, "rim-7")]), true));
    assert_eq!(answer(&asks(&mut later, &asked)).1, first);
    assert!(!later.is_done());
    reports(&mut later, "rim-1/claim/committed", &asked, None);
    assert!(later.is_done() && later.open().is_empty());
}

#[test]
fn what_is_refused_has_its_code() {
    let venue = Venue::new();
    let mut desk = venue.desk(rules(list(&[(1, "rim-1"), (2, "rim-2")]), true));
    let first = request(1);
    assert_eq!(verdict(&asks(&mut desk, &first)), Ok("rim-1".to_owned()));
    assert_eq!(verdict(&asks(&mut desk, &request(3))), Err(Code::EUnknownSerial));
    assert_eq!(verdict(&asks(&mut desk, &request(1))), Err(Code::EAlreadyClaimed));
    let mut broken = request(2);
    broken.csr = request(2).csr.replacen('A', "B", 3);
    assert_eq!(verdict(&asks(&mut desk, &broken)), Err(Code::ECsr));
    let mut taking = venue.desk(rules(list(&[(2, "rim-1")]), true));
    assert_eq!(verdict(&asks(&mut taking, &request(2))), Err(Code::ENameTaken));
    let odd = Request { v: 9, ..request(2) };
    assert_eq!(verdict(&asks(&mut taking, &odd)), Err(Code::ECsr));
    assert!(desk.records().of(&serial(2)).is_none());
}

#[test]
fn a_person_is_asked_and_says() {
    let venue = Venue::new();
    let mut desk = venue.desk(rules(None, false));
    let (one, two) = (request(1), request(2));
    assert_eq!(verdict(&asks(&mut desk, &one)), Err(Code::ENotApproved));
    assert_eq!(verdict(&asks(&mut desk, &two)), Err(Code::ENotApproved));
    // The same again is one box that waits, since it asked first.
    asks(&mut desk, &one);
    assert_eq!(desk.pending().len(), 2);
    let said = desk.approve(TODAY, &serial(1), &named("rim-1")).expect("kept");
    assert_eq!(verdict(&said), Ok("rim-1".to_owned()));
    assert_eq!(verdict(&desk.decline(&serial(2))), Err(Code::ENotApproved));
    assert_eq!(verdict(&asks(&mut desk, &two)), Err(Code::ENotApproved));
    assert!(desk.pending().is_empty(), "who was refused is not asked about again");
    // With another key it is another request.
    asks(&mut desk, &request(2));
    assert_eq!(desk.pending().len(), 1);
    let open = desk.open();
    assert!(
        open.iter().any(|line| line.starts_with("CS-1 has got its identity as `rim-1`")),
        "{open:?}"
    );
    assert!(open.iter().any(|line| line == "CS-2 waits for your yes"), "{open:?}");
}

#[test]
fn somebody_who_plays_boxes_is_bounded() {
    let venue = Venue::new();
    let mut desk = venue.desk(rules(None, false));
    let template = request(1);
    let mut codes = Vec::new();
    for n in 0..300 {
        let other = Request { serial: serial(n), ..template.clone() };
        codes.push(verdict(&asks(&mut desk, &other)).expect_err("refused"));
    }
    assert_eq!(desk.pending().len(), MOST_PENDING);
    assert_eq!(codes.iter().filter(|code| **code == Code::ERate).count(), 300 - MOST_PENDING);
    // What is none says nothing to anybody, and little to the person.
    let mut told = 0;
    for payload in [&b"{"[..], b"", &vec![b'['; 100_000]] {
        for _ in 0..10 {
            let topic = "courtside/1/claim/CS-1/req";
            told += desk.hears(TODAY, topic, payload, false).expect("kept").len();
        }
    }
    assert_eq!(told, 5);
    let foreign = desk.hears(
        TODAY,
        "courtside/1/claim/CS-2/req",
        &serde_json::to_vec(&template).expect("JSON"),
        false,
    );
    assert!(foreign.expect("kept").is_empty(), "a request of another serial number");
}

#[test]
fn a_box_asks_for_another_key_as_itself_and_the_old_certificate_ends_with_its_word() {
    let venue = Venue::new();
    let mut desk = venue.desk(rules(list(&[(1, "rim-1")]), true));
    let (first, second) = (request(1), request(1));
    asks(&mut desk, &first);
    reports(&mut desk, "rim-1/claim/committed", &first, None);
    let payload = serde_json::to_vec(&second).expect("JSON");
    let mut rotates = |as_whom: &str| {
        let topic = format!("courtside/1/{as_whom}/claim/req");
        desk.hears(TODAY, &topic, &payload, false).expect("kept")
    };
    assert_eq!(verdict(&rotates("rim-2")), Err(Code::EAlreadyClaimed));
    let effects = rotates("rim-1");
    assert_eq!(answer(&effects).0, "courtside/1/rim-1/claim/res");
    assert_eq!(verdict(&effects), Ok("rim-1".to_owned()));
    assert!(desk.records().ended_are().starts_with("# 0 ended"));
    // What the box said before of its old identity settles nothing.
    let state = br#"{"online": true, "session": 1, "version": "1.0", "courts": []}"#;
    assert!(
        desk.hears(TODAY, "courtside/1/rim-1/state/box", state, true).expect("kept").is_empty()
    );
    let told = reports(&mut desk, "rim-1/claim/committed", &second, None);
    assert!(told.contains(&Effect::TellBroker), "{told:?}");
    assert!(desk.records().ended_are().starts_with("# 1 ended"));
    assert!(reports(&mut desk, "rim-1/claim/committed", &second, None).is_empty());
}

#[test]
fn a_wiped_box_gets_another_identity_once_and_only_if_a_person_says_so() {
    let venue = Venue::new();
    let mut desk = venue.desk(rules(list(&[(1, "rim-1")]), true));
    let first = request(1);
    asks(&mut desk, &first);
    reports(&mut desk, "rim-1/claim/committed", &first, None);
    let again = Rules { again: true, ..rules(list(&[(1, "rim-1")]), true) };
    let mut desk = venue.desk(again);
    assert!(!desk.is_done(), "what was claimed before is not what is waited for");
    let second = request(1);
    assert_eq!(verdict(&asks(&mut desk, &second)), Ok("rim-1".to_owned()));
    assert_eq!(verdict(&asks(&mut desk, &second)), Ok("rim-1".to_owned()));
    assert_eq!(verdict(&asks(&mut desk, &request(1))), Err(Code::EAlreadyClaimed));
    reports(&mut desk, "rim-1/claim/committed", &second, None);
    assert!(desk.is_done());
}

#[test]
fn a_box_that_could_not_use_what_it_got_gets_another() {
    let venue = Venue::new();
    let mut desk = venue.desk(rules(list(&[(1, "rim-1")]), true));
    let first = request(1);
    asks(&mut desk, &first);
    let told = reports(&mut desk, "claim/CS-1/req", &first, Some(Code::ECertMismatch));
    assert!(
        matches!(&told[..], [Effect::Tell(line)] if line.contains("E_CERT_MISMATCH")),
        "{told:?}"
    );
    let second = request(1);
    assert_eq!(verdict(&asks(&mut desk, &second)), Ok("rim-1".to_owned()));
    let record = desk.records().of(&serial(1)).expect("kept");
    assert_eq!((record.earlier.len(), record.granted.request), (1, second.request));
}

#[test]
fn a_revoked_box_gets_nothing_and_its_name_is_free() {
    let venue = Venue::new();
    let mut desk = venue.desk(rules(list(&[(1, "rim-1")]), true));
    let first = request(1);
    asks(&mut desk, &first);
    let mut records = venue.records();
    let mut record = records.of(&serial(1)).expect("kept").clone();
    record.revoked = Some(TODAY.as_nanos());
    records.keep(record).expect("kept");
    assert!(records.ending(TODAY) > TODAY, "a list that is read later is a later one");
    let mut desk = venue.desk(rules(list(&[(1, "rim-1"), (2, "rim-1b")]), true));
    assert_eq!(verdict(&asks(&mut desk, &first)), Err(Code::EAlreadyClaimed));
    let mut other = venue.desk(rules(list(&[(2, "rim-1")]), true));
    assert_eq!(verdict(&asks(&mut other, &request(2))), Ok("rim-1".to_owned()));
}

#[test]
fn a_password_is_on_record_and_at_the_broker_before_it_is_sent() {
    let venue = Venue::new();
    let with = Rules { password: true, ..rules(list(&[(1, "rim-1")]), true) };
    let mut desk = venue.desk(with);
    let asked = request(1);
    let effects = asks(&mut desk, &asked);
    let at = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted).expect("wanted");
    let order = [
        at(|it| *it == Effect::TellBroker),
        at(|it| matches!(it, Effect::Admit(..))),
        at(|it| matches!(it, Effect::Publish { .. })),
    ];
    assert!(order.is_sorted(), "{effects:?}");
    let Verdict::Grant(grant) = answer(&effects).1.verdict else { panic!("granted") };
    assert_eq!(grant.username.as_deref(), Some("rim-1"));
    assert_eq!(grant.broker.map(|broker| broker.url()).as_deref(), Some("mqtts://10.0.0.5:8884"));
    let password = grant.password.expect("one");
    assert_eq!(venue.records().of(&serial(1)).expect("kept").password(), Some(&password));
    assert!(!format!("{effects:?}").contains(password.expose()), "it is shown nowhere");
    let again = asks(&mut venue.desk(rules(None, false)), &asked);
    assert!(again.contains(&Effect::Admit(named("rim-1"), password)), "{again:?}");
}

#[test]
fn whenever_the_laptop_dies_the_same_box_gets_one_certificate() {
    // As many operations of the disk as a grant takes, and some.
    for stop in 0..12 {
        for seed in 0..8 {
            let mut venue = Venue::new();
            let asked = request(1);
            let payload = serde_json::to_vec(&asked).expect("JSON");
            let mut desk = venue.desk(rules(list(&[(1, "rim-1")]), true));
            venue.disk.stop_after(venue.disk.operations() + stop);
            let topic = "courtside/1/claim/CS-1/req";
            let first = desk.hears(TODAY, topic, &payload, false).ok().map(|said| answer(&said).1);
            venue.disk = venue.disk.power_cut(seed);
            // Whoever goes on has been told another name meanwhile.
            let mut desk = venue.desk(rules(list(&[(1, "rim-9")]), true));
            let second = answer(&asks(&mut desk, &asked)).1;
            if let Some(first) = first {
                assert_eq!(first, second, "stop {stop}, seed {seed}: what was sent is sent again");
            }
            let record = venue.records().of(&serial(1)).cloned().expect("kept");
            assert_eq!((record.granted.answer, record.earlier.len()), (second, 0));
        }
    }
}

#[test]
fn certificates_are_of_the_name_and_last_as_long_as_was_said() {
    let venue = Venue::new();
    let mut desk = venue.desk(rules(list(&[(1, "rim-1")]), true));
    asks(&mut desk, &request(1));
    let record = desk.records().of(&serial(1)).expect("kept");
    let read = describe(record.chain().expect("a certificate")).expect("read");
    assert_eq!((read.name.as_str(), read.until), ("rim-1", TODAY.plus_nanos(YEAR_NANOS)));
    let untold = desk.hears(
        TODAY,
        "courtside/1/rim-1/state/box",
        br#"{"online": false, "session": 1, "version": "1", "courts": []}"#,
        true,
    );
    assert!(untold.expect("kept").is_empty());
    let there = br#"{"online": true, "session": 2, "version": "1", "courts": []}"#;
    let told = desk.hears(TODAY, "courtside/1/rim-1/state/box", there, true).expect("kept");
    assert_eq!(told, [Effect::Tell("CS-1: `rim-1` is there".to_owned())]);
    assert!(desk.is_done());
}
