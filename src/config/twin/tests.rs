//! A twin's states and trials, and a power cut at each of its writes.

use serde_json::json;

use super::*;
use crate::disk::{ForgetfulDisk, write_durably};
use crate::media::RimBox;

fn wanted(revision: u64, broker: &str) -> Wanted {
    let overlay = json!({ "uplink": { "broker": broker }, "court": { "a": { "rims": [] } } });
    Wanted { revision, overlay: Overlay::new(overlay).unwrap_or_default() }
}

fn changes(paths: &[(&str, Applies)]) -> Circumstances {
    let change =
        |(path, applies): &(&str, Applies)| Change { path: Foreign::path(path), applies: *applies };
    let checked = Some(Ok(paths.iter().map(change).collect()));
    Circumstances { checked, has_broker: true }
}

fn taken(twin: &Twin, wanted: Wanted, circumstances: Circumstances) -> Twin {
    match twin.came(wanted, circumstances) {
        Came::Taken(twin) => *twin,
        other => panic!("{other:?}"),
    }
}

fn outcome(twin: &Twin) -> (u64, DesiredOutcome, u64) {
    let told = twin.told.as_ref().expect("told");
    (told.revision, told.outcome, twin.force.revision)
}

const BROKER: &[(&str, Applies)] = &[("uplink.broker", Applies::Hot)];
const RIMS: &[(&str, Applies)] = &[("court.a.rims", Applies::Stream)];
const LISTEN: &[(&str, Applies)] = &[("http.listen", Applies::Restart)];
const NAME: &[(&str, Applies)] = &[("box.name", Applies::Restart)];

#[test]
fn what_nothing_hangs_on_is_good_at_once() {
    let twin = taken(&Twin::default(), wanted(1, "x"), changes(RIMS));
    assert_eq!(outcome(&twin), (1, DesiredOutcome::Applied, 1));
    assert_eq!((twin.trial, twin.starting()), (None, None));
    // Offline anyway: nothing is lost by it.
    let alone = Circumstances { has_broker: false, ..changes(BROKER) };
    let twin = taken(&twin, wanted(2, "y"), alone);
    assert_eq!((outcome(&twin), twin.trial), ((2, DesiredOutcome::Applied, 2), None));
}

#[test]
fn a_broker_that_is_lost_brings_the_last_good_one_back_and_is_not_tried_again() {
    let good = taken(&Twin::default(), wanted(1, "good"), changes(RIMS));
    let trying = taken(&good, wanted(2, "wrong"), changes(BROKER));
    assert_eq!(outcome(&trying), (2, DesiredOutcome::Trying, 2));
    // Another one on top of it: the good one stays the one to go back to.
    let worse = taken(&trying, wanted(3, "worse"), changes(BROKER));
    let beside = taken(&worse, wanted(4, "worse"), changes(RIMS));
    assert!(beside.trial == worse.trial && beside.undone("lost").force == good.force);
    let undone = worse.undone("lost");
    assert_eq!(outcome(&undone), (3, DesiredOutcome::Undone, 1));
    assert!(undone.force == good.force && undone.trial.is_none());
    assert_eq!(undone.came(wanted(3, "worse"), changes(BROKER)), Came::Known);
    for (revision, broker) in [(2, "wrong"), (3, "other"), (1, "good"), (0, "good")] {
        let came = undone.came(wanted(revision, broker), changes(BROKER));
        let Came::Refused(refused) = came else { panic!("{came:?}") };
        let passed_over = refused.passed_over.as_ref().expect("answered");
        assert_eq!(
            (passed_over.revision, passed_over.outcome),
            (revision, DesiredOutcome::Refused)
        );
        assert!(passed_over.errors[0].reason.ends_with("count up"), "{passed_over:?}");
        assert_eq!(outcome(&refused), outcome(&undone), "what is told of the newest stays");
        assert!(refused.seen == 3 && refused.force == undone.force);
        // The next one that is newer is what is told of.
        let next = taken(&refused, wanted(4, "good"), changes(RIMS));
        assert_eq!((next.passed_over, next.seen), (None, 4));
    }
    let held = trying.held(false);
    assert_eq!((outcome(&held), held.trial), ((2, DesiredOutcome::Applied, 2), None));
}

#[test]
fn the_link_decides_by_sixty_seconds_of_either() {
    let at = |s: u64| Monotonic::from_nanos(s * 1_000_000_000);
    let run = |looks: &[(u64, bool)], link| {
        let mut watching = Watching::begin(link, at(0));
        looks
            .iter()
            .find_map(|(s, connected)| watching.look(at(*s), *connected).map(|ended| (*s, ended)))
    };
    assert_eq!(run(&[(1, false), (59, false), (60, false)], true), Some((60, Ended::Lost)));
    assert_eq!(run(&[(1, true), (60, true), (61, true)], true), Some((61, Ended::Held)));
    // A flap begins anew, whichever way.
    let flap = [(1, true), (50, false), (80, true), (139, true), (140, true)];
    assert_eq!(run(&flap, true), Some((140, Ended::Held)));
    let lost = [(1, true), (50, false), (109, false), (110, false)];
    assert_eq!(run(&lost, true), Some((110, Ended::Lost)));
    let flaps: Vec<(u64, bool)> = (0..100).map(|n| (n * 10, n % 2 == 0)).collect();
    assert_eq!(run(&flaps, true), Some((600, Ended::Lost)), "neither, for ten minutes");
    assert_eq!(run(&[(1, false), (59, false), (60, false)], false), Some((60, Ended::Held)));
}

#[test]
fn what_waits_for_a_start_is_on_trial_there() {
    let twin = taken(&Twin::default(), wanted(1, "x"), changes(LISTEN));
    assert_eq!(outcome(&twin), (1, DesiredOutcome::Applied, 1));
    assert_eq!(twin.held(false).trial, twin.trial, "a run before that start decides nothing");
    let mut twin = twin;
    for start in 1..=STARTS_MOST {
        twin = twin.starting().expect("counted");
        assert_eq!(twin.trial.map(|trial| trial.starts), Some(start));
        assert!(twin.trial.is_some_and(|trial| !trial.link), "a listener loses no broker");
    }
    let good = twin.held(true);
    assert_eq!((good.trial, good.force.revision), (None, 1));
    let undone = twin.starting().expect("too often");
    assert_eq!(outcome(&undone), (1, DesiredOutcome::Undone, 0));
    // By another name the broker may not know us: then it decides, after the start.
    let named = taken(&Twin::default(), wanted(1, "x"), changes(NAME));
    assert!(named.trial.is_some_and(|trial| !trial.link && trial.waits_link));
    let started = named.starting().expect("counted");
    assert!(started.trial.is_some_and(|trial| trial.link));
    assert_eq!(outcome(&started), (1, DesiredOutcome::Trying, 1));
    assert_eq!(outcome(&started.held(true)), (1, DesiredOutcome::Applied, 1));
}

#[test]
fn a_refusal_changes_nothing_but_what_is_told() {
    let good = taken(&Twin::default(), wanted(1, "x"), changes(RIMS));
    let wrong = Circumstances {
        checked: Some(Err(vec![about("uplink.broker", "no host"); 80])),
        has_broker: true,
    };
    let Came::Refused(refused) = good.came(wanted(2, "y"), wrong) else { panic!("taken") };
    assert_eq!(outcome(&refused), (2, DesiredOutcome::Refused, 1));
    assert_eq!(refused.told.as_ref().map(|told| told.errors.len()), Some(TOLD_MOST));
    assert_eq!(refused.came(wanted(2, "y"), Circumstances::default()), Came::Known);
    let taken = taken(&refused, wanted(3, "z"), changes(RIMS));
    assert_eq!(outcome(&taken), (3, DesiredOutcome::Applied, 3));
    let gone = taken.let_go(vec![about("court.a", "gone")]);
    assert_eq!(outcome(&gone), (3, DesiredOutcome::Refused, 0));
    let unreadable = gone.unreadable(0, Foreign::text("no JSON"));
    assert_eq!(outcome(&unreadable), outcome(&gone));
    assert_eq!(unreadable.passed_over.map(|told| told.errors.len()), Some(1));
}

/// A life of a twin: the states that were written, in their order.
fn life() -> Vec<Twin> {
    let one = taken(&Twin::default(), wanted(1, "one"), changes(RIMS));
    let two = taken(&one, wanted(2, "two"), changes(BROKER));
    let three = two.undone("lost");
    let four = taken(&three, wanted(4, "four"), changes(LISTEN));
    let five = four.starting().expect("counted");
    let six = five.held(true);
    let rims = vec![RimBox { x: 1.5, y: 2.0, w: 44.0, h: 22.0 }];
    let seven = six.with_rims("a", SiteRims { rims, rims_of: [1280, 720] });
    vec![one, two, three, four, five, six, seven]
}

#[test]
fn a_cut_at_any_write_leaves_one_configuration_or_the_next() {
    let (dir, life) = (Path::new("/box"), life());
    let store = Store::of(dir);
    let whole = ForgetfulDisk::new();
    let play = |disk: &ForgetfulDisk| {
        let written = life.iter().take_while(|twin| store.write(disk, twin).is_ok());
        written.count()
    };
    assert_eq!(play(&whole), life.len());
    let operations = whole.operations();
    assert!(operations > 20, "{operations}");
    for stop in 0..operations {
        for seed in 0..4 {
            let disk = ForgetfulDisk::new();
            disk.stop_after(stop);
            let written = play(&disk);
            let found = disk.power_cut(seed);
            let twin = store.read(&found).unwrap_or_else(|told| panic!("{stop}/{seed}: {told}"));
            let before = written.checked_sub(1).map(|n| life[n].clone()).unwrap_or_default();
            let next = life.get(written);
            assert!(
                twin == before || Some(&twin) == next,
                "cut at {stop}, seed {seed}: {twin:?}, {written} were written"
            );
            store.write(&found, &life[0]).expect("it goes on");
            assert_eq!(store.read(&found), Ok(life[0].clone()));
        }
    }
}

#[test]
fn what_cannot_be_read_goes_aside_and_the_file_rules() {
    for (bytes, aside) in [
        (&b"{\"format\":1"[..], "twin.json.damaged-1970-01-01-1"),
        (b"", "twin.json.damaged-1970-01-01-1"),
        (b"{\"format\":9,\"oldest_reader\":9}", "twin.json.newer-9"),
        (b"{\"format\":1,\"force\":7}", "twin.json.damaged-1970-01-01-1"),
    ] {
        let (disk, dir) = (ForgetfulDisk::new(), Path::new("/box"));
        let (store, folder) = (Store::of(dir), dir.join(FOLDER));
        disk.create_dir_all(&folder).expect("made");
        write_durably(&disk, &folder.join(FILE), bytes).expect("written");
        assert!(store.read(&disk).is_err());
        let (twin, told) = store.take(&disk);
        assert!(twin == Twin::default() && told.is_some());
        assert_eq!(disk.names(&folder).expect("names"), [aside]);
        store.write(&disk, &life()[0]).expect("written anew");
        assert_eq!(store.take(&disk), (life()[0].clone(), None));
    }
}

#[test]
fn the_first_format_is_read_for_ever() {
    let (disk, dir) = (ForgetfulDisk::new(), Path::new("/box"));
    disk.create_dir_all(&dir.join(FOLDER)).expect("made");
    let kept = include_bytes!("../../../tests/data/formats/twin-1.json");
    write_durably(&disk, &dir.join(FOLDER).join(FILE), kept).expect("written");
    let twin = Store::of(dir).read(&disk).unwrap_or_else(|told| panic!("{told}"));
    assert_eq!((twin.seen, outcome(&twin)), (9, (9, DesiredOutcome::Refused, 8)));
    assert!(twin.trial.is_some_and(|trial| trial.link) && twin.force.overlay.names("court.b.rims"));
    assert_eq!(twin.undone("lost").force.revision, 0);
}
