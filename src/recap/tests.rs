//! A recap of a game that was set by hand, against what was counted by hand; and what goes out of it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::media::{GameId, TeamId};
use crate::recap::chart::{Colors, score_chart, win_chart};
use crate::recap::fact::{Facts, reads};

const FIRST: &str = include_str!("../../tests/data/recap/first.facts.jsonl");

fn first() -> Recap {
    Recap::of(FIRST, &id("first")).expect("a game")
}

fn id(game: &str) -> GameId {
    GameId::new(game).expect("a name")
}

fn shot(n: u32) -> String {
    format!("00000000000000c1-shot-{n}")
}

/// A game of so many shots, each with its highlight and two words on its clip.
fn long(shots: u32) -> String {
    let of_kind = |kind: &str| -> serde_json::Value {
        let wanted = format!("courtside.{kind}.v1");
        let all = FIRST.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let mut all = all.filter(|told: &serde_json::Value| told["type"] == wanted);
        all.next().expect("one")
    };
    let kinds = ["shot.made", "highlight", "clip", "clip"];
    let mut told = vec![of_kind("game")];
    for n in 1..=shots {
        let clip = format!("/v1/clips/north-{n}");
        let facts = [format!("c-shot-{n}"), format!("c-highlight-{n}"), format!("c-clip-{n}")];
        for (at, kind) in kinds.into_iter().enumerate() {
            let mut event = of_kind(kind);
            event["fact"] = facts[at.min(2)].clone().into();
            event["revision"] = u32::from(at == 3).into();
            event["data"]["t_stream"] = f64::from(n).into();
            event["data"]["provisional"] = false.into();
            event["data"]["shot"] = facts[0].clone().into();
            event["data"]["clip"] = clip.clone().into();
            told.push(event);
        }
    }
    told.iter().map(|event| event.to_string() + "\n").collect()
}

#[test]
fn what_is_read_of_a_long_game_grows_with_it_and_not_with_its_square() {
    let reads = |shots: u32| {
        let told = long(shots);
        reads::READS.set(0);
        let recap = Recap::of(&told, &id("first")).expect("a game");
        assert_eq!((recap.shots.len(), recap.clips.len()), (shots as usize, shots as usize));
        reads::READS.get()
    };
    let (some, many) = (reads(40), reads(320));
    assert!(some > 40 && many <= 9 * some, "{some} for 40 shots, {many} for 320");
}

/// Counted by hand: reds make 2, 1 (corrected from 2), 1, 1 (added) and 2 and miss a 1; blues make 1, 2 and
/// 2 and miss two 2s; number 7 was taken back.
#[test]
fn the_box_score_is_what_was_counted_by_hand() {
    let of = first().box_score;
    let shooting = |made, attempts, percent, best_streak, by_value: &[(u32, u32, u32)]| {
        let row = |row: &(u32, u32, u32)| {
            serde_json::json!({
                "points": row.0, "made": row.1, "attempts": row.2,
            })
        };
        serde_json::json!({
            "made": made, "attempts": attempts, "percent": percent, "best_streak": best_streak,
            "by_value": by_value.iter().map(row).collect::<Vec<_>>(),
        })
    };
    let with = |mut one: serde_json::Value, other: serde_json::Value| {
        let more = other.as_object().expect("an object").clone();
        one.as_object_mut().expect("an object").extend(more);
        one
    };
    let player = |id: &str, name: &str, points: u32, of: serde_json::Value| {
        with(serde_json::json!({"player": id, "name": name, "points": points}), of)
    };
    let reds = with(
        serde_json::json!({
            "id": "reds", "name": "Reds", "color": "#c62828", "points": 7, "by_period": [3, 4],
            "best_run": 4, "largest_lead": 2, "players": [
                player("7", "Ana", 4, shooting(3, 4, 75, 2, &[(1, 2, 3), (2, 1, 1)])),
                player("9", "Bo", 3, shooting(2, 2, 100, 2, &[(1, 1, 1), (2, 1, 1)])),
            ],
        }),
        shooting(5, 6, 83, 3, &[(1, 3, 4), (2, 2, 2)]),
    );
    let blues = with(
        serde_json::json!({
            "id": "blues", "name": "The <b>Blues</b> & Co", "points": 5, "by_period": [5, 0],
            "best_run": 4, "largest_lead": 2, "players": [
                player("4", "Cy", 5, shooting(3, 4, 75, 3, &[(1, 1, 1), (2, 2, 3)])),
            ],
        }),
        shooting(3, 5, 60, 3, &[(1, 1, 1), (2, 2, 4)]),
    );
    let expected = serde_json::json!({
        "game": "first", "rules": "pickup", "state": "over", "courts": ["north"],
        "start": "2026-11-22T18:00:00.000Z", "end": "2026-11-22T18:05:00.000Z",
        "winner": "reds", "ended": "operator", "periods": 2, "teams": [reds, blues],
        "pending": {"attempts": 0, "made": 0, "points": 0},
    });
    assert_eq!(serde_json::to_value(&of).expect("JSON"), expected);
    let back: BoxScore = serde_json::from_value(expected).expect("it reads back");
    assert_eq!(back, of);
}

#[test]
fn shots_stand_in_the_order_of_the_game_with_the_score_after_each() {
    let recap = first();
    let all: Vec<(String, [u32; 2])> =
        recap.shots.iter().map(|line| (line.fact.clone(), line.score)).collect();
    let order = [
        (1, [2, 0]),
        (2, [2, 0]),
        (3, [2, 1]),
        (4, [3, 1]),
        (5, [3, 1]),
        (6, [3, 3]),
        (8, [3, 5]),
        (9, [4, 5]),
        (12, [5, 5]),
        (10, [5, 5]),
        (11, [7, 5]),
    ];
    assert_eq!(all, order.map(|(n, score)| (shot(n), score)));
    assert_eq!(recap.notes, Vec::<String>::new(), "it comes to what was told");
    let added = &recap.shots[8];
    assert_eq!((added.period, added.seconds), (2, Some(205)), "{added:?}");
    let corrected = &recap.shots[3];
    assert_eq!((corrected.revision, corrected.points), (2, Some(1)), "{corrected:?}");
}

#[test]
fn a_shot_has_the_tags_of_what_the_game_was_when_it_was_taken() {
    let recap = first();
    let own = |n: u32| {
        let line = recap.shots.iter().find(|line| line.fact == shot(n)).expect("a shot");
        line.tags.iter().filter(|tag| !tag.contains(':')).cloned().collect::<Vec<_>>().join(" ")
    };
    for (n, tags) in [
        (1, "2pt made"),
        (2, "2pt missed"),
        (4, "1pt corrected made toe"),
        (6, "2pt made run tie"),
        (8, "2pt clutch dunk lead-change made run streak"),
        (9, "1pt made run"),
        (12, "1pt added made run tie"),
        (10, "2pt missed"),
        (11, "2pt clutch lead-change made run"),
    ] {
        assert_eq!(own(n), tags, "shot {n}");
    }
    let clips: Vec<_> = recap.clips.iter().map(|clip| (clip.n, clip.score)).collect();
    assert_eq!(clips, [(1, Some(31.0)), (7, Some(74.0)), (11, Some(55.0))], "2 was taken back");
    assert!(recap.shots[0].tags.contains(&"player:7".to_owned()), "{:?}", recap.shots[0].tags);
}

#[test]
fn a_share_of_wins_that_was_told_of_another_score_says_so() {
    let recap = first();
    let told: Vec<_> =
        recap.win.iter().map(|point| (point.shot.clone(), point.share, point.stands)).collect();
    let expected = [
        (None, 0.5, true),
        (Some(1), 0.58, true),
        (Some(2), 0.60, true),
        (Some(3), 0.55, true),
        // Told before number 4 was corrected.
        (Some(4), 0.66, false),
        (Some(5), 0.63, false),
        // Told again with the corrections, while these were the newest.
        (Some(6), 0.50, true),
        (Some(8), 0.33, true),
        (Some(9), 0.40, true),
        // Told before number 12 was added.
        (Some(10), 0.44, false),
        (Some(11), 0.75, true),
    ];
    assert_eq!(told, expected.map(|(n, share, stands)| (n.map(shot), share, stands)));
}

#[test]
fn every_sentence_stands_on_facts_that_were_told_and_hold() {
    let recap = first();
    let facts = Facts::of_game(FIRST.lines(), &id("first")).expect("facts");
    let texts: Vec<&str> = recap.summary.iter().map(|sentence| sentence.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "Reds beat The <b>Blues</b> & Co 7 to 5.",
            "By period, Reds first: 3–5, 4–0.",
            "The lead changed twice, and the score was level twice.",
            "The largest lead was Reds' 2 points, at 2 to 0.",
            "The longest run was Reds' 4 points without an answer, from 3–5 to 7–5 \
             (Reds–The <b>Blues</b> & Co).",
            "Reds made 5 of 6 shots (83 %), The <b>Blues</b> & Co 3 of 5 (60 %).",
            "Cy (The <b>Blues</b> & Co) scored most: 5 points, 3 of 4.",
            "No shot turned the game more than Cy's 2 points: by the model The <b>Blues</b> & Co would \
             win 50 of 100 such games before it, and 67 after.",
            "Of 3 clips, the one of shot 7 is rated highest.",
            "The operator changed one call, took one call back and added one call that was not seen.",
        ]
    );
    for sentence in &recap.summary {
        assert!(!sentence.facts.is_empty(), "{sentence:?}");
        for fact in &sentence.facts {
            let newest = facts.newest_of(fact).unwrap_or_else(|| panic!("{fact} was never told"));
            // A sentence about what was taken back stands on that; all others on what holds.
            let about_that = sentence.text.contains("took one call back");
            assert!(!newest.takes_back() || about_that, "{fact} is gone: {sentence:?}");
            let counted = recap.shots.iter().any(|line| line.fact == *fact);
            let is_shot = fact.contains("-shot-");
            assert!(
                !is_shot || counted || newest.takes_back(),
                "{fact} does not count: {sentence:?}"
            );
        }
    }
    let of_run: Vec<String> = [9, 12, 11].map(shot).into();
    assert_eq!(recap.summary[4].facts, of_run);
    assert_eq!(recap.summary[9].facts, [4, 7, 12].map(shot));
}

#[test]
fn a_game_whose_beginning_was_told_by_a_wrong_clock_begins_with_its_first_shot() {
    for wrong in ["1970-01-01T00:00", "2026-11-22T19:00"] {
        let facts = FIRST.replacen("2026-11-22T18:00", wrong, 1);
        let recap = Recap::of(&facts, &id("first")).expect("a game");
        assert_eq!(recap.box_score.start.as_deref(), Some("2026-11-22T18:00:10.000Z"), "{wrong}");
        assert_eq!(recap.score[0].seconds, Some(0));
        assert_eq!(recap.box_score.end.as_deref(), Some("2026-11-22T18:05:00.000Z"));
    }
}

#[test]
fn a_sum_that_was_told_and_does_not_add_up_is_said() {
    let wrong = FIRST.replace("\"points\": 7, \"made\": 5", "\"points\": 8, \"made\": 5");
    assert_ne!(wrong, FIRST);
    let recap = Recap::of(&wrong, &id("first")).expect("a game");
    assert_eq!(recap.box_score.teams[0].points, 7, "the shots count");
    assert!(recap.notes[0].contains("come to 7 points") && recap.notes[0].contains("says 8"));
    // The first sentence no longer stands on the score.
    assert_eq!(recap.summary[0].facts, ["00000000000000aa-game-1"]);
}

#[test]
fn facts_of_other_games_are_let_be_and_repeats_count_once() {
    let games = games_in(FIRST).expect("envelopes");
    assert_eq!(games, [id("first"), id("second")]);
    let own = of_game(FIRST, &id("first")).expect("a game");
    assert_eq!(own.lines().count(), FIRST.lines().count() - 1);
    let twice = format!("{own}{own}");
    let (once, again) = (first(), Recap::of(&twice, &id("first")).expect("a game"));
    assert_eq!(once, again);
    assert!(matches!(Recap::of(FIRST, &id("third")), Err(RecapError::NoGame { .. })));
    let cut = format!("{own}{{\"half");
    assert!(matches!(Recap::of(&cut, &id("first")), Err(RecapError::NoEnvelope { line: 54, .. })));
}

/// While a game runs, after each of its facts: everything can be made, and every citation holds.
#[test]
fn a_recap_can_be_made_at_any_time_of_a_game() {
    let own = of_game(FIRST, &id("first")).expect("a game");
    let lines: Vec<&str> = own.lines().collect();
    for end in 1..=lines.len() {
        let so_far = lines[..end].join("\n");
        let recap = Recap::of(&so_far, &id("first")).expect("a game");
        let facts = Facts::of_game(so_far.lines(), &id("first")).expect("facts");
        for sentence in &recap.summary {
            assert!(!sentence.facts.is_empty(), "{sentence:?}");
            for fact in &sentence.facts {
                assert!(facts.newest_of(fact).is_some(), "{fact}: {sentence:?}");
            }
        }
        well_formed(&html(&recap, &Clips::default()).html);
        let sum: u32 = recap.box_score.teams.iter().map(|line| line.points).sum();
        let last = recap.score.last().map_or(0, |point| point.points.iter().sum());
        assert_eq!(sum, last);
    }
}

// --- what goes out ------------------------------------------------------------------------------

/// Elements that have no end.
const VOID: &[&str] = &["meta", "img", "input"];

/// Panics unless every element that begins ends in its turn, and every name of an element is there once.
fn well_formed(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let (mut rest, mut names) = (html, BTreeSet::new());
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').expect("a tag ends");
        let (tag, after) = rest.split_at(end);
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if let Some((_, id)) = tag.split_once(" id=\"") {
            let id = id.split('"').next().expect("a value ends");
            assert!(names.insert(id.to_owned()), "{id} is there twice");
        }
        if tag.starts_with('!') || VOID.contains(&name) || tag.ends_with('/') {
            continue;
        }
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "in its turn");
            continue;
        }
        open.push(name);
        // What stands in these is no markup.
        if matches!(name, "style" | "script") {
            let end = rest.find(&format!("</{name}>")).expect("it ends");
            rest = &rest[end..];
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    for link in html.split("href=\"#").skip(1) {
        let link = link.split('"').next().expect("a value ends");
        assert!(names.contains(link), "a link leads to {link}, which is not there");
    }
}

#[test]
fn the_document_is_whole_and_fetches_nothing() {
    let page = html(&first(), &Clips::default());
    well_formed(&page.html);
    for word in
        ["http://", "https://", "src=", "@import", "url(", "<link", "<iframe", "style=\"", " on"]
    {
        let found = match word {
            // Handlers stand in tags alone.
            " on" => page.html.split('<').any(|tag| {
                let tag = tag.split('>').next().unwrap_or_default();
                tag.split(' ').skip(1).any(|part| part.starts_with("on") && part.contains('='))
            }),
            word => page.html.contains(word),
        };
        assert!(!found, "{word}");
    }
    assert!(page.policy.starts_with("default-src 'none'"), "{}", page.policy);
}

#[test]
fn names_are_text_and_nothing_else() {
    let evil = FIRST
        .replace("\"name\": \"Ana\"", "\"name\": \"</style><script>alert(1)</script>\"")
        .replace("north-00000000000000c1-highlight-1", "x\\\" onerror=\\\"y")
        .replace("toe on", "toe<img src=x> on")
        .replace("#c62828", "red}body{display:none");
    assert_ne!(evil, FIRST);
    let recap = Recap::of(&evil, &id("first")).expect("a game");
    let page = html(&recap, &Clips::default());
    well_formed(&page.html);
    assert!(page.html.contains("The &lt;b&gt;Blues&lt;/b&gt; &amp; Co"));
    for word in ["<b>Blues", "<script>alert", "<img", " onerror=\"", "red}"] {
        assert!(!page.html.contains(word), "{word}");
    }
    // A right-to-left override turns nothing round.
    let turned = FIRST.replace("\"name\": \"Ana\"", "\"name\": \"A\\u202ena\"");
    let page = html(&Recap::of(&turned, &id("first")).expect("a game"), &Clips::default());
    assert!(!page.html.contains('\u{202e}') && page.html.contains("A\\u{202e}na"));
}

#[test]
fn clips_are_linked_where_they_are_and_named_where_not() {
    let recap = first();
    let clip = "north-00000000000000c1-highlight-3".to_owned();
    // A picture is longer than any text that is shown, and stands there whole.
    let still = format!("data:image/jpeg;base64,{}", "AAAA".repeat(4_000));
    let clips = Clips {
        videos: [(clip.clone(), "clips/3.mp4".to_owned())].into(),
        stills: [(clip, still.clone())].into(),
        reel: Some("reel.mp4".to_owned()),
        files: vec![("shots.csv".to_owned(), "shots")],
    };
    let page = html(&recap, &clips).html;
    well_formed(&page);
    assert_eq!(page.matches("<a href=\"clips/3.mp4\">Watch</a>").count(), 1);
    assert_eq!(page.matches(&format!("<img src=\"{still}\"")).count(), 1);
    assert_eq!(page.matches("clip north-00000000000000c1-highlight-").count(), 2);
    assert!(page.contains("<a href=\"reel.mp4\">") && page.contains("<a href=\"shots.csv\">"));
    // What was deleted is not offered.
    let gone = FIRST.replace("\"state\": \"kept\"", "\"state\": \"deleted\"");
    let page = html(&Recap::of(&gone, &id("first")).expect("a game"), &clips).html;
    assert!(!page.contains("clips/3.mp4") && page.contains("not on the box any more"), "{page}");
}

#[test]
fn the_table_of_shots_has_a_row_a_shot_and_no_formula() {
    let table = shots_csv(&first());
    let rows: Vec<&str> = table.split("\r\n").collect();
    assert_eq!(rows.len(), 1 + 11 + 1, "a head, the shots, and the end of the last line");
    assert!(rows[0].starts_with("n,fact,revision,time,") && rows[0].ends_with(",clip,tags"));
    assert_eq!(
        rows[4],
        "4,00000000000000c1-shot-4,2,2026-11-22T18:00:55.000Z,55,1,north,0,55.000,made,1,operator,reds,9,\
         operator,Ada,\"#toe on the line, not =2\",3,1,,1pt corrected court:north made period:1 player:9 rim:0 \
         team:reds toe"
    );
    let evil = FIRST.replace("#toe on the line, not =2", "=1+cmd|' /C calc'!A0");
    let table = shots_csv(&Recap::of(&evil, &id("first")).expect("a game"));
    assert!(table.contains(",'=1+cmd") && !table.contains(",=1"), "{table}");
}

#[test]
fn charts_are_drawn_from_the_first_to_the_last_shot() {
    let recap = first();
    let score = score_chart(&recap);
    assert_eq!(score.lines[0].points.first(), Some(&(0.0, 0.0)));
    assert_eq!(score.lines[0].points.last(), Some(&(230.0 / 60.0, 7.0)));
    assert_eq!(score.lines[1].points.last(), Some(&(230.0 / 60.0, 5.0)));
    assert_eq!(score.borders.len(), 1, "the second period");
    let win = win_chart(&recap).expect("a share was told");
    let faint: Vec<bool> = win.lines.iter().map(|line| line.faint).collect();
    assert_eq!(faint, [false, true, false, true, false]);
    // One line ends where the next begins.
    for pair in win.lines.windows(2) {
        assert_eq!(pair[0].points.last(), pair[1].points.first());
    }
    let [one, other] = &recap.box_score.teams;
    let colors = Colors::of([&one.team, &other.team]);
    for chart in [score, win] {
        let file = svg_file(&chart, &colors);
        well_formed(&file);
        assert!(file.starts_with("<svg xmlns=") && !file.contains("NaN"), "{file}");
    }
    // Without times: by the number of the shot.
    let timeless = FIRST.replace("\"time\": \"2026", "\"time\": \"x");
    let recap = Recap::of(&timeless, &id("first")).expect("a game");
    let score = score_chart(&recap);
    assert_eq!((score.x.label, score.x.to), ("shots", 11.0));
}

// --- several games ------------------------------------------------------------------------------

/// A game of these teams, which ended so.
fn game(name: &str, day: u32, teams: [&str; 2], points: [u32; 2]) -> BoxScore {
    let mut score = first().box_score;
    score.game = id(name);
    score.start = Some(format!("2026-11-{day:02}T18:00:00.000Z"));
    for (line, (team, points)) in score.teams.iter_mut().zip(teams.into_iter().zip(points)) {
        line.team.id = TeamId::new(team).expect("a name");
        line.team.name = None;
        line.points = points;
    }
    score.winner = match points {
        [a, b] if a > b => Some(score.teams[0].team.id.clone()),
        [a, b] if b > a => Some(score.teams[1].team.id.clone()),
        _ => None,
    };
    score
}

#[test]
fn a_season_ranks_by_games_won_and_who_are_level_share_a_rank() {
    let season = Season::of(vec![
        game("g3", 3, ["c", "d"], [10, 8]),
        game("g1", 1, ["a", "b"], [10, 8]),
        game("g2", 2, ["b", "a"], [9, 9]),
        game("g1", 1, ["a", "b"], [10, 8]),
        BoxScore {
            state: crate::event::words::GameWord::Running,
            ..game("g4", 4, ["a", "b"], [9, 0])
        },
    ]);
    let games: Vec<&str> = season.games.iter().map(|line| line.game.as_str()).collect();
    assert_eq!(games, ["g1", "g2", "g3"]);
    let table: Vec<_> = season
        .teams
        .iter()
        .map(|line| (line.rank, line.team.id.to_string(), line.won, line.drawn, line.lost))
        .collect();
    let row = |rank, team: &str, won, drawn, lost| (rank, team.to_owned(), won, drawn, lost);
    assert_eq!(
        table,
        [row(1, "c", 1, 0, 0), row(2, "a", 1, 1, 0), row(3, "b", 0, 1, 1), row(4, "d", 0, 0, 1)]
    );
    assert_eq!(season.notes.len(), 2, "{:?}", season.notes);
    // Players of the two who won alike are level.
    let level =
        Season::of(vec![game("x", 1, ["a", "b"], [5, 5]), game("y", 1, ["c", "d"], [5, 5])]);
    assert_eq!(level.teams.iter().map(|line| line.rank).collect::<Vec<_>>(), [1, 1, 1, 1]);
    let ranks: Vec<u32> = level.players.iter().map(|line| line.rank).collect();
    assert_eq!(ranks, [1, 1, 3, 3, 5, 5], "5, 5, 4, 4, 3, 3 points");
}

#[test]
fn players_of_a_season_are_summed_over_its_games() {
    let season =
        Season::of(vec![game("g1", 1, ["a", "b"], [7, 5]), game("g2", 2, ["a", "b"], [7, 5])]);
    let best = &season.players[0];
    assert_eq!((best.player.as_str(), best.games, best.points), ("4", 2, 10));
    assert_eq!((best.shooting.made, best.shooting.attempts, best.per_game), (6, 8, 5.0));
    let page = season_html(&season, "Cup <2026>").html;
    well_formed(&page);
    assert!(page.contains("Cup &lt;2026&gt;"), "{page}");
    let table = season_csv(&season);
    assert_eq!(table.split("\r\n").count(), 1 + 2 + 3 + 1, "{table}");
}

// --- any game -----------------------------------------------------------------------------------

/// One thing that is told of a shot: which one, when, how it came out, for how much, whose. `None` takes
/// it back.
type Word = (u32, u32, Option<(bool, u32, Option<bool>)>);

fn words() -> impl Strategy<Value = Vec<Word>> {
    let call = (any::<bool>(), 0..4_u32, proptest::option::of(any::<bool>()));
    let word = (1..20_u32, 0..600_u32, proptest::option::weighted(0.85, call));
    proptest::collection::vec(word, 0..60)
}

/// The envelopes, and what stands at the end, counted the plainest way.
fn told(words: &[Word]) -> (String, BTreeMap<u32, (bool, u32, Option<bool>)>) {
    let mut lines = vec![FIRST.lines().next().expect("the game's fact").to_owned()];
    let (mut revisions, mut standing) = (BTreeMap::new(), BTreeMap::new());
    for (n, at, call) in words {
        let revision = revisions.entry(*n).and_modify(|revision| *revision += 1).or_insert(0_u32);
        let team =
            call.and_then(|(_, _, reds)| reds).map(|reds| if reds { "reds" } else { "blues" });
        let word = match call {
            Some((true, ..)) => "made",
            Some((false, ..)) => "missed",
            None => "withdrawn",
        };
        let points = call.map(|(_, points, _)| points);
        let envelope = serde_json::json!({
            "source": "courtside:rim-1/north", "type": format!("courtside.shot.{word}.v1"),
            "time": format!("2026-11-22T18:{:02}:{:02}.000Z", at / 60, at % 60),
            "session": "00000000000000c1", "fact": shot(*n), "revision": revision, "game": "first",
            "data": {"rim": 0, "t_stream": f64::from(*at), "points": points, "team": team, "reason": "x"},
        });
        lines.push(envelope.to_string());
        match call {
            Some(call) => standing.insert(*n, *call),
            None => standing.remove(n),
        };
    }
    (lines.join("\n"), standing)
}

proptest! {
    #[test]
    fn any_game_comes_to_the_sum_of_the_shots_that_stand(words in words()) {
        let (facts, standing) = told(&words);
        let recap = Recap::of(&facts, &id("first")).expect("a game");
        let sum = |team: Option<bool>| -> (u32, u32, u32) {
            let of = || standing.values().filter(|(_, _, of)| *of == team);
            let points = of().filter(|(made, ..)| *made).map(|(_, points, _)| points).sum();
            let count = |all: usize| u32::try_from(all).expect("few");
            (points, count(of().filter(|(made, ..)| *made).count()), count(of().count()))
        };
        let [reds, blues] = &recap.box_score.teams;
        for (line, team) in [(reds, true), (blues, false)] {
            let counted = (line.points, line.shooting.made, line.shooting.attempts);
            prop_assert_eq!(counted, sum(Some(team)));
        }
        let pending = recap.box_score.pending;
        prop_assert_eq!((pending.points, pending.made, pending.attempts), sum(None));
        // Each shot that stands is there once; in a session they go by its time.
        let facts_of: Vec<&str> = recap.shots.iter().map(|line| line.fact.as_str()).collect();
        let known: BTreeSet<&str> = facts_of.iter().copied().collect();
        prop_assert_eq!((facts_of.len(), known.len()), (standing.len(), standing.len()));
        prop_assert!(recap.shots.is_sorted_by(|a, b| a.t_stream <= b.t_stream));
        for sentence in &recap.summary {
            prop_assert!(!sentence.facts.is_empty(), "{:?}", sentence);
            let told = |fact: &String| facts.contains(&format!("\"{fact}\""));
            prop_assert!(sentence.facts.iter().all(told), "{:?}", sentence);
        }
        well_formed(&html(&recap, &Clips::default()).html);
    }
}
