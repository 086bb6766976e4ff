//! Cuts at every operation of the disk; what is refused in a claim, with its code, and what then happens. The field is in `field/tests`.

use std::time::Duration;

use super::field::{CALM, Chance, Desk, LASTS, MOST_STEPS, TODAY, Tried, contact, serial, wrongs};
use super::papers::{VERSION, json, read};
use super::*;
use crate::config::Broker;
use crate::disk::ForgetfulDisk;
use crate::media::{BoxName, Foreign, Monotonic, UtcTime};

/// A box that has asked, and its next request.
fn asked(desk: &Desk) -> (Tried, Request) {
    let stick = contact(desk.authority.certificate(), "stick-1");
    let mut tried = Tried::new(ForgetfulDisk::new(), serial(3), stick);
    let mut nobody = Desk::new();
    loop {
        if let Want::Publish { payload, .. } = tried.machine.want(tried.now) {
            let request = read(&payload).expect("a request");
            let want = tried.machine.want(tried.now);
            tried.seen(Seen::Done(Box::new(want)));
            return (tried, request);
        }
        tried.step(&mut nobody, CALM, &mut Chance(0)).expect("goes on");
    }
}

fn answer(request: &Request, name: &str, chain: String) -> Answer {
    let grant = Grant { chain: Some(chain), ..Grant::to(BoxName::new(name).expect("a name")) };
    Answer {
        v: VERSION,
        request: request.request,
        nonce: request.nonce,
        verdict: Verdict::Grant(Box::new(grant)),
    }
}

fn code(tried: &Tried) -> Option<Code> {
    tried.machine.shown().trouble.map(|trouble| trouble.code)
}

#[test]
fn a_grant_that_is_not_for_this_box_is_refused_with_its_code() {
    let desk = Desk::new();
    let sign = |request: &Request, name: &str, now: UtcTime| {
        let name = BoxName::new(name).expect("a name");
        desk.authority.sign_box(&request.csr, &name, now, LASTS).expect("signed")
    };
    let others = Keys::make(&serial(4)).expect("keys");
    let later = UtcTime::from_nanos(TODAY.as_nanos() + 400 * 24 * 3_600_000_000_000);
    let other_root = Desk::new();
    let table: Vec<(Code, Answer, Tried)> = {
        let mut rows = Vec::new();
        let mut row = |expected, make: &dyn Fn(&Request) -> Answer| {
            let (tried, request) = asked(&desk);
            rows.push((expected, make(&request), tried));
        };
        row(Code::ENonce, &|request| {
            let nonce = others.nonce;
            Answer { nonce, ..answer(request, "rim-1", sign(request, "rim-1", TODAY)) }
        });
        row(Code::ECertMismatch, &|request| {
            let name = BoxName::new("rim-1").expect("a name");
            let chain = desk.authority.sign_box(&others.csr, &name, TODAY, LASTS).expect("signed");
            answer(request, "rim-1", chain)
        });
        row(Code::EChain, &|request| {
            let name = BoxName::new("rim-1").expect("a name");
            let authority = &other_root.authority;
            answer(
                request,
                "rim-1",
                authority.sign_box(&request.csr, &name, TODAY, LASTS).expect("signed"),
            )
        });
        row(Code::EClock, &|request| answer(request, "rim-1", sign(request, "rim-1", later)));
        row(Code::EName, &|request| answer(request, "rim-1", sign(request, "rim-2", TODAY)));
        row(Code::EName, &|request| answer(request, "claim", sign(request, "claim", TODAY)));
        row(Code::EAnswer, &|request| answer(request, "rim-1", "no certificate".to_owned()));
        rows
    };
    for (expected, answer, mut tried) in table {
        assert_eq!(code(&tried), Some(Code::ENoAnswer), "it was asked");
        tried.seen(Seen::Answer(json(&answer)));
        assert_eq!(code(&tried), Some(expected));
        assert_ne!(tried.machine.stage(), Stage::Issued, "{expected}");
        assert!(tried.on_disk().next.expect("asked").grant.is_none(), "{expected}");
    }
    let (mut tried, request) = asked(&desk);
    tried.seen(Seen::Answer(vec![b'x'; 1 << 20]));
    assert_eq!(code(&tried), Some(Code::EAnswer), "a megabyte");
    // Negative control: the good one is taken.
    tried.seen(Seen::Answer(json(&answer(&request, "rim-1", sign(&request, "rim-1", TODAY)))));
    assert!(matches!(tried.machine.want(tried.now), Want::Keep(_)));
}

#[test]
fn a_certificate_of_another_key_is_told_and_another_key_is_made() {
    let mut desk = Desk::new();
    let (mut tried, request) = asked(&desk);
    let others = Keys::make(&serial(4)).expect("keys");
    let name = BoxName::new("rim-1").expect("a name");
    let chain = desk.authority.sign_box(&others.csr, &name, TODAY, LASTS).expect("signed");
    let wrong = answer(&request, "rim-1", chain);
    let granted = Granted {
        serial: request.serial.clone(),
        name,
        request: request.request,
        nonce: request.nonce,
        answer: wrong.clone(),
        committed: false,
        void: false,
        granted_at: 0,
    };
    assert!(desk.keep(&granted));
    tried.seen(Seen::Answer(json(&wrong)));
    assert!(tried.run(&mut desk, CALM, &mut Chance(0)));
    let record = desk.record(&tried.serial).expect("granted");
    assert_ne!(record.request, request.request, "another attempt");
    assert!(wrongs(&desk, &[(tried, true)]).is_empty());
}

#[test]
fn refusals_of_the_technicians_side_wait_and_say_what_to_do() {
    let desk = Desk::new();
    for (code_given, after_s, waits) in [
        (Code::EUnknownSerial, None, 60),
        (Code::EAlreadyClaimed, None, 60),
        (Code::ENotApproved, Some(10), 10),
        (Code::ERate, Some(300), 300),
        (Code::ENameTaken, None, 60),
    ] {
        let (mut tried, request) = asked(&desk);
        let trouble = Trouble::new(code_given, "no");
        tried.seen(Seen::Answer(json(&refusal(&request, trouble, after_s))));
        assert_eq!(code(&tried), Some(code_given));
        let until = tried.now.plus(Duration::from_secs(waits));
        assert_eq!(tried.machine.want(tried.now), Want::Wait(until), "{code_given}");
        tried.now = until;
        let Want::Publish { payload, .. } = tried.machine.want(tried.now) else {
            panic!("{code_given}: asks again");
        };
        assert_eq!(read::<Request>(&payload).expect("a request"), request, "the same request");
        let told = tried.machine.shown().trouble.expect("told").to_string();
        assert!(told.contains(code_given.advice()) && told.starts_with("E_"), "{told}");
    }
}

#[test]
fn a_request_is_the_same_bytes_after_thirty_seconds() {
    let (mut tried, request) = asked(&Desk::new());
    let until = tried.now.plus(Duration::from_secs(30));
    assert_eq!(tried.machine.want(tried.now), Want::Wait(until));
    tried.now = until;
    let Want::Publish { topic, payload } = tried.machine.want(tried.now) else { panic!("asks") };
    assert_eq!(topic, "courtside/1/claim/CS-00003/req");
    assert_eq!(payload, json(&request));
}

#[test]
fn a_refused_credential_is_shown_at_most_once_a_minute() {
    let stick = contact("root", "stick-1");
    let mut tried = Tried::new(ForgetfulDisk::new(), serial(3), stick);
    let mut nobody = Desk::new();
    let mut tries = 0;
    let hour = Monotonic::from_nanos(0).plus(Duration::from_secs(3600));
    while tried.now < hour {
        if let Want::Connect(_) = tried.machine.want(tried.now) {
            tries += 1;
            tried.seen(Seen::Denied(Foreign::text("not authorized")));
            assert_eq!(code(&tried), Some(Code::EClaimAuth));
        } else {
            tried.step(&mut nobody, CALM, &mut Chance(0)).expect("goes on");
        }
    }
    assert!((59..=61).contains(&tries), "{tries} tries in an hour");
}

#[test]
fn an_identity_that_its_broker_refuses_changes_nothing_and_is_told() {
    let mut desk = Desk::new();
    let stick = contact(desk.authority.certificate(), "stick-1");
    let mut tried = Tried::new(ForgetfulDisk::new(), serial(3), stick);
    assert!(tried.run(&mut desk, CALM, &mut Chance(0)));
    let before = tried.machine.identity();
    tried.renew = true;
    let (mut refusals, mut reported) = (0, false);
    while !reported {
        match tried.machine.want(tried.now) {
            Want::Connect(login) if login.client_id.ends_with("-claim") => {
                assert_eq!(tried.machine.stage(), Stage::Issued);
                refusals += 1;
                tried.seen(Seen::Denied(Foreign::text("not authorized")));
            }
            Want::Publish { topic, payload }
                if read::<Report>(&payload).is_ok_and(|it| it.trouble.is_some()) =>
            {
                assert_eq!(topic, "courtside/1/cs-00003/claim/req", "as the one that it is");
                reported = true;
            }
            _ => {
                tried.step(&mut desk, CALM, &mut Chance(0)).expect("goes on");
            }
        }
        assert_eq!(tried.machine.identity(), before);
    }
    assert_eq!((refusals, code(&tried)), (5, Some(Code::EIdentityRefused)));
    assert!(tried.run(&mut desk, CALM, &mut Chance(0)), "and goes on once it is taken");
    assert_ne!(tried.machine.identity(), before);
}

#[test]
fn a_claim_file_of_another_owner_changes_nothing() {
    let mut desk = Desk::new();
    let stick = contact(desk.authority.certificate(), "stick-1");
    let mut tried = Tried::new(ForgetfulDisk::new(), serial(3), stick);
    assert!(tried.run(&mut desk, CALM, &mut Chance(0)));
    let foreign = contact(Desk::new().authority.certificate(), "stick-2");
    tried.seen(Seen::Contact(Box::new(foreign)));
    assert_eq!(
        (tried.machine.want(tried.now), code(&tried)),
        (Want::Rest, Some(Code::EOtherOwner))
    );
    // Its own owner's does: it asks anew, and stays who it is meanwhile.
    let again = contact(desk.authority.certificate(), "stick-3");
    tried.seen(Seen::Contact(Box::new(again)));
    assert_eq!(tried.machine.want(tried.now), Want::Keys);
    assert!(tried.machine.identity().is_some());
}

#[test]
fn another_claim_file_on_the_way_asks_for_the_same() {
    let desk = Desk::new();
    let (mut tried, request) = asked(&desk);
    let mut other = contact(desk.authority.certificate(), "stick-2");
    other.broker = Broker::parse("mqtts://elsewhere").expect("an address");
    tried.seen(Seen::Contact(Box::new(other)));
    let mut nobody = Desk::new();
    loop {
        match tried.machine.want(tried.now) {
            Want::Connect(login) => assert_eq!(login.broker.host, "elsewhere"),
            Want::Publish { payload, .. } => {
                assert_eq!(read::<Request>(&payload).expect("a request"), request);
                return;
            }
            _ => {}
        }
        tried.step(&mut nobody, CALM, &mut Chance(0)).expect("goes on");
    }
}

#[test]
fn a_disk_that_says_no_is_told_and_nothing_is_sent() {
    let desk = Desk::new();
    let stick = contact(desk.authority.certificate(), "stick-1");
    let mut tried = Tried::new(ForgetfulDisk::new(), serial(3), stick);
    tried.disk.fail_syncs(true);
    let mut nobody = Desk::new();
    for _ in 0..20 {
        tried.step(&mut nobody, CALM, &mut Chance(0)).expect("goes on");
    }
    assert_eq!((code(&tried), tried.machine.stage()), (Some(Code::EStore), Stage::Factory));
    assert!(!tried.kinds.contains(&"connect"), "{:?}", tried.kinds);
    tried.disk.fail_syncs(false);
    let mut desk = desk;
    assert!(tried.run(&mut desk, CALM, &mut Chance(0)));
}

#[test]
fn who_gets_which_name() {
    let request = |n: usize| {
        let Keys { request, nonce, csr, .. } = Keys::make(&serial(n)).expect("keys");
        Request {
            v: VERSION,
            request,
            nonce,
            serial: serial(n),
            csr,
            version: "1.0".to_owned(),
            hardware: None,
        }
    };
    let name = BoxName::new("rim-1").expect("a name");
    let policy = Policy { approved: Some(name.clone()), again: false };
    let refused = |decision: Decision| match decision {
        Decision::Refuse(answer) => match answer.verdict {
            Verdict::Refused { trouble, .. } => Some(trouble.code),
            Verdict::Grant(_) => None,
        },
        _ => None,
    };
    let first = request(1);
    assert_eq!(decide(&first, None, None, None, &Policy::default()), Decision::Ask);
    assert_eq!(decide(&first, None, None, None, &policy), Decision::Issue(name.clone()));
    let (other, taken) = (request(2), decide(&request(2), None, Some(&serial(1)), None, &policy));
    assert_eq!(refused(taken), Some(Code::ENameTaken));
    for bad in RESERVED_NAMES {
        let policy = Policy { approved: BoxName::new(bad).ok(), again: false };
        assert_eq!(refused(decide(&other, None, None, None, &policy)), Some(Code::EName), "{bad}");
    }
    let granted = Granted {
        serial: serial(1),
        name: name.clone(),
        request: first.request,
        nonce: first.nonce,
        answer: answer(&first, "rim-1", String::new()),
        committed: true,
        void: false,
        granted_at: 0,
    };
    let known = Some(&granted);
    let again = decide(&first, known, Some(&serial(1)), None, &Policy::default());
    assert_eq!(again, Decision::Again(Box::new(granted.answer.clone())), "without a person");
    let wiped = request(1);
    let decided = |policy: &Policy, own| decide(&wiped, known, Some(&serial(1)), own, policy);
    assert_eq!(refused(decided(&policy, None)), Some(Code::EAlreadyClaimed));
    assert_eq!(
        decided(&Policy { again: true, ..policy.clone() }, None),
        Decision::Issue(name.clone())
    );
    // Under its own name it needs no person; under another's it gets nothing.
    assert_eq!(decided(&Policy::default(), Some(&name)), Decision::Issue(name.clone()));
    let others = BoxName::new("rim-9").expect("a name");
    assert_eq!(refused(decided(&Policy::default(), Some(&others))), Some(Code::EAlreadyClaimed));
    assert_eq!(
        refused(decide(&other, None, None, Some(&others), &Policy::default())),
        Some(Code::EUnknownSerial)
    );
    let old = Request { v: 0, ..first };
    assert_eq!(refused(decide(&old, None, None, None, &policy)), Some(Code::ECsr));
}

#[test]
fn an_authority_signs_only_what_its_key_has_signed() {
    let desk = Desk::new();
    let name = BoxName::new("rim-1").expect("a name");
    let good = Keys::make(&serial(1)).expect("keys").csr;
    assert!(desk.authority.sign_box(&good, &name, TODAY, LASTS).is_ok());
    // One letter of its base64 changed, somewhere in the middle of the key.
    let at = good.len() / 2;
    let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
    let mut forged = good.clone();
    forged.replace_range(at..=at, other);
    for bad in [
        forged.as_str(),
        "",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    ] {
        assert!(desk.authority.sign_box(bad, &name, TODAY, LASTS).is_err(), "{bad}");
    }
    assert!(desk.authority.broker(&["no host".to_owned() + "\u{e9}"], TODAY, LASTS).is_err());
}

/// Cuts a claim at operation `at` of its disk, and looks at what the start after it finds.
fn cut_at(
    at: u64,
    seed: u64,
    old: Option<&Tried>,
    desk: &mut Desk,
    syncs: bool,
) -> (bool, Held, Tried) {
    let stick = contact(desk.authority.certificate(), "stick-1");
    let disk = old.map_or_else(ForgetfulDisk::new, |old| old.disk.power_cut(0));
    disk.ignore_syncs(!syncs);
    let mut tried = Tried::new(disk.clone(), serial(7), stick);
    tried.renew = old.is_some();
    disk.stop_after(disk.operations() + at);
    let mut chance = Chance(seed);
    for _ in 0..MOST_STEPS {
        if disk.is_stopped() || tried.step(desk, CALM, &mut chance).is_none() {
            break;
        }
    }
    let cut = tried.cuts > 0;
    let held = tried.on_disk();
    (cut, held, tried)
}

fn whole(held: &Held) -> bool {
    let good = |attempt: &Attempt| {
        let grant = attempt.grant.clone().map(Box::new).expect("what is current was granted");
        let answer = Answer {
            v: VERSION,
            request: attempt.request,
            nonce: attempt.nonce,
            verdict: Verdict::Grant(grant),
        };
        matches!(judge::judge(&json(&answer), attempt, TODAY), judge::Judged::Granted(_))
    };
    held.damaged.is_empty() && held.current.as_ref().is_none_or(good)
}

#[test]
fn a_cut_at_every_write_sync_and_rename_leaves_the_old_or_the_new_identity() {
    for with_old in [false, true] {
        let mut first = Desk::new();
        let old = with_old.then(|| {
            let (_, _, mut tried) = cut_at(u64::MAX / 2, 0, None, &mut first, true);
            assert!(tried.run(&mut first, CALM, &mut Chance(0)));
            tried
        });
        let was = old.as_ref().map(|old| old.on_disk().current.expect("somebody").request);
        let (mut cuts, mut seen_new) = (0, false);
        for at in 0.. {
            let mut went_on = false;
            for seed in 0..6 {
                // The technician's side as it was, and a copy of it for each try.
                let mut desk = Desk { disk: first.disk.power_cut(0), ..Desk::new() };
                std::mem::swap(&mut desk.authority, &mut first.authority);
                let (cut, held, mut tried) = cut_at(at, seed, old.as_ref(), &mut desk, true);
                assert!(whole(&held), "operation {at}, seed {seed}: {:?}", held.damaged);
                let request = held.current.as_ref().map(|it| it.request);
                seen_new |= cut && request != was;
                if cut && request == was && was.is_none() {
                    assert!(tried.machine.identity().is_none());
                }
                // A rotation that was lost before it was kept is asked for again by a person.
                assert!(
                    tried.run(&mut desk, CALM, &mut Chance(seed)),
                    "operation {at}, seed {seed}"
                );
                let wrong = wrongs(&desk, &[(tried, true)]);
                assert!(wrong.is_empty(), "operation {at}, seed {seed}: {wrong:?}");
                went_on |= cut;
                cuts += u32::from(cut);
                std::mem::swap(&mut desk.authority, &mut first.authority);
            }
            if !went_on {
                break;
            }
        }
        assert!(cuts > 60 && seen_new, "{cuts} cuts, with an old identity: {with_old}");
    }
}

#[test]
fn on_a_disk_that_keeps_nothing_a_cut_leaves_half() {
    let mut desk = Desk { again: true, ..Desk::new() };
    let half = |(at, seed)| {
        let (cut, held, tried) = cut_at(at, seed, None, &mut desk, false);
        cut && (tried.damaged > 0 || !whole(&held))
    };
    assert!((5..40).flat_map(|at| (0..6).map(move |seed| (at, seed))).any(half));
}
