//! A recap as one HTML file: style, charts and what little script there is stand in it, so that it can
//! be mailed and read by whoever has a browser. Without the script only the search is missing.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

use crate::event::By;
use crate::event::words::{ClipWord, EndWord, GameWord};
use crate::media::{TeamId, base64, isolates};
use crate::recap::box_score::{PlayerLine, Shooting, TeamLine};
use crate::recap::chart::{Chart, Colors, score_chart, win_chart};
use crate::recap::lines::{ClipLine, ShotLine};
use crate::recap::recap::Recap;
use crate::recap::svg::{STYLE, escaped, marked, svg, variables};
use crate::recap::words::{Sentence, points};

const LOOKS: &str = include_str!("page.css");
const FILTER: &str = include_str!("filter.js");

/// Facts of a sentence that are named one by one; more are folded.
const CITED: usize = 6;

/// Where the clips of a recap are, by their names; those that stand nowhere here are named only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clips {
    /// Addresses of the videos.
    pub videos: BTreeMap<String, String>,
    /// Addresses of a picture of each; `data:` where the file has to do without a box.
    pub stills: BTreeMap<String, String>,
    /// Address of the film of all.
    pub reel: Option<String>,
    /// Other files of the recap: their addresses, and what they are.
    pub files: Vec<(String, &'static str)>,
}

/// A document, and what a browser may do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The document.
    pub html: String,
    /// Its Content-Security-Policy: nothing is fetched but pictures from where `clips` said.
    pub policy: String,
}

/// The recap as a document.
#[must_use]
pub fn html(recap: &Recap, clips: &Clips) -> Page {
    let [first, second] = &recap.box_score.teams;
    let colors = Colors::of([&first.team, &second.team]);
    let style = format!("{}{STYLE}{LOOKS}", variables(&colors, ":root"));
    let mut body = String::new();
    // Writing into a string cannot fail.
    Writer { out: &mut body, recap, clips }.all().ok();
    let title = format!(
        "{} {} – {} {}",
        recap.team_name(&first.team.id),
        first.points,
        second.points,
        recap.team_name(&second.team.id)
    );
    document(&title, &style, &body)
}

/// A document of that title, style and body.
pub(super) fn document(title: &str, style: &str, body: &str) -> Page {
    let hash = |text: &str| base64::encode(&Sha256::digest(text.as_bytes()));
    let policy = format!(
        "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'sha256-{}'; \
         script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(FILTER)
    );
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>{}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\
         <script>{FILTER}</script>\n</body>\n</html>\n",
        escaped(title)
    );
    Page { html, policy: format!("{policy}; frame-ancestors 'none'") }
}

struct Writer<'a> {
    out: &'a mut String,
    recap: &'a Recap,
    clips: &'a Clips,
}

impl Writer<'_> {
    fn all(&mut self) -> fmt::Result {
        self.out.push_str("<header>\n");
        self.board()?;
        self.out.push_str("</header>\n<main>\n");
        self.summary()?;
        self.charts()?;
        self.box_score()?;
        self.moments()?;
        self.shots()?;
        self.out.push_str("</main>\n<footer>\n");
        self.notes()?;
        self.facts()?;
        self.out.push_str("</footer>\n");
        Ok(())
    }

    fn name(&self, team: &TeamId) -> String {
        escaped(&self.recap.team_name(team))
    }

    fn board(&mut self) -> fmt::Result {
        let of = &self.recap.box_score;
        let block = |line: &TeamLine, side: char| {
            let name = self.name(&line.team.id);
            let points = line.points;
            format!("<span class=\"team {side}\"><bdi>{name}</bdi><b>{points}</b></span>")
        };
        let (first, second) = (block(&of.teams[0], 'a'), block(&of.teams[1], 'b'));
        writeln!(self.out, "<h1 class=\"board\">{first}<span class=\"to\">–</span>{second}</h1>")?;
        let mut parts = vec![match (of.state, of.ended) {
            (GameWord::Over, Some(EndWord::Target)) => "Final: the target was reached".to_owned(),
            (GameWord::Over, _) => "Final".to_owned(),
            _ => "The game still runs".to_owned(),
        }];
        parts.extend(of.start.as_deref().map(|start| format!("began {}", day_and_minute(start))));
        parts.push(format!("rules {}", escaped(&of.rules)));
        let courts: Vec<String> = of.courts.iter().map(ToString::to_string).collect();
        parts.push(format!("on {}", courts.join(", ")));
        parts.push(format!("game {}", of.game));
        writeln!(self.out, "<p class=\"state\">{}</p>", parts.join(" · "))
    }

    fn summary(&mut self) -> fmt::Result {
        self.out.push_str("<section>\n<h2>In short</h2>\n<ul class=\"summary\">\n");
        for sentence in &self.recap.summary {
            let cites = self.cites(sentence);
            let text = isolating(&sentence.text);
            writeln!(self.out, "<li>{text} <span class=\"cites\">{cites}</span></li>")?;
        }
        self.out.push_str("</ul>\n</section>\n");
        Ok(())
    }

    fn cites(&self, sentence: &Sentence) -> String {
        let link = |fact: &String| {
            let shot = self.recap.shots.iter().find(|shot| shot.fact == *fact);
            let name = match shot {
                Some(shot) => format!("shot {}", shot.n),
                None if family(fact) == "shot" => "shot taken back".to_owned(),
                None => family(fact).to_owned(),
            };
            format!("<a href=\"#{}\">{}</a>", anchor(fact), escaped(&name))
        };
        let links: Vec<String> = sentence.facts.iter().map(link).collect();
        let all = links.join(" ");
        match links.len() {
            ..=CITED => all,
            many => format!("<details><summary>{many} facts</summary> {all}</details>"),
        }
    }

    fn charts(&mut self) -> fmt::Result {
        let recap = self.recap;
        self.out.push_str("<section>\n<h2>How it went</h2>\n<div class=\"charts\">\n");
        let figure = |chart: &Chart, under: &str| {
            let under = match under {
                "" => String::new(),
                text => format!("<figcaption>{text}</figcaption>"),
            };
            format!("<figure>{}{under}</figure>\n", svg(chart))
        };
        self.out.push_str(&figure(&score_chart(recap), ""));
        if let Some(chart) = win_chart(recap) {
            let old = recap.win.iter().any(|point| !point.stands);
            let under = match old {
                true => {
                    "As it was told while the game ran. Dashed: told before an earlier shot was \
                         corrected."
                }
                false => "As it was told while the game ran. It describes, it predicts nothing.",
            };
            self.out.push_str(&figure(&chart, under));
        }
        self.out.push_str("</div>\n</section>\n");
        Ok(())
    }

    fn box_score(&mut self) -> fmt::Result {
        let teams = &self.recap.box_score.teams;
        let mut values: Vec<u32> = teams
            .iter()
            .flat_map(|line| line.shooting.by_value.iter().map(|of| of.points))
            .collect();
        values.sort_unstable();
        values.dedup();
        self.out.push_str(
            "<section>\n<h2>Box score</h2>\n<div class=\"wide\" tabindex=\"0\">\n<table>\n\
             <thead><tr><th scope=\"col\" class=\"left\">Team, player</th>",
        );
        self.out.push_str(
            "<th scope=\"col\">Points</th><th scope=\"col\">Made</th>\
             <th scope=\"col\">%</th>",
        );
        for value in &values {
            write!(self.out, "<th scope=\"col\">{value} pt</th>")?;
        }
        self.out.push_str(
            "<th scope=\"col\">Best streak</th><th scope=\"col\">Best run</th>\
             <th scope=\"col\">Largest lead</th></tr></thead>\n<tbody>\n",
        );
        for (line, side) in teams.iter().zip(['a', 'b']) {
            let name = self.name(&line.team.id);
            write!(self.out, "<tr class=\"sum {side}\"><th scope=\"row\"><bdi>{name}</bdi></th>")?;
            self.shooting(line.points, &line.shooting, &values)?;
            writeln!(self.out, "<td>{}</td><td>{}</td></tr>", line.best_run, line.largest_lead)?;
            for player in &line.players {
                self.player(player, &values)?;
            }
        }
        self.out.push_str("</tbody>\n</table>\n</div>\n");
        let pending = self.recap.box_score.pending;
        if pending.attempts > 0 {
            let (made, of) = (pending.made, pending.attempts);
            let points = points(pending.points);
            writeln!(self.out, "<p class=\"dim\">Without a team: {points}, {made} of {of}.</p>")?;
        }
        self.periods()?;
        self.out.push_str("</section>\n");
        Ok(())
    }

    fn player(&mut self, line: &PlayerLine, values: &[u32]) -> fmt::Result {
        let name = line.name.clone().unwrap_or_else(|| line.player.to_string());
        let name = escaped(&name);
        write!(self.out, "<tr class=\"player\"><th scope=\"row\"><bdi>{name}</bdi></th>")?;
        self.shooting(line.points, &line.shooting, values)?;
        self.out.push_str("<td></td><td></td></tr>\n");
        Ok(())
    }

    fn shooting(&mut self, points: u32, of: &Shooting, values: &[u32]) -> fmt::Result {
        let percent = of.percent.map_or_else(|| "–".to_owned(), |percent| percent.to_string());
        write!(
            self.out,
            "<td>{points}</td><td>{}/{}</td><td>{percent}</td>",
            of.made, of.attempts
        )?;
        for value in values {
            match of.by_value.iter().find(|row| row.points == *value) {
                Some(row) => write!(self.out, "<td>{}/{}</td>", row.made, row.attempts)?,
                None => self.out.push_str("<td>–</td>"),
            }
        }
        write!(self.out, "<td>{}</td>", of.best_streak)
    }

    fn periods(&mut self) -> fmt::Result {
        let of = &self.recap.box_score;
        if of.periods < 2 {
            return Ok(());
        }
        self.out.push_str(
            "<div class=\"wide\" tabindex=\"0\">\n<table class=\"periods\">\n\
             <thead><tr><th scope=\"col\" class=\"left\">Period</th>",
        );
        for period in 1..=of.periods {
            write!(self.out, "<th scope=\"col\">{period}</th>")?;
        }
        self.out.push_str("<th scope=\"col\">All</th></tr></thead>\n<tbody>\n");
        for line in &of.teams {
            let name = self.name(&line.team.id);
            write!(self.out, "<tr><th scope=\"row\"><bdi>{name}</bdi></th>")?;
            for points in &line.by_period {
                write!(self.out, "<td>{points}</td>")?;
            }
            writeln!(self.out, "<td><b>{}</b></td></tr>", line.points)?;
        }
        self.out.push_str("</tbody>\n</table>\n</div>\n");
        Ok(())
    }

    fn moments(&mut self) -> fmt::Result {
        self.out.push_str("<section>\n<h2>Clips and shots</h2>\n");
        self.out.push_str(
            "<div id=\"find\" class=\"find\" hidden><label for=\"tags\">Find by tags, for example \
             <i>made team:reds</i></label><input id=\"tags\" type=\"search\" autocomplete=\"off\">\
             <output for=\"tags\" role=\"status\"></output></div>\n",
        );
        if let Some(reel) = &self.clips.reel {
            let reel = escaped(reel);
            writeln!(self.out, "<p><a href=\"{reel}\">The reel: all clips as one film</a></p>")?;
        }
        if !self.recap.clips.is_empty() {
            self.out.push_str("<ol class=\"clips\">\n");
            for clip in &self.recap.clips {
                self.clip(clip)?;
            }
            self.out.push_str("</ol>\n");
        }
        Ok(())
    }

    fn clip(&mut self, clip: &ClipLine) -> fmt::Result {
        let shot = self.recap.shots.iter().find(|shot| shot.n == clip.n);
        let what = shot.map(|shot| self.who_and_how(shot)).unwrap_or_default();
        let (id, tags) = (anchor(&clip.fact), escaped(&clip.tags.join(" ")));
        write!(self.out, "<li id=\"{id}\" data-tags=\"{tags}\">")?;
        let gone = clip.state.is_some_and(|state| state != ClipWord::Kept);
        if let Some(still) = self.clips.stills.get(&clip.clip).filter(|_| !gone) {
            let still = marked(still);
            write!(self.out, "<img src=\"{still}\" alt=\"\" loading=\"lazy\">")?;
        }
        let of = format!("shot {}", clip.n);
        write!(self.out, "<p class=\"what\">{what} <a class=\"dim\" href=\"#")?;
        write!(self.out, "{}\">{of}</a></p>", anchor(&clip.shot))?;
        let mut parts = Vec::new();
        parts.extend(clip.score.map(|score| format!("rated {score:.0} of 100")));
        parts.extend(clip.parts.map(|parts| {
            let crowd = parts.crowd.map(|crowd| format!(", crowd {crowd:.2}")).unwrap_or_default();
            let (leverage, rarity, run) = (parts.leverage, parts.rarity, parts.run);
            format!("leverage {leverage:.2}, rarity {rarity:.2}, run {run:.2}{crowd}")
        }));
        if !parts.is_empty() {
            write!(self.out, "<p class=\"dim\">{}</p>", parts.join(": "))?;
        }
        let name = escaped(&clip.clip);
        match (self.clips.videos.get(&clip.clip), gone) {
            (_, true) => write!(self.out, "<p class=\"name\">{name}: not on the box any more</p>")?,
            (Some(video), false) => {
                let video = escaped(video);
                write!(self.out, "<p class=\"name\"><a href=\"{video}\">Watch</a> {name}</p>")?;
            }
            (None, false) => write!(self.out, "<p class=\"name\">clip {name}</p>")?,
        }
        self.tags(&clip.tags)?;
        self.out.push_str("</li>\n");
        Ok(())
    }

    /// For example `Ana made 2 points, 7–6`.
    fn who_and_how(&self, shot: &ShotLine) -> String {
        let who = match (&shot.player, &shot.team) {
            (Some(player), team) => escaped(&self.recap.player_name(team.as_ref(), player)),
            (None, Some(team)) => self.name(team),
            (None, None) => "Team not known".to_owned(),
        };
        let points = shot.points.map(|points| format!(" {points} pt")).unwrap_or_default();
        let [a, b] = shot.score;
        format!("<bdi>{who}</bdi>: {}{points}, {a}–{b}", shot.verdict)
    }

    fn tags(&mut self, tags: &[String]) -> fmt::Result {
        self.out.push_str("<p class=\"tags\">");
        for tag in tags {
            write!(self.out, "<span class=\"tag\">{}</span>", escaped(tag))?;
        }
        self.out.push_str("</p>");
        Ok(())
    }

    fn shots(&mut self) -> fmt::Result {
        self.out.push_str(
            "<div class=\"wide\" tabindex=\"0\">\n<table>\n\
             <caption class=\"left\">All shots that stand</caption>\n<thead><tr>",
        );
        for head in ["#", "Time", "Period"] {
            write!(self.out, "<th scope=\"col\">{head}</th>")?;
        }
        for head in ["Team", "Player", "Call"] {
            write!(self.out, "<th scope=\"col\" class=\"left\">{head}</th>")?;
        }
        self.out.push_str("<th scope=\"col\">Points</th><th scope=\"col\">Score</th>");
        for head in ["Court, rim", "Corrected", "Tags"] {
            write!(self.out, "<th scope=\"col\" class=\"left\">{head}</th>")?;
        }
        self.out.push_str("</tr></thead>\n<tbody>\n");
        for shot in &self.recap.shots {
            self.shot(shot)?;
        }
        self.out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
        Ok(())
    }

    fn shot(&mut self, shot: &ShotLine) -> fmt::Result {
        let (id, tags) = (anchor(&shot.fact), escaped(&shot.tags.join(" ")));
        write!(self.out, "<tr id=\"{id}\" class=\"{}\" data-tags=\"{tags}\">", shot.verdict)?;
        let time = shot.seconds.map_or_else(
            || "–".to_owned(),
            |seconds| format!("{}:{:02}", seconds / 60, seconds % 60),
        );
        write!(self.out, "<td>{}</td><td>{time}</td><td>{}</td>", shot.n, shot.period)?;
        let team =
            shot.team.as_ref().map_or_else(|| "not known".to_owned(), |team| self.name(team));
        let player = shot.player.as_ref();
        let player = player.map(|player| self.recap.player_name(shot.team.as_ref(), player));
        let player = escaped(&player.unwrap_or_default());
        write!(self.out, "<td class=\"left\"><bdi>{team}</bdi></td>")?;
        write!(self.out, "<td class=\"left\"><bdi>{player}</bdi></td>")?;
        write!(self.out, "<td class=\"left how\">{}</td>", shot.verdict)?;
        let points = shot.points.map_or_else(|| "–".to_owned(), |points| points.to_string());
        let [a, b] = shot.score;
        write!(self.out, "<td>{points}</td><td>{a}–{b}</td>")?;
        let court = escaped(&shot.court);
        write!(self.out, "<td class=\"left\">{court}, {}</td>", shot.rim)?;
        let by = match shot.by {
            Some(By::Operator) => "operator",
            Some(By::Look) => "second look",
            Some(By::Model) => "model",
            None => "",
        };
        let who = shot.who.as_ref().map(|who| format!(" {who}")).unwrap_or_default();
        let why = shot.reason.as_ref().filter(|_| shot.by.is_some());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let by = escaped(&format!("{by}{who}{why}"));
        write!(self.out, "<td class=\"why\">{by}</td><td class=\"tags-of\">")?;
        // What other columns say is not said again; it is searched all the same.
        let own =
            |tag: &&String| !tag.contains(':') && **tag != shot.verdict && !tag.ends_with("pt");
        let own: Vec<String> = shot.tags.iter().filter(own).cloned().collect();
        self.tags(&own)?;
        self.out.push_str("</td></tr>\n");
        Ok(())
    }

    fn notes(&mut self) -> fmt::Result {
        if self.recap.notes.is_empty() {
            return Ok(());
        }
        self.out.push_str("<section>\n<h2>What does not add up</h2>\n<ul class=\"notes\">\n");
        for note in &self.recap.notes {
            writeln!(self.out, "<li>{}</li>", escaped(note))?;
        }
        self.out.push_str("</ul>\n</section>\n");
        Ok(())
    }

    /// Facts that sentences stand on and that no list above has: where their links lead to.
    fn facts(&mut self) -> fmt::Result {
        self.out.push_str("<section>\n<h2>Facts</h2>\n");
        let listed = |fact: &&String| {
            self.recap.shots.iter().any(|shot| shot.fact == **fact)
                || self.recap.clips.iter().any(|clip| clip.fact == **fact)
        };
        let cited = self.recap.summary.iter().flat_map(|sentence| &sentence.facts);
        let mut others: Vec<&String> = cited.filter(|fact| !listed(fact)).collect();
        others.sort_unstable();
        others.dedup();
        self.out.push_str("<dl class=\"facts\">\n");
        for fact in others {
            let (id, name) = (anchor(fact), escaped(fact));
            let what = match family(fact) {
                "shot" => "a shot that was taken back",
                family => family,
            };
            writeln!(self.out, "<dt id=\"{id}\">{name}</dt><dd>{}</dd>", escaped(what))?;
        }
        self.out.push_str("</dl>\n");
        if !self.clips.files.is_empty() {
            self.out.push_str("<p class=\"files\">");
            for (at, (address, what)) in self.clips.files.iter().enumerate() {
                let between = if at > 0 { " · " } else { "" };
                write!(self.out, "{between}<a href=\"{}\">{what}</a>", escaped(address))?;
            }
            self.out.push_str("</p>\n");
        }
        self.out.push_str("</section>\n");
        Ok(())
    }
}

/// The word of a fact's family, out of `{session}-{family}-{n}`.
fn family(fact: &str) -> &str {
    let inner = fact.split_once('-').and_then(|(_, rest)| rest.rsplit_once('-'));
    inner.map_or("fact", |(family, _)| family)
}

/// A name of an element: letters and digits of a fact's name, whatever it is.
fn anchor(fact: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
    format!("f-{}", fact.chars().map(letter).collect::<String>())
}

/// `2026-11-22 18:04 UTC` of RFC 3339.
pub(super) fn day_and_minute(rfc3339: &str) -> String {
    let (day, minute) = (rfc3339.get(..10).unwrap_or(rfc3339), rfc3339.get(11..16).unwrap_or(""));
    format!("{} {} UTC", escaped(day), escaped(minute))
}

/// A sentence as markup: a name that is isolated keeps to itself.
fn isolating(text: &str) -> String {
    let Some(pieces) = isolates(text) else { return escaped(text) };
    let pieces = pieces.into_iter().map(|(inside, piece)| match inside {
        true => format!("<bdi>{}</bdi>", escaped(piece)),
        false => escaped(piece),
    });
    pieces.collect()
}
