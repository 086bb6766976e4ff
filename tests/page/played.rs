//! A box on which a game is played, in words: enough of a fold that a correction comes back as facts, and
//! the routes by which a page asks. Times are those of the real clock, as the overlay needs them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Extension, Path};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use courtside::clock::{Clock, SystemClock};
use courtside::event::command::Role;
use courtside::http::{Access, Keys, Problem, RULES, Rule, Server, Terms, Tokens};
use courtside::media::UtcTime;
use courtside::page::{SentEvent, Source, routes};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::{Scripted, one_court, terms};

pub(crate) const GAME: &str = "cup-7";
const TEAMS: [&str; 2] = ["comets", "harbor"];

/// Rows of what a page asks of games, beside those of the box.
fn rules() -> &'static [Rule] {
    let sees =
        |path| Rule { method: "GET", path, least: Some(Role::Viewer), keys: Keys::These(&[]) };
    let taps =
        |path| Rule { method: "POST", path, least: Some(Role::Operator), keys: Keys::These(&[]) };
    let mut all = RULES.to_vec();
    all.extend([
        sees("/v1/games"),
        sees("/v1/rules"),
        sees("/v1/games/{game}"),
        taps("/v1/games/{game}/undo"),
        taps("/v1/games/{game}/period"),
        taps("/v1/games/{game}/shots"),
        taps("/v1/games/{game}/graphics/{fact}"),
        taps("/v1/games/{game}/social/{fact}"),
        taps("/v1/shots/{fact}/correct"),
        taps("/v1/shots/{fact}/undo"),
    ]);
    all.leak()
}

#[derive(Clone)]
struct Shot {
    standing: String,
    points: u64,
    team: Option<String>,
    who: Option<String>,
    at: UtcTime,
}

#[derive(Default)]
struct Game {
    shots: Vec<Shot>,
    /// Words that were there before: of which shot, and how it was.
    earlier: Vec<(usize, Shot)>,
    revisions: BTreeMap<String, u64>,
    graphics: BTreeMap<String, (Value, UtcTime)>,
    social: BTreeMap<String, Value>,
}

pub(crate) struct Played {
    pub(crate) source: Arc<Scripted>,
    game: Mutex<Game>,
    /// The game as it stands.
    pub(crate) told: Mutex<Value>,
    /// Lines of other games that the box knows.
    pub(crate) others: Mutex<Vec<Value>>,
    /// What was asked of the game's period.
    pub(crate) periods: Mutex<Vec<Value>>,
    pub(crate) clock: SystemClock,
}

fn fact(family: &str, n: usize) -> String {
    format!("00000000000000bb-{family}-{n}")
}

impl Played {
    pub(crate) fn new() -> Arc<Self> {
        let source = Scripted::with_state(one_court());
        let played = Self {
            source,
            game: Mutex::default(),
            told: Mutex::new(told()),
            others: Mutex::default(),
            periods: Mutex::default(),
            clock: SystemClock::new(),
        };
        let now = played.clock.utc();
        played.tell("game", &fact("game", 1), now, told());
        Arc::new(played)
    }

    /// A time so many milliseconds ago.
    pub(crate) fn ago(&self, millis: i64) -> UtcTime {
        self.clock.utc().plus_nanos(-millis * 1_000_000)
    }

    /// The game becomes another, and that is told.
    pub(crate) fn becomes(&self, at: UtcTime, changes: Value) {
        let now = {
            let mut told = self.told.lock();
            let changes = changes.as_object().expect("an object").clone();
            told.as_object_mut().expect("an object").extend(changes);
            told.clone()
        };
        self.tell("game", &fact("game", 1), at, now);
    }

    /// Another game was told of, of which nothing more is stored: how it began.
    pub(crate) fn told_of(&self, game: &str, at: UtcTime) {
        let mut began = told();
        began["game"] = json!(game);
        self.tell_of(game, "game", &format!("00000000000000{game}-game-1"), (at, began));
    }

    /// A fact that is none of its own: a highlight that stands on a shot which an operator changed.
    pub(crate) fn highlight_by_operator(&self, n: usize) {
        let data = json!({"game": GAME, "shot": fact("shot", n), "reason": "basket", "t_stream": 12.5,
            "clip": "/v1/clips/none", "by": "operator", "who": "operator Ana"});
        self.tell("highlight.withdrawn", &fact("highlight", n), self.clock.utc(), data);
    }

    pub(crate) fn tell(&self, kind: &str, fact: &str, at: UtcTime, data: Value) -> u64 {
        self.tell_of(GAME, kind, fact, (at, data))
    }

    /// A call of the court that no game counts: told at first, and as it stays or goes.
    pub(crate) fn of_no_game(&self, n: usize, kind: &str, provisional: bool) {
        let data = json!({"rim": 0, "t_stream": 12.5, "t_decided": 13.1, "confidence": 0.9,
            "provisional": provisional});
        let fact = format!("00000000000000cc-shot-{n}");
        self.tell_of("", &format!("shot.{kind}"), &fact, (self.clock.utc(), data));
    }

    fn tell_of(&self, of: &str, kind: &str, fact: &str, (at, data): (UtcTime, Value)) -> u64 {
        let mut game = self.game.lock();
        let next = game.revisions.entry(fact.to_owned()).and_modify(|n| *n += 1).or_insert(0);
        let revision = *next;
        drop(game);
        let mut stored = self.source.stored.lock();
        let position = stored.len() as u64 + 1;
        let mut envelope = json!({
            "specversion": "1.0", "id": format!("{fact}.{revision}"), "source": "courtside:rim-1/a",
            "type": format!("courtside.{kind}.v1"), "time": at.to_rfc3339(),
            "datacontenttype": "application/json", "subject": fact, "sequence": position.to_string(),
            "session": "00000000000000aa", "fact": fact, "revision": revision, "historical": false,
            "clocksource": "arrival", "clockerrorms": 40, "game": of, "data": data,
        });
        if of.is_empty() {
            envelope.as_object_mut().expect("an object").remove("game");
        }
        let event = SentEvent { position, json: envelope.to_string() };
        stored.push(event.clone());
        drop(self.source.live.send(event));
        revision
    }

    /// A shot is final, `millis` ago.
    pub(crate) fn shot(&self, made: bool, team: Option<&str>, points: u64, millis: i64) -> usize {
        let standing = if made { "made" } else { "missed" }.to_owned();
        let team = team.map(str::to_owned);
        let shot = Shot { standing, points, team, who: None, at: self.ago(millis) };
        let n = {
            let mut game = self.game.lock();
            game.shots.push(shot);
            game.shots.len() - 1
        };
        self.revised(n);
        n
    }

    /// Tells a shot as it is, and what stands on it.
    fn revised(&self, n: usize) -> u64 {
        let shot = self.game.lock().shots[n].clone();
        let mut data = json!({"t_stream": 12.5});
        if shot.standing == "withdrawn" {
            data["reason"] = json!("operator");
        } else {
            for (name, value) in [
                ("rim", json!(0)),
                ("t_decided", json!(13.1)),
                ("confidence", json!(0.9)),
                ("provisional", json!(false)),
                ("points", json!(shot.points)),
            ] {
                data[name] = value;
            }
            if let Some(team) = &shot.team {
                data["team"] = json!(team);
            }
        }
        if let Some(who) = &shot.who {
            data["by"] = json!("operator");
            data["who"] = json!(who);
        }
        let revision =
            self.tell(&format!("shot.{}", shot.standing), &fact("shot", n), shot.at, data);
        let score = self.score();
        self.tell("game.score", &fact("score", 1), shot.at, score);
        revision
    }

    pub(crate) fn score(&self) -> Value {
        let game = self.game.lock();
        let sum = |team: Option<&str>| {
            let of = || game.shots.iter().filter(|shot| shot.team.as_deref() == team);
            let made = || of().filter(|shot| shot.standing == "made");
            let attempts = of().filter(|shot| shot.standing != "withdrawn").count();
            let points: u64 = made().map(|shot| shot.points).sum();
            json!({"points": points, "made": made().count(), "attempts": attempts})
        };
        let teams = TEAMS.map(|team| {
            let mut told = sum(Some(team));
            told["team"] = json!(team);
            told["by_period"] = json!([told["points"]]);
            told
        });
        json!({"game": GAME, "period": 1, "teams": teams, "pending": sum(None), "target": 21, "by": 0,
            "lead_changes": 0, "ties": 0})
    }

    pub(crate) fn graphic(&self, n: usize, text: &str, state: &str, life_s: u32, at: UtcTime) {
        let data = json!({"game": GAME, "about": "run", "text": text, "priority": 50, "life_s": life_s,
            "state": state, "stands_on": [], "t_stream": 12.5, "team": "comets"});
        self.game.lock().graphics.insert(fact("graphic", n), (data.clone(), at));
        self.tell("graphic", &fact("graphic", n), at, data);
    }

    pub(crate) fn takes_graphic_back(&self, n: usize) {
        let gone = self.game.lock().graphics.remove(&fact("graphic", n));
        let at = gone.expect("there").1;
        self.tell(
            "graphic.withdrawn",
            &fact("graphic", n),
            at,
            json!({"t_stream": 12.5, "reason": "corrected"}),
        );
    }

    pub(crate) fn candidate(&self, n: usize, caption: &str) {
        let data = json!({"game": GAME, "highlight": fact("highlight", n), "clip": "/v1/clips/none",
            "caption": caption, "why": "a lead change", "score": 71.2, "state": "proposed", "t_stream": 12.5});
        self.game.lock().social.insert(fact("social.candidate", n), data.clone());
        self.tell("social.candidate", &fact("social.candidate", n), self.clock.utc(), data);
    }

    fn view(&self) -> Value {
        let score = self.score();
        let game = self.game.lock();
        let revision = |fact: &String| game.revisions[fact];
        let shots = game.shots.iter().enumerate().map(|(n, shot)| {
            let name = fact("shot", n);
            let mut line = json!({"fact": name, "revision": revision(&name), "court": "a", "rim": 0,
                "session": "00000000000000aa", "t_stream": 12.5, "utc_ns": shot.at.as_nanos(), "period": 1,
                "standing": shot.standing, "points": shot.points, "points_by": "rules"});
            if let Some(team) = &shot.team {
                line["team"] = json!(team);
            }
            line
        });
        let shots: Vec<_> = shots.collect();
        let named = |fact: &String, data: &Value| {
            let mut line = data.clone();
            line["fact"] = json!(fact);
            line["revision"] = json!(revision(fact));
            line
        };
        let graphics: Vec<_> =
            game.graphics.iter().map(|(fact, (data, _))| named(fact, data)).collect();
        let social: Vec<_> = game.social.iter().map(|(fact, data)| named(fact, data)).collect();
        json!({"told": *self.told.lock(), "score": score, "shots": shots, "graphics": graphics, "social": social,
            "highlights": []})
    }

    fn correct(&self, fact: &str, wanted: &Value, who: String) -> Option<Value> {
        let n: usize = fact.strip_prefix("00000000000000bb-shot-")?.parse().ok()?;
        {
            let mut game = self.game.lock();
            let before = game.shots.get(n)?.clone();
            game.earlier.push((n, before));
            let shot = &mut game.shots[n];
            if let Some(verdict) = wanted["verdict"].as_str() {
                let standing = if verdict == "none" { "withdrawn" } else { verdict };
                shot.standing = standing.to_owned();
            }
            shot.points = wanted["points"].as_u64().unwrap_or(shot.points);
            shot.team = wanted["team"].as_str().map(str::to_owned).or_else(|| shot.team.clone());
            shot.who = Some(who);
        }
        Some(json!({"fact": fact, "revision": self.revised(n)}))
    }

    /// Takes the last correction back; of one shot, if it is named.
    fn undo(&self, of: Option<&str>) -> Option<Value> {
        let n = {
            let mut game = self.game.lock();
            let is_it = |n: usize| of.is_none_or(|of| of == fact("shot", n));
            let at = game.earlier.iter().rposition(|(n, _)| is_it(*n))?;
            let (n, before) = game.earlier.remove(at);
            game.shots[n] = before;
            n
        };
        Some(json!({"revision": self.revised(n)}))
    }

    fn add(&self, wanted: &Value, who: String) -> Value {
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a test")]
        let millis = (wanted["ago_s"].as_f64().expect("seconds") * 1000.0) as i64;
        let made = wanted["verdict"] == "made";
        let points = wanted["points"].as_u64().unwrap_or(1);
        let shot = Shot {
            standing: if made { "made" } else { "missed" }.to_owned(),
            points,
            team: wanted["team"].as_str().map(str::to_owned),
            who: Some(who),
            at: self.ago(millis),
        };
        let n = {
            let mut game = self.game.lock();
            game.shots.push(shot);
            game.shots.len() - 1
        };
        json!({"revision": self.revised(n)})
    }

    fn say(&self, family: &str, fact: &str, wanted: &Value, who: &str) -> Option<Value> {
        let (kind, at, data) = {
            let mut game = self.game.lock();
            let now = self.clock.utc();
            let (data, at) = match family {
                "graphics" => game.graphics.get_mut(fact).map(|(data, at)| (data, *at))?,
                _ => game.social.get_mut(fact).map(|data| (data, now))?,
            };
            data["state"] = wanted["state"].clone();
            data["who"] = json!(who);
            if wanted["caption"].is_string() {
                data["caption"] = wanted["caption"].clone();
            }
            let kind = if family == "graphics" { "graphic" } else { "social.candidate" };
            (kind, at, data.clone())
        };
        Some(json!({"revision": self.tell(kind, fact, at, data)}))
    }
}

fn told() -> Value {
    let team = |id: &str, name: &str, color: &str| json!({"id": id, "name": name, "color": color});
    json!({"game": GAME, "state": "running", "rules": "fiba-3x3", "courts": ["a"], "period": 1, "periods": 1,
        "teams": [team("comets", "Comets", "#ff8b3d"), team("harbor", "Harbor Lights", "#4aa3ff")],
        "players": [{"id": "7", "team": "comets", "name": "Ana"}]})
}

type Of = Extension<Arc<Played>>;

fn who(headers: &HeaderMap) -> String {
    let bytes = headers.get("courtside-who").map(|value| value.as_bytes().to_vec());
    let name = String::from_utf8(bytes.expect("a page says who asks")).expect("UTF-8");
    // As the box does: the role stands before the name.
    format!("operator {name}")
}

fn answer(said: Option<Value>) -> Response {
    match said {
        Some(said) => Json(said).into_response(),
        None => {
            let detail = "there is nothing to take back";
            Problem::new(StatusCode::CONFLICT, "Not taken", detail).into_response()
        }
    }
}

fn game_routes() -> Router {
    let correct = async |Extension(played): Of,
                         Path(fact): Path<String>,
                         headers: HeaderMap,
                         Json(body): Json<Value>| {
        answer(played.correct(&fact, &body, who(&headers)))
    };
    let add = async |Extension(played): Of, headers: HeaderMap, Json(body): Json<Value>| {
        answer(Some(played.add(&body, who(&headers))))
    };
    let say = |family: &'static str| {
        post(
            async move |Extension(played): Of,
                        Path((_, fact)): Path<(String, String)>,
                        headers: HeaderMap,
                        Json(body): Json<Value>| {
                answer(played.say(family, &fact, &body, &who(&headers)))
            },
        )
    };
    let list = async |Extension(played): Of| {
        let own = json!({"id": GAME, "state": played.told.lock()["state"], "rules": "fiba-3x3",
            "courts": ["a"], "start": "2026-11-30T12:00:00.000Z"});
        // The oldest first, as the box has them.
        let mut games = played.others.lock().clone();
        games.push(own);
        Json(json!({"games": games}))
    };
    let period = async |Extension(played): Of, Json(body): Json<Value>| {
        played.periods.lock().push(body);
        Json(played.view())
    };
    let view = async |Extension(played): Of, Path(game): Path<String>| {
        let mut view = played.view();
        if game != GAME {
            view["told"]["game"] = json!(game);
            view["told"]["state"] = json!("over");
        }
        Json(view)
    };
    let known = async || {
        Json(json!([
            {"name": "fiba-3x3", "title": "FIBA 3x3", "source": "FIBA 3x3 Basketball Rules 2025"},
            {"name": "tuesdays", "title": "Tuesdays to 15", "source": "the venue's own"},
        ]))
    };
    Router::new()
        .route("/v1/games", get(list))
        .route("/v1/rules", get(known))
        .route("/v1/games/{game}", get(view))
        .route("/v1/games/{game}/period", post(period))
        .route(
            "/v1/games/{game}/undo",
            post(async |Extension(played): Of| answer(played.undo(None))),
        )
        .route("/v1/games/{game}/shots", post(add))
        .route("/v1/games/{game}/graphics/{fact}", say("graphics"))
        .route("/v1/games/{game}/social/{fact}", say("social"))
        .route("/v1/shots/{fact}/correct", post(correct))
        .route(
            "/v1/shots/{fact}/undo",
            post(async |Extension(played): Of, Path(fact): Path<String>| {
                answer(played.undo(Some(&fact)))
            }),
        )
}

/// A box that is served, behind a cable that can be cut.
pub(crate) struct Cabled {
    pub(crate) address: SocketAddr,
    cut: Arc<AtomicBool>,
    cables: Arc<Mutex<Vec<tokio::task::AbortHandle>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Cabled {
    pub(crate) fn serve(played: &Arc<Played>) -> Self {
        Self::of(played, Access::Open)
    }

    /// Both roles sign in by these tokens.
    pub(crate) fn guarded(played: &Arc<Played>) -> Self {
        let tokens =
            [(Role::Viewer, "the-viewer-s-token"), (Role::Operator, "the-operator-s-token")];
        Self::of(played, Access::Tokens(Tokens::known(tokens)))
    }

    fn of(played: &Arc<Played>, access: Access) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("runtime");
        let any = ([127, 0, 0, 1], 0).into();
        let terms = Terms { rules: rules(), ..terms(&super::by_hand()) };
        let server = Server::bind(any, None, access, terms).expect("bound");
        let box_at = server.address();
        let app = routes(Arc::clone(&played.source) as Arc<dyn Source>)
            .merge(game_routes())
            .layer(Extension(Arc::clone(played)));
        drop(runtime.spawn(server.serve(app, std::future::pending())));
        Self::laid(runtime, box_at)
    }

    /// To what is served there.
    pub(crate) fn laid(runtime: tokio::runtime::Runtime, box_at: SocketAddr) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("bound");
        let address = listener.local_addr().expect("an address");
        let (cut, cables) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<_>>>::default());
        let (is_cut, laid) = (Arc::clone(&cut), Arc::clone(&cables));
        drop(runtime.spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.expect("a page");
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let cable = tokio::spawn(async move {
                    let mut far = TcpStream::connect(box_at).await.expect("the box");
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                });
                laid.lock().push(cable.abort_handle());
            }
        }));
        Self { address, cut, cables, _runtime: runtime }
    }

    /// Whatever is under way breaks off, and nothing new gets through.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for cable in self.cables.lock().drain(..) {
            cable.abort();
        }
    }

    pub(crate) fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}
