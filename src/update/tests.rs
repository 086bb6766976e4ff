//! Updates that are cut at every operation, over a firmware as edk2-nvidia has it.
//!
//! The daemon's files and root's part are the real ones, on a disk that forgets; RAUC, the firmware and the images are
//! simulated (`firmware`). A plan says which image comes and where it is cut; a thousand of them are drawn from seeds,
//! and one that fails is printed after everything of it was left out without which it fails too.

mod box_of_two_slots;
mod brink;
mod firmware;

use crate::update::keeper::Rules;
use crate::update::tests::box_of_two_slots::{Cut, Plan, run};
use crate::update::tests::firmware::{Image, Rauc};

/// Steps of splitmix64: the same seed gives the same run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

fn usual() -> Rules {
    Rules::usual(std::time::Duration::from_secs(1_800))
}

fn drawn(seed: u64) -> Plan {
    let mut chance = Chance(seed);
    let images = Image::ALL;
    let image = images[chance.below(images.len() as u64) as usize];
    let cuts = chance.below(6);
    let cut = |chance: &mut Chance| match chance.below(8) {
        0..=3 => Cut::Disk(chance.below(90)),
        4..=6 => Cut::Program(chance.below(12)),
        _ => Cut::Reset(chance.below(12)),
    };
    let cuts = (0..cuts).map(|_| cut(&mut chance)).collect();
    let (broker_before, during_game) = (chance.below(2) == 0, chance.below(4) == 0);
    let taken_over = chance.below(4) == 0;
    Plan { seed, image, cuts, broker_before, during_game, taken_over }
}

/// What is left of a plan that fails once nothing more of it can be left out.
fn shrunk(plan: &Plan, rules: &Rules, rauc: Rauc) -> (Plan, String) {
    let mut plan = plan.clone();
    let mut why = run(&plan, rules, rauc).expect_err("it fails");
    'again: loop {
        for at in 0..plan.cuts.len() {
            let mut less = plan.clone();
            less.cuts.remove(at);
            if let Err(told) = run(&less, rules, rauc) {
                (plan, why) = (less, told);
                continue 'again;
            }
        }
        if plan.during_game {
            let less = Plan { during_game: false, ..plan.clone() };
            if let Err(told) = run(&less, rules, rauc) {
                (plan, why) = (less, told);
                continue 'again;
            }
        }
        return (plan, why);
    }
}

/// The first of so many drawn plans that fails.
fn first_failure(plans: u64, rules: &Rules, rauc: Rauc) -> Option<(Plan, String)> {
    let failed = (0..plans).map(drawn).find(|plan| run(plan, rules, rauc).is_err())?;
    Some(shrunk(&failed, rules, rauc))
}

#[test]
fn a_thousand_updates_with_cuts_anywhere_end_in_a_slot_that_works() {
    if let Some((plan, why)) = first_failure(1_000, &usual(), Rauc::AsItIs) {
        panic!("{why}\n{plan:#?}");
    }
}

#[test]
fn one_cut_at_each_operation_of_each_image() {
    for image in Image::ALL.iter().copied() {
        for at in 0..160 {
            let cuts = [Cut::Disk(at), Cut::Program(at), Cut::Reset(at)];
            for cut in cuts.into_iter().take(if at < 24 { 3 } else { 1 }) {
                let cuts = vec![cut];
                let plan = Plan {
                    seed: at,
                    image,
                    cuts,
                    broker_before: true,
                    during_game: at % 2 == 0,
                    taken_over: false,
                };
                if let Err(why) = run(&plan, &usual(), Rauc::AsItIs) {
                    panic!("{why}\n{plan:#?}");
                }
            }
        }
    }
}

/// Without each safeguard the simulation finds the harm: so it would find that the safeguard is not there.
#[test]
fn without_a_safeguard_a_plan_fails() {
    let cases = [
        (Rules { shown: false, ..usual() }, Rauc::AsItIs, "had not shown all"),
        (Rules { counted: false, ..usual() }, Rauc::AsItIs, "it is not over"),
        (Rules { newer: false, ..usual() }, Rauc::AsItIs, "0.0.9 runs"),
        (usual(), Rauc::ActivatesFirst, "started half-written"),
    ];
    for (rules, rauc, harm) in cases {
        let plans = (0..400).map(drawn).chain([Plan::impatient()]);
        let found = plans.filter_map(|plan| Some((run(&plan, &rules, rauc).err()?, plan)));
        let found: Vec<_> = found.take(20).collect();
        let is_found = found.iter().any(|(why, _)| why.contains(harm));
        assert!(is_found, "no plan comes to `{harm}`: {found:?}");
    }
}

/// The firmware gives a slot its tries back at each power cut: who pulls the plug again and again still gets the slot
/// before.
#[test]
fn somebody_who_pulls_the_plug_at_each_start_gets_back() {
    run(&Plan::impatient(), &usual(), Rauc::AsItIs).expect("it falls back");
}
