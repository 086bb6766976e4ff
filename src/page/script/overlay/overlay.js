// The overlay for a broadcast: score, period, and the graphics that the operator took, over nothing.
//
// `/overlay?game=ID&delay=SECONDS` or `?court=NAME&delay=SECONDS`; without both, the game that runs. A fact comes
// in by `../feed.js`, waits in `schedule.js` until the programme has reached it, and is drawn at once then. Who
// knows the programme's time code says where the programme is, by an event `courtside-programme` of this window.

import { box } from "../clock.js";
import { $, make, say } from "../dom.js";
import { Facts } from "../facts.js";
import { feed } from "../feed.js";
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
/** Events that came before the box's clock was known, or a game. */
let early = [];
/** By fact of a graphic, when it ends, ms of the box's clock. */
const ends = new Map();
/** By fact of a graphic, the revision by which it is taken, from which on it lives. */
const begins = new Map();
/** Newest revisions, and graphics that are taken by them: shown or about to be. */
const known = new Map();
const taken = new Set();

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

function put(envelope, stored) {
  const { type, fact, revision, data } = envelope;
  if ((envelope.game ?? data.game) !== chosen || (known.get(fact) ?? -1) >= revision) return;
  known.set(fact, revision);
  const at = envelope.clocksource === "none" ? null : Date.parse(envelope.time);
  const since = now();
  // Without a delay a moment is past by the time that its fact is here, whatever our clock says.
  schedule.put(fact, delay || coded ? at : null, since, envelope);
  if (type !== "courtside.graphic.v1" || data.state !== "taken") {
    taken.delete(fact);
  } else if (!taken.has(fact)) {
    taken.add(fact);
    // When somebody took what was stored is not told: it lives from its moment on, as if it was taken then.
    begins.set(fact, { revision, at: stored ? at : null });
  }
}

function take(envelope, stored) {
  if (!fits) return;
  if (envelope.type === "courtside.game.v1") news(envelope.data);
  if (chosen === null || Number.isNaN(now())) {
    early.push([envelope, stored]);
    if (early.length > STORED) early.shift();
    return;
  }
  put(envelope, stored);
  wake();
}

/** Another game begins where none was named. */
function news(told) {
  if (asked.has("game") || told.state !== "running" || told.game === chosen) return;
  if (asked.has("court") && !told.courts.includes(asked.get("court"))) return;
  if (chosen === null || facts.told?.state === "over") choose(told.game);
}

async function find() {
  if (!fits) return void wrong(`delay is seconds, 0 to ${DELAY_MOST_S}: ${asked.get("delay")} is not`);
  if (chosen !== null) return;
  if (asked.has("game")) return choose(asked.get("game"));
  const { games } = await (await fetch("/v1/games")).json();
  const court = asked.get("court");
  const runs = games.find((game) => game.state === "running" && (!court || game.courts.includes(court)));
  if (runs) await choose(runs.id);
}

async function choose(game) {
  chosen = game;
  facts = new Facts(game);
  while (Number.isNaN(now()) && !(await box.learn())) await new Promise((done) => { setTimeout(done, 1000); });
  const answer = await fetch(`/v1/games/${encodeURIComponent(game)}`).catch(() => null);
  if (chosen !== game) return;
  if (answer?.ok) lay(await answer.json());
  const waited = early;
  early = [];
  for (const [envelope, stored] of waited) put(envelope, stored);
  wake();
}

/** The whole as it stands: seen once the programme has reached the newest shot that is in it. */
function lay(view) {
  // A shot without a time may have been just now.
  const at = (view.shots || []).reduce((last, shot) => Math.max(last, (shot.utc_ns ?? Infinity) / 1e6), 0);
  const { told, score, momentum, leaderboard } = view;
  schedule.put("view", at > 0 && at < Infinity ? at : null, now(), { told, score, momentum, leaderboard });
}

function see({ what, from }) {
  // An event is a revision that is known; what is laid has none, and counts for less.
  if (!what.specversion) return void facts.lay(what, 0);
  const { fact, revision, data } = what;
  const begin = begins.get(fact);
  if (begin?.revision === revision) {
    begins.delete(fact);
    ends.set(fact, Math.min(from, (begin.at ?? Infinity) + schedule.delay) + data.life_s * 1000);
  }
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

const onAir = () => [...facts.graphics.values()].filter((one) => one.state === "taken" && !one.withdrawn && (ends.get(one.fact) ?? 0) > now());
function nextEnd() {
  const shown = [...document.querySelectorAll(".graphic")].map((node) => ends.get(node.dataset.fact) ?? 0);
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
  // A broadcast shows what it had; whoever is to sign in does it in a browser, or in the source's own window.
  lost(why) { wrong(why === 401 ? "Signed out: reload this source, and give a viewer's token in it (Interact)" : ""); },
});
