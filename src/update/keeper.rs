//! What root makes of an ask, of a start of the box, and of what a boot has shown (pure).
//!
//! ```text
//!  Nothing ─install→ Writing ─rauc has written→ Installed ─restart→ Armed ─the box starts from it→ Trial
//!     ↑  ↑              └─it is refused─┐          ↑  └──────────────┐  │                          │  │
//!     │  └──────────────────────────────┘          └─not yet told────┼──┘        all was shown ────┘  │
//!     │                                                              │           Good                 │ too late, too
//!     └── the next order ── FallenBack ←─── started from the one before ←─────── GoingBack ←──────────┘ often
//! ```
//! The record says what is about to be done; the shell does it then, and again after a cut.

use std::time::Duration;

use crate::update::papers::{Ask, Kept, MOST_AHEAD, Phase, Refusal, Shown, Slot, What};

/// What is gone by. Each can be weaker than a box has it: to see what it keeps out.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Starts of a slot on trial.
    pub starts: u32,
    /// How long a boot on trial may take to show all.
    pub trial: Duration,
    /// The same while a game runs.
    pub in_game: Duration,
    /// Only a slot that showed all is good.
    pub shown: bool,
    /// Starts are counted here too: the firmware forgets its own at a power cut.
    pub counted: bool,
    /// The one before is gone back to only where it can be started.
    pub looked: bool,
    /// A version that is not newer is refused.
    pub newer: bool,
}

impl Rules {
    /// Chosen: as many starts as the firmware has tries (two bits); a game is over in six hours.
    #[must_use]
    pub const fn usual(trial: Duration) -> Self {
        Self {
            starts: 3,
            trial,
            in_game: Duration::from_secs(6 * 3_600),
            shown: true,
            counted: true,
            looked: true,
            newer: true,
        }
    }
}

/// How often a slot is armed whose arming was cut.
const MOST_ARMED: u32 = 3;

/// What is to be done about an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// It was done, or is an old one.
    Nothing,
    /// Copy, verify, write.
    Install,
    /// Arm and restart.
    Restart,
    /// It cannot be.
    Refuse(String),
}

/// Looks at an ask.
pub(crate) fn taken_up(kept: &Kept, ask: &Ask) -> Take {
    let heard = kept.refused.as_ref().map_or(0, |refused| refused.n).max(kept.n);
    if ask.n < kept.n
        || kept.refused.as_ref().is_some_and(|refused| refused.n >= ask.n)
        || ask.n.saturating_sub(heard) > MOST_AHEAD
    {
        return Take::Nothing;
    }
    let again = ask.n == kept.n;
    match (ask.what, kept.phase) {
        (What::Install, Phase::Writing) => Take::Install,
        (What::Restart, Phase::Armed) if again => Take::Restart,
        _ if again => Take::Nothing,
        (What::Install, Phase::Armed | Phase::Trial | Phase::GoingBack) => Take::Refuse(
            "another one is on trial: wait until it is good, or has fallen back".into(),
        ),
        (What::Install, _) => Take::Install,
        (What::Restart, Phase::Installed) if ask.sha256 == kept.sha256 => Take::Restart,
        (What::Restart, _) => Take::Refuse("what was ordered is not in the other slot".into()),
    }
}

/// The record before the other slot is written.
pub(crate) fn writing(kept: &Kept, ask: &Ask, version: String, was: &str, booted: Slot) -> Kept {
    Kept {
        format: kept.format,
        n: ask.n,
        phase: Phase::Writing,
        sha256: ask.sha256.clone(),
        version,
        was: was.to_owned(),
        from: Some(booted),
        boot: kept.boot.clone(),
        more: kept.more.clone(),
        ..Kept::default()
    }
}

/// The record before the other slot is armed.
pub(crate) fn arming(kept: &Kept, ask: &Ask) -> Kept {
    let armed = kept.armed + 1;
    let (n, broker) = (ask.n, ask.broker);
    Kept { n, phase: Phase::Armed, told: false, starts: 0, armed, broker, ..kept.clone() }
}

/// The record of an ask that is not followed. What is in the other slot by then is not whole.
pub(crate) fn refusing(kept: &Kept, ask: &Ask, reason: String) -> Kept {
    let phase = if kept.phase == Phase::Writing { Phase::Nothing } else { kept.phase };
    let n = if phase == kept.phase { kept.n } else { ask.n };
    Kept { n, phase, refused: Some(Refusal { n: ask.n, reason }), ..kept.clone() }
}

/// What a start from `booted` makes of the record.
pub(crate) fn started(kept: &Kept, booted: Slot, rules: &Rules) -> Kept {
    let here = kept.from != Some(booted);
    let to = |phase, reason: Option<String>| Kept { phase, reason, ..kept.clone() };
    let why = || kept.reason.clone();
    match kept.phase {
        Phase::Armed | Phase::Trial if here => {
            let starts = kept.starts + 1;
            let often = rules.counted && starts > rules.starts;
            let phase = if often { Phase::GoingBack } else { Phase::Trial };
            let reason = often.then(|| {
                format!("it was started {} times and never shown to be good", rules.starts)
            });
            Kept { starts, phase, reason, ..kept.clone() }
        }
        Phase::Armed if kept.told => {
            let why = "the firmware did not start it, or went back from it before its system ran";
            to(Phase::FallenBack, Some(why.to_owned()))
        }
        Phase::Armed if kept.armed >= MOST_ARMED => {
            let why = "the box was cut off each time that it was to start from it";
            to(Phase::FallenBack, Some(why.to_owned()))
        }
        Phase::Armed => to(Phase::Installed, None),
        Phase::Trial => {
            let why = format!("the firmware went back from it after {} starts", kept.starts);
            to(Phase::FallenBack, Some(why))
        }
        Phase::GoingBack if !here => to(Phase::FallenBack, why()),
        _ => kept.clone(),
    }
}

/// What a boot on trial is worth so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It lacks this yet.
    Wait(String),
    /// It works.
    Good,
    /// The one before is to run again.
    Back(String),
}

/// Judges a boot on trial that runs for `since`. `shown` is of this boot. `way_back`: the other slot can be started.
pub(crate) fn judged(
    kept: &Kept,
    shown: Option<&Shown>,
    since: Duration,
    way_back: bool,
    rules: &Rules,
) -> Verdict {
    let lacks = lacks(kept, shown);
    if lacks.is_empty() || !rules.shown {
        return Verdict::Good;
    }
    let lacks = lacks.join("; ");
    let game = shown.is_some_and(|shown| shown.ready && shown.game);
    let patience = if game { rules.in_game.max(rules.trial) } else { rules.trial };
    if since < patience {
        return Verdict::Wait(lacks);
    }
    if rules.looked && !way_back {
        // A box that runs badly can be helped from afar; one that has nothing to start cannot.
        return Verdict::Wait(format!("{lacks}; and the slot before cannot be started"));
    }
    Verdict::Back(format!("within {} s it did not show all: {lacks}", patience.as_secs()))
}

fn lacks(kept: &Kept, shown: Option<&Shown>) -> Vec<String> {
    let Some(shown) = shown else { return vec!["the daemon did not come up".to_owned()] };
    let clip = match &shown.clip_fault {
        Some(fault) => format!("the clip did not go through decoder and model ({fault})"),
        None => "the clip has not gone through decoder and model".to_owned(),
    };
    let lacks = [
        (shown.ready, "the daemon was not ready".to_owned()),
        (shown.clip, clip),
        (shown.outbox, "the outbox takes no events".to_owned()),
        (shown.broker || !kept.broker, "the broker, reached before, was not again".to_owned()),
    ];
    lacks.into_iter().filter(|(is, _)| !is).map(|(_, lacks)| lacks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::papers::UPDATE_FORMAT;

    const RULES: Rules = Rules::usual(Duration::from_secs(1_800));

    fn kept(phase: Phase) -> Kept {
        Kept { n: 5, phase, from: Some(Slot::A), sha256: "ab".into(), ..Kept::default() }
    }

    fn ask(n: u64, what: What) -> Ask {
        let (sha256, signature) = ("ab".into(), String::new());
        Ask { format: UPDATE_FORMAT, n, what, sha256, size: 1, signature, broker: true }
    }

    fn all() -> Shown {
        let nothing = Shown::nothing("boot".to_owned());
        Shown { ready: true, clip: true, outbox: true, broker: true, ..nothing }
    }

    #[test]
    fn an_ask_is_done_once_and_after_a_cut_again() {
        let rows = [
            (kept(Phase::Nothing), ask(6, What::Install), Take::Install),
            (kept(Phase::FallenBack), ask(6, What::Install), Take::Install),
            (kept(Phase::Writing), ask(5, What::Install), Take::Install),
            (kept(Phase::Installed), ask(5, What::Install), Take::Nothing),
            (kept(Phase::Nothing), ask(4, What::Install), Take::Nothing),
            (kept(Phase::Installed), ask(6, What::Restart), Take::Restart),
            (kept(Phase::Armed), ask(5, What::Restart), Take::Restart),
            (kept(Phase::Trial), ask(5, What::Restart), Take::Nothing),
        ];
        for (kept, ask, expected) in rows {
            assert_eq!(taken_up(&kept, &ask), expected, "{:?} {ask:?}", kept.phase);
        }
        let refused = |kept: &Kept, ask: &Ask| matches!(taken_up(kept, ask), Take::Refuse(_));
        for phase in [Phase::Armed, Phase::Trial, Phase::GoingBack] {
            assert!(refused(&kept(phase), &ask(6, What::Install)), "{phase:?}");
        }
        for phase in [Phase::Nothing, Phase::Writing, Phase::Good, Phase::FallenBack] {
            assert!(refused(&kept(phase), &ask(6, What::Restart)), "{phase:?}");
        }
        let other = Ask { sha256: "cd".into(), ..ask(6, What::Restart) };
        assert!(refused(&kept(Phase::Installed), &other));
        // What was refused is not looked at again, and another one is.
        let kept = refusing(&kept(Phase::Writing), &ask(5, What::Install), "no".into());
        assert_eq!((kept.phase, kept.n), (Phase::Nothing, 5));
        assert_eq!(taken_up(&kept, &ask(5, What::Install)), Take::Nothing);
        assert_eq!(taken_up(&kept, &ask(6, What::Install)), Take::Install);
    }

    #[test]
    fn an_ask_does_not_use_up_the_numbers() {
        let far = ask(u64::MAX, What::Restart);
        assert_eq!(taken_up(&kept(Phase::Nothing), &far), Take::Nothing, "else none came after it");
        assert!(matches!(taken_up(&kept(Phase::Nothing), &ask(6, What::Restart)), Take::Refuse(_)));
    }

    #[test]
    fn a_start_tells_a_trial_from_a_way_back() {
        let told = Kept { told: true, ..kept(Phase::Armed) };
        let worn = Kept { armed: MOST_ARMED, ..kept(Phase::Armed) };
        let third = Kept { starts: 2, ..kept(Phase::Trial) };
        let fourth = Kept { starts: 3, ..kept(Phase::Trial) };
        let rows = [
            (kept(Phase::Armed), Slot::B, Phase::Trial),
            (told.clone(), Slot::B, Phase::Trial),
            (told, Slot::A, Phase::FallenBack),
            (kept(Phase::Armed), Slot::A, Phase::Installed),
            (worn, Slot::A, Phase::FallenBack),
            (third, Slot::B, Phase::Trial),
            (fourth.clone(), Slot::B, Phase::GoingBack),
            (kept(Phase::Trial), Slot::A, Phase::FallenBack),
            (kept(Phase::GoingBack), Slot::B, Phase::GoingBack),
            (kept(Phase::GoingBack), Slot::A, Phase::FallenBack),
            (kept(Phase::Writing), Slot::A, Phase::Writing),
            (kept(Phase::Installed), Slot::A, Phase::Installed),
            (kept(Phase::Good), Slot::B, Phase::Good),
            (kept(Phase::Good), Slot::A, Phase::Good),
        ];
        for (kept, booted, expected) in rows {
            let phase = kept.phase;
            assert_eq!(started(&kept, booted, &RULES).phase, expected, "{phase:?} {booted:?}");
        }
        let uncounted = Rules { counted: false, ..RULES };
        assert_eq!(started(&fourth, Slot::B, &uncounted).phase, Phase::Trial, "the control");
    }

    #[test]
    fn good_is_who_shows_all_and_the_way_back_waits_for_a_game() {
        let s = Duration::from_secs;
        let live = Kept { broker: true, ..kept(Phase::Trial) };
        let dead = Kept { broker: false, ..kept(Phase::Trial) };
        let good = |kept: &Kept, shown: &Shown| {
            judged(kept, Some(shown), s(1), true, &RULES) == Verdict::Good
        };
        assert!(good(&live, &all()));
        let away = Shown { broker: false, ..all() };
        assert!(!good(&live, &away), "an uplink that lived is waited for");
        assert!(good(&dead, &away), "one that was dead is not");
        for lacking in [
            Shown { ready: false, ..all() },
            Shown { clip: false, ..all() },
            Shown { outbox: false, ..all() },
        ] {
            assert!(!good(&dead, &lacking), "{lacking:?}");
        }
        let at = |shown: Option<&Shown>, since| judged(&live, shown, s(since), true, &RULES);
        assert!(matches!(at(Some(&away), 1_799), Verdict::Wait(_)));
        assert!(matches!(at(Some(&away), 1_800), Verdict::Back(_)));
        assert!(matches!(at(None, 1_800), Verdict::Back(_)));
        let plays = Shown { game: true, ..away.clone() };
        assert!(matches!(at(Some(&plays), 21_599), Verdict::Wait(_)));
        assert!(matches!(at(Some(&plays), 21_600), Verdict::Back(_)));
        let never_ready = Shown { ready: false, ..plays };
        assert!(matches!(at(Some(&never_ready), 1_800), Verdict::Back(_)));
        // Where there is nothing to go back to.
        let stays = judged(&live, Some(&away), s(1_800), false, &RULES);
        assert!(matches!(stays, Verdict::Wait(_)), "{stays:?}");
        let blind = Rules { looked: false, ..RULES };
        let back = judged(&live, Some(&away), s(1_800), false, &blind);
        assert!(matches!(back, Verdict::Back(_)));
    }
}
