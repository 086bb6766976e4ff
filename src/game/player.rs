//! The thread that plays one court's game: answers in, events out to the outbox.
//!
//! The one sender that waits (DESIGN §2, game → outbox): a full outbox holds this court's game and
//! nothing else; its answers wait in their own hop. What it learns of its rims goes to the thread that
//! keeps it (`keeper`), and for that it never waits. What others may see of it hangs on its [`Board`].
//!
//! While a game that was started is played here (`table`), what is told of a shot and what that changes in
//! the game are one decision, made and handed over under the game's own lock.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::answer::RimAnswer;
use crate::clock::{Anchors, Clock, come_before_all, within};
use crate::config::Calibrate;
use crate::event::{By, Decision, FactId, LogEntry, Score};
use crate::game::calibrate::{Calibration, Learnt, Verdict};
use crate::game::input::{Correction, Input};
use crate::game::jury::Room;
use crate::game::keeper::Write;
use crate::game::log::{Decided, Entry};
use crate::game::people::HearsPeople;
use crate::game::play::Game;
use crate::game::resume::{Recovered, resume};
use crate::game::second::{AttemptId, Looked, LooksAgain};
use crate::game::sheet::{SheetInput, ShotNews};
use crate::game::table::Table;
use crate::game::tap::{Tap, TapRefused, Tapped, utc_ns};
use crate::mailbox::{Mailbox, Take};
use crate::media::{CloseReason, CourtId, GameId, SessionId};

/// How long a game waits for room before it says so again.
const SAY_AGAIN: Duration = Duration::from_secs(5);
/// A bound for waits on a hop that is closed at shutdown anyway.
const WAIT: Duration = Duration::from_secs(1);

/// What comes to a game, in order.
#[derive(Debug)]
pub(crate) enum ToGame {
    /// An answer of the live model.
    Answer(RimAnswer),
    /// The session is over; its last answer came before.
    Closed(SessionId, CloseReason),
    /// A person taps, and waits for what becomes of it. Dropped if it never gets there.
    Tap(Tap, oneshot::Sender<Result<Tapped, TapRefused>>),
    /// A period of a game began at another time than was said: its shots follow. Hears once that is handed over.
    /// Dropped if it never gets there; the next start looks anew.
    Sided(GameId, oneshot::Sender<Option<oneshot::Receiver<()>>>),
    /// A person said what a shot was, and waits until that is on disk. Dropped if it never gets there.
    Said(FactId, Verdict, oneshot::Sender<Result<(), String>>),
    /// Somebody looked again at an attempt. Dropped if it never gets there: the local call stands.
    Looked(Looked),
}

/// What a game learns of its rims.
#[derive(Debug)]
pub(crate) struct Learning {
    pub(crate) how: Calibrate,
    /// As the last run left them.
    pub(crate) rims: Vec<Calibration>,
    /// Who keeps them.
    pub(crate) keeper: Mailbox<Write>,
}

/// What a game shows of itself. Page, metrics and requests read it.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The newest score on disk: it outlives a restart, and the events that a page shows do not.
    score: Mutex<Option<Score>>,
    /// What it has learnt of each rim; empty where calibration is off. Replaced whole.
    learnt: Mutex<Arc<Vec<(Calibration, Learnt)>>>,
}

impl Board {
    /// Puts a score there, once it is on disk.
    pub(crate) fn put_score(&self, score: Option<Score>) {
        *self.score.lock() = score;
    }

    /// The newest score on disk.
    pub(crate) fn score(&self) -> Option<Score> {
        self.score.lock().clone()
    }

    /// What was learnt of each rim.
    pub(crate) fn learnt(&self) -> Arc<Vec<(Calibration, Learnt)>> {
        Arc::clone(&self.learnt.lock())
    }

    /// True when a rim has the shot among its last finals.
    pub(crate) fn knows(&self, fact: FactId) -> bool {
        self.learnt.lock().iter().any(|(calibration, _)| calibration.knows(fact))
    }
}

/// Where a game sits: its court, and what comes in, is shown and goes out there.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) court: CourtId,
    pub(crate) rims: usize,
    pub(crate) inbox: Mailbox<ToGame>,
    pub(crate) board: Arc<Board>,
    pub(crate) jury: Room,
    pub(crate) outlet: Mailbox<Decision>,
    /// The games that were started.
    pub(crate) table: Arc<Table>,
    /// Media time to UTC.
    pub(crate) wall: Anchors,
    /// Hears what people say of its shots.
    pub(crate) people: Arc<dyn HearsPeople>,
    /// Looks again at its finals.
    pub(crate) look: Arc<dyn LooksAgain>,
}

/// A game's thread; ends with how many events it could not hand over.
pub(crate) type Playing = JoinHandle<u64>;

/// Starts the game of one court with what its last run left on disk.
pub(crate) fn start(
    seat: Seat,
    recovered: Recovered,
    learning: Learning,
) -> std::io::Result<Playing> {
    std::thread::Builder::new().name(format!("game-{}", seat.court)).spawn(move || {
        come_before_all();
        let (game, mended) = resume(&seat.court, seat.rims, recovered);
        let mut lost = hand_over(&seat.court, &seat.outlet, decisions(&seat.court, mended));
        let ordinary = |rim, session, at| {
            seat.table.ordinary(&seat.court, rim, utc_ns(&seat.wall, &seat.court, session, at))
        };
        let Learning { how, rims, keeper } = learning;
        let mut game = game.calibrated(how, rims).holding(seat.look.holds());
        show(&seat.board, &game);
        // What a crash parted from the log is heard again.
        for said in game.book().shots().filter_map(|fact| game.book().people(fact)) {
            seat.people.said(&seat.court, said, true);
        }
        // A crash may have come between a period's tap and the shots that follow it.
        for of in seat.table.on(&seat.court) {
            seat.sided(&mut game, &of, &mut lost);
        }
        loop {
            let decided = match seat.inbox.take(WAIT) {
                Take::Item(ToGame::Answer(answer)) => {
                    let mut decided = game.step_in(&answer, &ordinary);
                    decided.extend(seat.ask_again(&mut game, &decided));
                    seat.jury.live(&answer, &decided);
                    decided
                }
                Take::Item(ToGame::Closed(session, reason)) => {
                    let decided = game.session_closed_in(session, reason, &ordinary);
                    seat.jury.closed(&seat.court, session, &decided);
                    decided
                }
                Take::Item(ToGame::Said(fact, verdict, waits)) => {
                    let said = game.said(fact, verdict);
                    if !said.is_empty() {
                        seat.jury.judged(fact, verdict);
                    }
                    let said = decisions(&seat.court, said);
                    lost += hand_over(&seat.court, &seat.outlet, said);
                    keep(&seat, &mut game, &keeper, Some((fact, waits)));
                    continue;
                }
                Take::Item(ToGame::Looked(looked)) => {
                    let decided = seat.looked(&mut game, looked);
                    seat.jury.decided(&seat.court, &decided);
                    decided
                }
                Take::Item(ToGame::Tap(tap, waits)) => {
                    // A person's word is of what is told.
                    lost += seat.wait_no_more(&mut game);
                    let tapped = seat.tapped(&mut game, tap, &mut lost);
                    // Who waited may have gone.
                    drop(waits.send(tapped));
                    continue;
                }
                Take::Item(ToGame::Sided(of, waits)) => {
                    drop(waits.send(seat.sided(&mut game, &of, &mut lost)));
                    continue;
                }
                // Without pictures no time goes on that would end a wait.
                Take::TimedOut => {
                    lost += seat.wait_no_more(&mut game);
                    continue;
                }
                Take::Closed => break lost + seat.wait_no_more(&mut game),
            };
            lost += seat.tell(&game, decided, None);
            // After the events: nobody waits for this one.
            keep(&seat, &mut game, &keeper, None);
        }
    })
}

impl Seat {
    /// Tells who looks again of finals: of those that wait before they are told, of others at once, before they
    /// are on their way to disk. What waits for nobody is told now.
    fn ask_again(&self, game: &mut Game, decided: &[Decided]) -> Vec<Decided> {
        if self.look.holds().is_none() {
            for Decided { entry, events } in decided {
                if let (Entry::Input(Input::Final(called)), Some(shot)) = (entry, events.first()) {
                    self.look.decided(&self.court, called, Some(shot.fact));
                }
            }
            return Vec::new();
        }
        let mut told = Vec::new();
        for (of, called) in game.waiting() {
            if !self.look.decided(&self.court, &called, None) {
                told.extend(game.looked(of, None).unwrap_or_default());
            }
        }
        told
    }

    /// What a second look came to: the final that waited for it, or a correction of the one that was told.
    fn looked(&self, game: &mut Game, looked: Looked) -> Vec<Decided> {
        let Looked { of, fact, says } = looked;
        if let Some(decided) = game.looked(of, says.as_ref()) {
            return decided;
        }
        let (Some(fact), Some(says)) = (fact, says) else { return Vec::new() };
        let AttemptId { rim, .. } = of;
        let correction = Correction {
            fact,
            what: Some(says.verdict),
            points: None,
            team: None,
            player: None,
            by: By::Look,
            reason: says.reason,
            who: None,
        };
        match game.correct(correction) {
            Ok(decided) => decided,
            Err(refused) => {
                tracing::info!(court = %self.court, rim = rim.0, %refused, "a second look changes nothing");
                Vec::new()
            }
        }
    }

    /// Tells what waited for a second look; returns how many events are lost.
    fn wait_no_more(&self, game: &mut Game) -> u64 {
        let decided = game.wait_no_more();
        if decided.is_empty() {
            return 0;
        }
        self.jury.decided(&self.court, &decided);
        self.tell(game, decided, None)
    }

    /// What a person taps: what follows is on its way to disk when this returns.
    fn tapped(&self, game: &mut Game, tap: Tap, lost: &mut u64) -> Result<Tapped, TapRefused> {
        let (court, table) = (&self.court, &*self.table);
        let (fact, decided) = match tap.ready(court, game, table)? {
            Tap::Correct(correction) => (Some(correction.fact), game.correct(correction)?),
            Tap::Undo(undo) => (Some(undo.fact), game.undo(undo)?),
            Tap::Add(add) => {
                let gone = || TapRefused::GameGone { game: add.game.clone() };
                let played = table.of(&add.game).ok_or_else(gone)?;
                let (added, away) = add.input(court, game, (&played.lock(), &self.wall))?;
                (None, game.add(added, away)?)
            }
        };
        let first = decided.first().and_then(|one| one.events.first()).map(|event| event.fact);
        let Some(fact) = fact.or(first) else { return Err(TapRefused::Ending) };
        let revision = game.book().revision(fact).unwrap_or_default();
        if decided.is_empty() {
            return Ok(Tapped { fact, revision, durable: None });
        }
        match game.book().people(fact) {
            Some(said) => self.people.said(court, said, false),
            None => self.people.unsaid(fact),
        }
        let (waits, durable) = oneshot::channel();
        *lost += self.tell(game, decided, Some(waits));
        Ok(Tapped { fact, revision, durable: Some(durable) })
    }

    /// Shots of a game whose rim was another team's at their time are told so; says when the last of them is on
    /// disk, if there is one.
    fn sided(&self, game: &mut Game, of: &GameId, lost: &mut u64) -> Option<oneshot::Receiver<()>> {
        let played = self.table.of(of)?;
        let shots = played.lock().sheet().sided(&self.court);
        let mut decided = game.sided(shots);
        let last = decided.pop()?;
        *lost += self.tell(game, decided, None);
        let (waits, durable) = oneshot::channel();
        *lost += self.tell(game, vec![last], Some(waits));
        Some(durable)
    }

    /// Hands over what was decided; what it changes in the game that was started goes with it, under that
    /// game's lock. `waits` hears when the first of it is on disk. Returns how many events are lost.
    fn tell(
        &self,
        game: &Game,
        decided: Vec<Decided>,
        mut waits: Option<oneshot::Sender<()>>,
    ) -> u64 {
        let mut lost = 0;
        for one in decided {
            let news = self.news(game, &one);
            let mut decision = decision(&self.court, one);
            decision.waits = waits.take();
            let played = news.as_ref().and_then(|(game, _)| self.table.of(game));
            if let (Some((_, news)), Some(played)) = (news, played) {
                let mut played = played.lock();
                played.take(SheetInput::Shot(news), &mut decision);
                // Under the lock, so that what is told of the game has the order of its log.
                lost += hand_over(&self.court, &self.outlet, [decision]);
            } else {
                lost += hand_over(&self.court, &self.outlet, [decision]);
            }
        }
        lost
    }

    /// What a game that was started hears of a decision: how a shot stands, once that is final.
    fn news(&self, game: &Game, decided: &Decided) -> Option<(GameId, ShotNews)> {
        let Entry::Input(input) = &decided.entry else { return None };
        let is_word = matches!(
            input,
            Input::Final(_)
                | Input::Corrected(_)
                | Input::Undone(_)
                | Input::Added(_)
                | Input::Sided { .. }
        );
        let shot = decided.events.first().filter(|_| is_word)?;
        let when = utc_ns(&self.wall, &self.court, shot.session, shot.at);
        let (game, news) = game.book().news(shot.fact, when)?;
        Some((game, ShotNews { undone: matches!(input, Input::Undone(_)), ..news }))
    }
}

/// Hands what was learnt to who keeps it, and shows it. Never waits.
fn keep(
    seat: &Seat,
    game: &mut Game,
    keeper: &Mailbox<Write>,
    mut said: Option<(FactId, oneshot::Sender<Result<(), String>>)>,
) {
    let news = game.news();
    if news.is_empty() {
        return;
    }
    show(&seat.board, game);
    for (rim, news) in news {
        let Some((calibration, learnt)) = game.learnt().nth(rim) else { continue };
        if let Some(ended) = &news.ended {
            let (bundle, version) = ended.bundle().unwrap_or_default();
            tracing::info!(court = %seat.court, rim, bundle, version, "another bundle answers: the rim's calibration begins anew");
            keeper.offer(Write::of(&seat.court, rim, ended).aside());
        }
        if news.drifted {
            let by = learnt.drift.unwrap_or_default();
            tracing::warn!(court = %seat.court, rim, by, "the answers at this rim have drifted: look at camera, focus, light and the box of the rim");
        }
        let write = Write::of(&seat.court, rim, calibration);
        let write = match said.take_if(|(fact, _)| calibration.knows(*fact)) {
            Some((_, waits)) => write.telling(waits),
            None => write,
        };
        keeper.offer(write);
    }
}

/// Puts what is known of the rims on the board.
fn show(board: &Board, game: &Game) {
    let rims = game.learnt().map(|(calibration, learnt)| (calibration.clone(), *learnt));
    *board.learnt.lock() = Arc::new(rims.collect());
}

/// Closes what a court left open that is no longer configured: its last run told the world of facts
/// that nobody will finish (DESIGN §5.5).
pub(crate) fn close(
    court: CourtId,
    recovered: Recovered,
    inbox: Mailbox<Decision>,
) -> std::io::Result<Playing> {
    std::thread::Builder::new().name(format!("close-{court}")).spawn(move || {
        let (_, mended) = resume(&court, 0, recovered);
        // Of a court that was closed before, each start has nothing to say.
        let tells = mended.iter().any(|decided| !decided.events.is_empty());
        let mended = if tells { mended } else { Vec::new() };
        hand_over(&court, &inbox, decisions(&court, mended))
    })
}

/// Waits until the games have handed over what they decided. A disk that refuses holds the outbox,
/// and the outbox the games: after `patience` its inbox is closed, and they end with what they have.
pub(crate) async fn join(
    games: Vec<Playing>,
    inbox: &Mailbox<Decision>,
    patience: Duration,
    clock: &dyn Clock,
) {
    let mut joined = tokio::task::spawn_blocking(move || {
        let ends = games.into_iter().map(JoinHandle::join);
        ends.fold((0, false), |(lost, died), end| match end {
            Ok(more) => (lost + more, died),
            Err(_) => (lost, true),
        })
    });
    let ended = match within(clock, patience, &mut joined).await {
        Some(ended) => ended,
        None => {
            inbox.close();
            joined.await
        }
    };
    match ended {
        Ok((0, false)) => {}
        Ok((events, false)) => {
            tracing::error!(events, "stopped while the outbox took no more events: lost");
        }
        Ok((_, true)) | Err(_) => tracing::error!("a game did not end cleanly"),
    }
}

/// Hands what was decided to the outbox, each whole, never dropping one: waits as long as it takes,
/// and says so. Only the end of the daemon ends the wait; returns how many events are lost then.
fn hand_over(
    court: &CourtId,
    inbox: &Mailbox<Decision>,
    decided: impl IntoIterator<Item = Decision>,
) -> u64 {
    let mut lost = 0;
    for mut decision in decided {
        // Woken when the outbox takes something, and when it is closed.
        while let Err(back) = inbox.offer_waiting(decision, SAY_AGAIN) {
            if inbox.is_closed() {
                lost += back.events.len() as u64;
                break;
            }
            tracing::error!(%court, "the outbox is full: this court's game waits");
            decision = back;
        }
    }
    lost
}

/// The log of a court's game in the outbox.
pub(crate) fn log_of(court: &CourtId) -> String {
    format!("game/{court}")
}

/// The court whose game a log is of; `None` for other logs.
pub(crate) fn court_of(log: &str) -> Option<CourtId> {
    CourtId::new(log.strip_prefix("game/")?).ok()
}

/// As the outbox takes it: the events, and what the log keeps of the input.
fn decisions(court: &CourtId, decided: Vec<Decided>) -> impl Iterator<Item = Decision> {
    decided.into_iter().map(move |one| decision(court, one))
}

fn decision(court: &CourtId, Decided { entry, events }: Decided) -> Decision {
    let checkpoint = matches!(entry, Entry::Checkpoint(_));
    let logs = match entry.encode() {
        Ok(bytes) => vec![LogEntry { log: log_of(court), checkpoint, bytes }],
        Err(error) => {
            tracing::error!(%court, %error, "an entry of the game's log cannot be written: this is a bug");
            Vec::new()
        }
    };
    Decision { events, logs, waits: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{DecisionParameters, ModelIdentity, RimProbabilities};
    use crate::clock::SystemClock;
    use crate::config::{CourtConfig, Secret};
    use crate::disk::{Disk, RealDisk};
    use crate::event::{Event, Family, Saying, Withdrawal};
    use crate::game::keeper;
    use crate::mailbox::{Tally, WhenFull};
    use crate::media::{MediaTime, Monotonic, RimBox, RimId, UtcTime};

    fn event(n: u32) -> Event {
        Event {
            court: CourtId::new("a").expect("name"),
            session: SessionId::from_bits(1),
            game: None,
            fact: FactId::new(SessionId::from_bits(1), Family::Shot, n),
            revision: 0,
            attempt: n,
            at: MediaTime::ZERO,
            saying: Saying::ShotWithdrawn(Withdrawal {
                t_stream: 0.0,
                reason: "x".to_owned(),
                by: None,
                who: None,
            }),
            clip: None,
        }
    }

    #[test]
    fn a_game_that_waits_for_a_full_outbox_does_not_hold_the_end() {
        let inbox = Mailbox::weighed(2, Decision::weight, Tally::default());
        let (other, court) = (inbox.clone(), CourtId::new("a").expect("name"));
        let game = std::thread::spawn(move || {
            hand_over(&court, &other, (1..=5).map(|n| Decision::from(event(n))))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let patience = Duration::from_millis(20);
        runtime.expect("runtime").block_on(join(vec![game], &inbox, patience, &SystemClock::new()));
        // It is through: what was taken is there for the outbox's last word.
        assert!(inbox.is_closed());
        assert_eq!(inbox.len(), 2);
        let court = CourtId::new("a").expect("name");
        assert_eq!(
            hand_over(&court, &inbox, [event(6), event(7)].map(Decision::from)),
            2,
            "counted"
        );
    }

    /// One shot at 30 pictures a second.
    fn shot(court: &CourtId, inbox: &Mailbox<ToGame>) {
        let decision = DecisionParameters::default();
        let named = |text: &str| text.to_owned();
        let model = Arc::new(ModelIdentity {
            bundle: named("scripted"),
            version: named("1"),
            precision: named("fp32"),
            engine: named("script"),
            decision,
        });
        for (n, look) in (0..).zip("...uuuummmmmmmmmmmmmmmm......".chars()) {
            let [none, under_way, made, missed] = match look {
                'u' => [0.05, 0.85, 0.05, 0.05],
                'm' => [0.02, 0.05, 0.88, 0.05],
                _ => [0.94, 0.02, 0.02, 0.02],
            };
            let answer = RimAnswer {
                court: court.clone(),
                rim: RimId(0),
                session: SessionId::from_bits(1),
                pts: MediaTime::from_millis(n * 33),
                says: RimProbabilities { none, under_way, made, missed },
                warming: false,
                model: Arc::clone(&model),
                arrival: Monotonic::ZERO,
                answered: Monotonic::ZERO,
            };
            assert!(inbox.offer(ToGame::Answer(answer)).is_none());
        }
    }

    #[test]
    fn a_verdict_is_on_disk_before_it_is_answered_and_there_at_the_next_start() {
        let dir = tempfile::tempdir().expect("a folder");
        let rim = RimBox { x: 612.0, y: 188.0, w: 44.0, h: 22.0 };
        let court = CourtConfig {
            name: CourtId::new("a").expect("name"),
            stream_key: Secret::new("north-hoop-1"),
            rims: vec![rim],
            rims_of: None,
            floor: None,
            camera_delay: Duration::ZERO,
            relays: Vec::new(),
        };
        let answers = Mailbox::new(1024, WhenFull::DropOldest, Tally::default());
        let outlet = Mailbox::weighed(64, Decision::weight, Tally::default());
        let keeper = Mailbox::new(keeper::WAITING, WhenFull::DropOldest, Tally::default());
        let board = Arc::<Board>::default();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
        let folder = keeper::folder(dir.path());
        let load = || keeper::load(&*disk, &folder, &court, Calibrate::Watch);
        let keeping = keeper::start(Arc::clone(&disk), folder.clone(), keeper.clone());
        let learning = Learning { how: Calibrate::Watch, rims: load(), keeper: keeper.clone() };
        let seat = Seat {
            court: court.name.clone(),
            rims: court.rims.len(),
            inbox: answers.clone(),
            board: Arc::clone(&board),
            jury: Room::default(),
            outlet: outlet.clone(),
            table: Arc::default(),
            wall: Anchors::new(Arc::new(SystemClock::new()), "boot".into(), UtcTime::from_nanos(0)),
            people: Arc::new(()),
            look: Arc::new(()),
        };
        let game = start(seat, Recovered::default(), learning);

        shot(&court.name, &answers);
        let mut rest = Vec::new();
        let fact = loop {
            let Take::Item(decision) = outlet.take(Duration::from_secs(30)) else {
                panic!("no final")
            };
            let is_final = |event: &Event| matches!(&event.saying, Saying::ShotMade(shot) if !shot.provisional);
            if let Some(shot) = decision.events.iter().position(is_final) {
                rest.extend_from_slice(&decision.events[shot + 1..]);
                break decision.events[shot].fact;
            }
        };
        let say = |fact| {
            let (waits, told) = oneshot::channel();
            answers.offer(ToGame::Said(fact, Verdict::Missed, waits));
            told.blocking_recv()
        };
        assert_eq!(say(fact), Ok(Ok(())));
        let kept = load().remove(0);
        assert_eq!(kept.verdicts().next(), Some((fact.to_string().as_str(), Verdict::Missed)));
        assert_eq!(board.learnt()[0].1.verdicts, 1, "shown");
        // Of a shot that nobody knows nothing is answered.
        assert!(say(FactId { n: fact.n + 99, ..fact }).is_err());
        // Nothing that was told is told otherwise: score and highlight of the shot, and no more.
        answers.close();
        assert_eq!(game.expect("started").join().expect("ended"), 0);
        rest.extend(std::iter::from_fn(|| outlet.try_take()).flat_map(|decision| decision.events));
        assert!(rest.into_iter().all(|event| event.saying.family() != Family::Shot));
        keeper.close();
        keeping.expect("started").join().expect("ended");
    }
}
