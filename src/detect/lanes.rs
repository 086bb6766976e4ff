//! Whose answers are handed on at one court, look by look at each rim (pure).
//!
//! All models are given the same frames, each by its own hop, so one is ahead of another. What those say
//! that could decide next is kept for as long as the one that decides has not said as much. When another
//! one decides, at each rim it goes on behind the last answer that was handed on: with what it has said
//! meanwhile, then with what it says. So each look is answered once, by one or the other, also when the
//! one before failed at it, and nobody waits for anybody.

use std::collections::{BTreeMap, VecDeque};

use crate::answer::RimAnswer;
use crate::detect::swap::ModelKey;
use crate::media::{CloseReason, MediaTime, RimId, SessionId};

/// What a model may be ahead, answers and ends of sessions: two seconds of four rims.
const AHEAD_MOST: usize = 256;
/// Sessions that are remembered: a model is never that many behind.
const SESSIONS: usize = 8;

/// What a model says of one court.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// Of a rim.
    Answer(RimAnswer),
    /// No answer of this session follows.
    Closed(SessionId, CloseReason),
    /// No answer of the court follows.
    Gone,
}

/// One court.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// The last answer that was handed on, a rim.
    told: BTreeMap<RimId, (SessionId, MediaTime)>,
    /// Sessions of which anything was handed on, the newest last; and those whose end was.
    sessions: VecDeque<SessionId>,
    ended: VecDeque<SessionId>,
    /// Of them, those that had ended when this one began to decide, and that it has yet to end.
    ended_before: VecDeque<SessionId>,
    /// Set while who decides may still be behind: what was told then, a rim.
    cut: BTreeMap<RimId, (SessionId, MediaTime)>,
    ahead: BTreeMap<ModelKey, VecDeque<Word>>,
}

impl Lanes {
    /// The one that decides says something; true if it is to be handed on.
    pub(crate) fn decides(&mut self, word: &Word) -> bool {
        match word {
            Word::Answer(answer) => {
                if let Some(cut) = self.cut.get(&answer.rim).copied() {
                    if !self.is_after(answer, cut) {
                        return false;
                    }
                    self.cut.remove(&answer.rim);
                }
                self.told.insert(answer.rim, (answer.session, answer.pts));
                if !self.sessions.contains(&answer.session) {
                    remember(&mut self.sessions, answer.session);
                }
                true
            }
            Word::Closed(session, _) => {
                if let Some(at) = self.ended_before.iter().position(|known| known == session) {
                    self.ended_before.remove(at);
                    return false;
                }
                if !self.ended.contains(session) {
                    remember(&mut self.ended, *session);
                }
                true
            }
            Word::Gone => true,
        }
    }

    /// One that does not decide says something; it is kept if it might.
    pub(crate) fn beside(&mut self, key: ModelKey, word: Word) {
        let mut kept = self.ahead.remove(&key).unwrap_or_default();
        if kept.len() == AHEAD_MOST {
            kept.pop_front();
        }
        kept.push_back(word);
        while kept.front().is_some_and(|word| !self.is_news(word)) {
            kept.pop_front();
        }
        self.ahead.insert(key, kept);
    }

    /// Another one decides: what it has said already and is to be handed on now, in order.
    pub(crate) fn switch(&mut self, to: ModelKey) -> Vec<Word> {
        self.cut = self.told.clone();
        self.ended_before = self.ended.clone();
        let said = self.ahead.remove(&to).unwrap_or_default();
        said.into_iter().filter(|word| self.decides(word)).collect()
    }

    /// A model is no longer there.
    pub(crate) fn forget(&mut self, key: ModelKey) {
        self.ahead.remove(&key);
    }

    /// True of an answer that is no older than what was handed on at its rim.
    pub(crate) fn is_level(&self, answer: &RimAnswer) -> bool {
        self.told.get(&answer.rim).is_none_or(|told| {
            (answer.session, answer.pts) == *told || self.is_after(answer, *told)
        })
    }

    /// True of what was not handed on yet.
    fn is_news(&self, word: &Word) -> bool {
        match word {
            Word::Answer(answer) => {
                self.told.get(&answer.rim).is_none_or(|told| self.is_after(answer, *told))
            }
            Word::Closed(session, _) => !self.ended.contains(session),
            Word::Gone => true,
        }
    }

    fn is_after(&self, answer: &RimAnswer, (session, pts): (SessionId, MediaTime)) -> bool {
        if answer.session == session {
            answer.pts > pts
        } else {
            // Of a session that came before, it is late. Another rim may be in the later one already.
            let at = |one: SessionId| self.sessions.iter().position(|known| *known == one);
            match (at(answer.session), at(session)) {
                (None, _) => !self.ended.contains(&answer.session),
                (Some(answered), Some(told)) => answered > told,
                (Some(_), None) => true,
            }
        }
    }
}

fn remember(sessions: &mut VecDeque<SessionId>, session: SessionId) {
    if sessions.len() == SESSIONS {
        sessions.pop_front();
    }
    sessions.push_back(session);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::answer::{DecisionParameters, ModelIdentity, RimProbabilities};
    use crate::media::{CourtId, Monotonic};

    const RIMS: u16 = 2;

    fn said(by: ModelKey, session: u64, ms: i64, rim: u16) -> Word {
        let model = ModelIdentity {
            bundle: by.0.to_string(),
            version: "1.0.0".to_owned(),
            precision: "fp32".to_owned(),
            engine: "script".to_owned(),
            decision: DecisionParameters::default(),
        };
        Word::Answer(RimAnswer {
            court: CourtId::new("a").expect("a name"),
            rim: RimId(rim),
            session: SessionId::from_bits(session),
            pts: MediaTime::from_millis(ms),
            says: RimProbabilities { none: 1.0, under_way: 0.0, made: 0.0, missed: 0.0 },
            warming: false,
            model: Arc::new(model),
            arrival: Monotonic::ZERO,
            answered: Monotonic::ZERO,
        })
    }

    /// What every model is given: two sessions of a court with two rims.
    fn stream(frames: i64) -> Vec<(u64, Option<(i64, u16)>)> {
        let of = |session| {
            let looks = (0..frames).flat_map(|n| (0..RIMS).map(move |rim| Some((n * 40, rim))));
            looks.chain([None]).map(move |look| (session, look))
        };
        of(7).chain(of(3)).collect()
    }

    fn word(by: ModelKey, (session, look): (u64, Option<(i64, u16)>)) -> Word {
        match look {
            Some((ms, rim)) => said(by, session, ms, rim),
            None => Word::Closed(SessionId::from_bits(session), CloseReason::Ended),
        }
    }

    /// As a text: session, time, rim; the end of a session has none.
    fn told(words: &[Word]) -> Vec<(u64, Option<(i64, u16)>)> {
        let one = |word: &Word| match word {
            Word::Answer(answer) => (
                if answer.session == SessionId::from_bits(7) { 7 } else { 3 },
                Some((answer.pts.as_nanos() / 1_000_000, answer.rim.0)),
            ),
            Word::Closed(session, _) => {
                (if *session == SessionId::from_bits(7) { 7 } else { 3 }, None)
            }
            Word::Gone => panic!("nobody said so"),
        };
        words.iter().map(one).collect()
    }

    proptest! {
        /// Two models at any pace, switched at any time, one failing at any look where it decides, after
        /// which it never does: each look is handed on once, in its rim's order, and each session ends
        /// once, behind its answers.
        #[test]
        fn each_look_is_answered_once(
            paces in proptest::collection::vec(any::<(bool, u8)>(), 200),
            fails in proptest::collection::btree_set(0..40_usize, 0..4),
        ) {
            let stream = stream(10);
            let keys = [ModelKey(1), ModelKey(2)];
            let (mut lanes, mut decider, mut at) = (Lanes::default(), 0, [0_usize; 2]);
            let (mut out, mut failed) = (Vec::new(), false);
            let step = |lanes: &mut Lanes, out: &mut Vec<Word>, at: &mut [usize; 2], decider: &mut usize, failed: &mut bool, model: usize| {
                let Some(item) = stream.get(at[model]).copied() else { return };
                // Only one that has another beside it to go back to, and only at a look.
                let fails = !*failed && *decider == model && item.1.is_some() && fails.contains(&at[model]);
                at[model] += 1;
                if fails {
                    *failed = true;
                    *decider = 1 - model;
                    out.extend(lanes.switch(keys[*decider]));
                    return;
                }
                let said = word(keys[model], item);
                if *decider == model {
                    if lanes.decides(&said) {
                        out.push(said);
                    }
                } else {
                    lanes.beside(keys[model], said);
                }
            };
            for (model, what) in paces {
                if what < 20 && !failed {
                    decider = 1 - decider;
                    out.extend(lanes.switch(keys[decider]));
                } else {
                    step(&mut lanes, &mut out, &mut at, &mut decider, &mut failed, usize::from(model));
                }
            }
            // Both come to the end.
            for model in [0, 1] {
                while at[model] < stream.len() {
                    step(&mut lanes, &mut out, &mut at, &mut decider, &mut failed, model);
                }
            }
            let out = told(&out);
            for rim in 0..RIMS {
                let of_rim = |all: &[(u64, Option<(i64, u16)>)]| -> Vec<_> {
                    let is = |item: &&(u64, Option<(i64, u16)>)| {
                        item.1.is_none_or(|(_, at)| at == rim)
                    };
                    all.iter().filter(is).copied().collect()
                };
                prop_assert_eq!(of_rim(&out), of_rim(&stream));
            }
        }
    }

    #[test]
    fn a_look_at_which_the_one_fails_is_answered_by_the_other() {
        let (old, new) = (ModelKey(1), ModelKey(2));
        let mut lanes = Lanes::default();
        assert!(lanes.decides(&said(new, 7, 0, 0)));
        // The old one is ahead; the new one fails at 40 ms.
        [0, 40, 80].into_iter().for_each(|ms| lanes.beside(old, said(old, 7, ms, 0)));
        assert_eq!(told(&lanes.switch(old)), [(7, Some((40, 0))), (7, Some((80, 0)))]);
        // It was behind: what both said is handed on once.
        let mut lanes = Lanes::default();
        [0, 40].into_iter().for_each(|ms| assert!(lanes.decides(&said(new, 7, ms, 0))));
        lanes.beside(old, said(old, 7, 0, 0));
        assert!(lanes.switch(old).is_empty());
        assert!(!lanes.decides(&said(old, 7, 40, 0)));
        assert!(lanes.decides(&said(old, 7, 80, 0)));
    }

    #[test]
    fn what_is_kept_of_others_is_bounded() {
        let mut lanes = Lanes::default();
        (0..10_000).for_each(|n| lanes.beside(ModelKey(2), said(ModelKey(2), 7, n * 40, 0)));
        assert_eq!(lanes.ahead[&ModelKey(2)].len(), AHEAD_MOST);
        assert!(lanes.decides(&said(ModelKey(1), 7, 10_000 * 40, 0)));
        lanes.beside(ModelKey(2), said(ModelKey(2), 7, 400_000, 0));
        assert!(lanes.ahead[&ModelKey(2)].is_empty(), "said already");
    }
}
