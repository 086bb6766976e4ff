// The overlay for a broadcast: score, period, and the graphics that the operator took, over nothing.
//
// `/overlay?game=ID&delay=SECONDS` or `?court=NAME&delay=SECONDS`; without both, the game that runs. A fact comes
// in by `../feed.js`, waits in `schedule.js` until the programme has reached it, and is drawn at once then. Who
// knows the programme's time code says where the programme is, by an event `courtside-programme` of this window.

import { box } from "../clock.js";
import { $, make, say } from "../dom.js";
import { Facts } from "../facts.js";
import { STORED_MS, feed } from "../feed.js";
import { Schedule } from "./schedule.js";

const STORED = 500;
const GRAPHICS_MOST = 3;
const DELAY_MOST_S = 600;
const USUAL = ["#ff8b3d", "#4aa3ff"];

const asked = new URL(location.href).searchParams;
const delay = asked.has("delay") ? Number(asked.get("delay")) : 0;
const fits = Number.isFinite(delay) && delay >= 0 && delay <= DELAY_MOST_S;
const schedule = new Schedule(delay * 1000);
/** By the programme's own time code, once it was told; then the box's clock is asked whatever the delay is. */
let coded = false;
let facts = new Facts(null);
let chosen = null;
/** The last events, also those of a game that is not shown yet. */
let early = [];
/** By fact of a graphic, when it was taken and when it ends, ms of the box's clock. */
const ends = new Map();
/** Newest revisions. */
const known = new Map();

const wrong = (text) => { $(".wrong").hidden = !text; say($(".wrong"), text || ""); };

/** Without a delay all that comes has been: the clock is not asked. */
const now = () => (box.known ? box.now : delay ? NaN : Date.now());

/**
 * Where the programme is: `detail.unix_ms` is when the picture that is on it now was taken, by the box's clock or
 * one in step with it. The delay follows, and what waits with it.
 */
function programme({ detail }) {
  const at = Number(detail?.unix_ms);
  if (!Number.isFinite(at) || !box.known) return;
  // What the clock may be wrong by makes facts late, never early.
  const late = Math.min(Math.max(box.now + 2 * box.bound - at, 0), DELAY_MOST_S * 1000);
  coded = true;
  schedule.late = late;
  wake();
}
addEventListener("courtside-programme", programme);

function put(envelope) {
  const { fact, revision, data } = envelope;
  if ((envelope.game ?? data.game) !== chosen || (known.get(fact) ?? -1) >= revision) return;
  known.set(fact, revision);
  if (envelope.type === "courtside.game.v1") ended = data.state === "over";
  // Without a delay a moment is past by the time that its fact is here, whatever our clock says.
  schedule.put(fact, delay || coded ? timeOf(envelope) : null, now(), envelope);
}

const timeOf = (envelope) => (envelope.clocksource === "none" ? null : Date.parse(envelope.time));

function take(envelope, stored) {
  if (!fits) return;
  envelope.stored = stored;
  early.push(envelope);
  if (early.length > STORED) early.shift();
  if (chosen !== null && !Number.isNaN(now())) {
    put(envelope);
    wake();
  }
  if (envelope.type !== "courtside.game.v1") return;
  if (!stored) return news(envelope);
  // What is stored tells of games that ended long ago, and may tell of one that begins just now: the box is asked.
  clearTimeout(asking);
  asking = setTimeout(() => { find().catch(() => {}); }, STORED_MS);
}
let asking = null;

/** Whether this page shows that game where it shows the one that runs. */
const mine = (game) => !asked.has("court") || game.courts.includes(asked.get("court"));

/** Another game begins where none was named: shown once the programme has reached its beginning. */
function news(envelope) {
  const told = envelope.data;
  if (asked.has("game") || told.state !== "running" || told.game === chosen || !mine(told)) return;
  if (chosen === null) return void find().catch(() => {});
  if (ended) follow(told.game, timeOf(envelope));
}

/** Another game is shown once the programme has reached its beginning. */
function follow(game, began) {
  if (Number.isNaN(now())) return;
  schedule.put("next", delay || coded ? began : null, now(), { next: game });
  wake();
}

/** The game that is shown is over, as far as the box told, whether or not the programme has reached that. */
let ended = false;

async function find() {
  if (!fits) return void wrong(`delay is seconds, 0 to ${DELAY_MOST_S}: ${asked.get("delay")} is not`);
  if (asked.has("game")) return chosen === null ? choose(asked.get("game")) : undefined;
  const { games } = await (await fetch("/v1/games")).json();
  const running = games.filter((game) => game.state === "running" && mine(game));
  // One that runs stays; else the one that began last.
  if (chosen !== null && (!running.length || running.some((game) => game.id === chosen))) return;
  const last = running.sort((a, b) => Date.parse(a.start) - Date.parse(b.start)).pop();
  if (!last) return;
  if (chosen === null) return choose(last.id);
  if (ended) follow(last.id, Date.parse(last.start) || null);
}

async function choose(game) {
  chosen = game;
  ended = false;
  facts = new Facts(game);
  ends.clear();
  while (Number.isNaN(now()) && !(await box.learn())) await new Promise((done) => { setTimeout(done, 1000); });
  const answer = await fetch(`/v1/games/${encodeURIComponent(game)}`).catch(() => null);
  if (chosen !== game) return;
  if (answer?.ok) lay(await answer.json());
  wrong(answer?.status === 404 ? `no game ${game} is known here` : "");
  early.forEach(put);
  wake();
}

/** The whole as it stands: seen once the programme has reached the newest that is in it, a shot or a tap. */
function lay(view) {
  const { told, score, momentum, leaderboard, graphics } = view;
  ended = told?.state === "over";
  const taps = [...(told?.starts || []).map((start) => start.time), told?.ended_at].filter(Boolean).map(Date.parse);
  // A shot without a time may have been just now.
  const shots = (view.shots || []).map((shot) => (shot.utc_ns ?? Infinity) / 1e6);
  const at = [...taps, ...shots].reduce((last, time) => Math.max(last, time), 0);
  const one = { told, score, momentum, leaderboard, graphics };
  schedule.put("view", at > 0 && at < Infinity ? at : null, now(), one);
}

/**
 * A graphic lives from when it was taken, or from when the programme reached its moment: told again, by a correction
 * or to a page that is opened later, it has no second life.
 */
function live(graphic, at, from) {
  const { fact, state, taken_at, life_s, stored } = graphic;
  if (state !== "taken") return void ends.delete(fact);
  const taken = taken_at ? Date.parse(taken_at) : null;
  if (ends.has(fact) && ends.get(fact).taken === taken) return;
  // An earlier version of the box did not tell when: what it stored is taken to be so since its moment.
  const known = taken ?? (stored && at !== null ? at : from);
  const begins = Math.min(from, Math.max(known, at === null ? known : at + schedule.delay));
  ends.set(fact, { taken, end: begins + life_s * 1000 });
}
const endOf = (fact) => ends.get(fact)?.end ?? 0;

function see({ what, from }) {
  if (what.next) return void choose(what.next);
  // An event is a revision that is known; what is laid has none, and counts for less.
  if (!what.specversion) {
    for (const graphic of what.graphics || []) if (!facts.graphics.has(graphic.fact)) live(graphic, null, from);
    return void facts.lay(what, 0);
  }
  if (what.type === "courtside.graphic.v1") live({ fact: what.fact, stored: what.stored, ...what.data }, timeOf(what), from);
  facts.take(what);
}

let timer = null;
/**
 * By a timer and no frame: frames that are waited for come at their beat, up to a whole one after the moment, and
 * none at all where a source is not shown; what changes on a page that rests is drawn at once.
 */
function wake() {
  clearTimeout(timer);
  const next = Math.min(schedule.next, nextEnd());
  const wait = Math.ceil(next - now());
  // Nothing waits, or the clock is not known: whoever learns it wakes.
  if (!Number.isFinite(wait)) return;
  timer = setTimeout(tick, Math.min(Math.max(wait, 0), 10000));
}

function tick() {
  const due = schedule.due(now());
  due.forEach(see);
  if (due.length || nextEnd() <= now()) draw();
  wake();
}

const onAir = () => [...facts.graphics.values()].filter((one) => one.state === "taken" && !one.withdrawn && endOf(one.fact) > now());
function nextEnd() {
  const shown = [...document.querySelectorAll(".graphic")].map((node) => endOf(node.dataset.fact));
  return Math.min(Infinity, ...shown);
}

const colorOf = (id) => {
  const at = facts.told.teams.findIndex((team) => team.id === id);
  const told = facts.told.teams[at]?.color;
  return /^#[0-9a-f]{6}$/i.test(told || "") ? told : USUAL[at] || "";
};

function draw() {
  const { told, score } = facts;
  const bug = $(".bug");
  bug.hidden = !told || !score;
  if (told && score) {
    told.teams.forEach((team, side) => {
      const node = $(side ? ".second" : ".first", bug);
      node.style.setProperty("--team", colorOf(team.id));
      say($(".name", node), team.name || team.id);
      say($(".points", node), String(score.teams[side].points));
    });
    const { period } = score;
    const word = told.state === "over" ? "Final" : told.periods < 2 && period === 1 ? "" : period > told.periods ? `OT ${period - told.periods}` : `P${period}`;
    $(".period", bug).hidden = !word;
    say($(".period", bug), word);
    const point = told.state === "running" && (score.game_point || []).length > 0;
    $(".tag", bug).hidden = !point;
    say($(".tag", bug), point ? "Game point" : "");
  }
  const list = $(".graphics");
  const shown = told ? onAir().slice(-GRAPHICS_MOST) : [];
  const key = JSON.stringify(shown.map((one) => [one.fact, one.revision]));
  if (key === draw.key) return;
  draw.key = key;
  list.replaceChildren(...shown.map((one) => {
    const node = make("li", { className: `graphic is-${String(one.about).replace(/[^a-z_]/g, "")}` },
      make("p", { className: "text", textContent: one.text }), make("p", { className: "detail", textContent: one.detail || "" }));
    node.dataset.fact = one.fact;
    if (one.team) node.style.setProperty("--team", colorOf(one.team));
    return node;
  }));
}

feed({
  last: STORED,
  take,
  state() {},
  async open() {
    await box.learn();
    find().catch(() => {});
  },
  // A broadcast shows what it had, and nothing over it; whoever is to sign in does it in a browser, or in the
  // source's own window. Where nothing is shown yet, it is said.
  lost(why) {
    const shown = !$(".bug").hidden;
    wrong(why === 401 && !shown ? "Signed out: reload this source, and give a viewer's token in it (Interact)" : "");
  },
});
