// The operator's stage: a game's facts in, taps out. No framework.
//
// `desk.js` is what all parts share, `../facts.js` the facts of the game, `../feed.js` how they come. Parts:
// `board.js`, `calls.js` (with `thumbs.js`), `queue.js` (graphics, social, reel, log; `find.js` finds by tags), `game.js`, `add.js`,
// `health.js`, `keys.js`. What a tap does is shown once the box tells it as a fact, never before.

import { box } from "../clock.js";
import { $, say } from "../dom.js";
import { Facts } from "../facts.js";
import { STORED_MS, feed } from "../feed.js";
import { learn, signIn } from "../session.js";
import { wireAdd } from "./add.js";
import { read } from "./ask.js";
import { showBoard, showCourts, wireBoard } from "./board.js";
import { moves, pick, showCalls, wireCalls } from "./calls.js";
import { desk } from "./desk.js";
import { wireFind } from "./find.js";
import { learnGames, showGameName, wireGame } from "./game.js";
import { showHealth } from "./health.js";
import { go, wireKeys } from "./keys.js";
import { showGraphics, showLog, showReel, showSocial } from "./queue.js";
import { takePictures, watchCourts } from "./thumbs.js";
import { wordsOf, whoseOf } from "./words.js";

/** Stored events that a page which is opened asks for: who said what, and when clips begin. */
const STORED = 300;
/** Events that come before a game is known are kept for it. */
const EARLY_KEPT = 600;

let early = [];

/** One drawing for all that came since the last. */
let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    showNow();
  });
}
function showNow() {
  showGameName();
  showBoard();
  showCourts(draw);
  showCalls();
  showGraphics();
  showSocial();
  showReel();
  showLog();
}

/** Shows a game that somebody chose: it stays, and the address says so. */
function chose(id) {
  if (id) {
    const wanted = new URL(location.href);
    wanted.searchParams.set("game", id);
    history.replaceState(null, "", wanted);
  }
  return choose(id);
}
const named = () => new URL(location.href).searchParams.get("game");

const knows = (id) => desk.games.find((game) => game.id === id);

/** Shows a game: what came of it, and the whole as the box has it. */
async function choose(id) {
  if (!id) return void draw();
  if (desk.facts.game !== id) {
    desk.facts = new Facts(id);
    desk.picked = null;
    desk.court = null;
  }
  const facts = desk.facts;
  const since = facts.taken;
  const [view] = await Promise.all([read(`/v1/games/${encodeURIComponent(id)}`), knows(id) || learnGames()]);
  if (facts !== desk.facts) return;
  facts.start = Date.parse(knows(id)?.start) || null;
  if (view) facts.lay(view, since);
  for (const envelope of early) facts.take(envelope, true);
  settleSoon();
  watchCourts();
  draw();
}

/** The game that the address names, or the one that runs: the one that is shown if it does, else the last that began. */
async function find() {
  if (named()) return choose(named());
  await learnGames();
  const running = desk.games.filter((game) => game.state === "running");
  const stays = running.some((game) => game.id === desk.facts.game) || (desk.facts.game && desk.picked);
  return choose(stays ? desk.facts.game : running[0]?.id || desk.facts.game);
}

/** A game begins: shown where none is, and where the one that is shown is over and nobody chose or mends it. */
function begins(told) {
  if (told.state !== "running" || named() || told.game === desk.facts.game) return;
  const over = desk.facts.told?.state === "over" && told.courts.some((court) => desk.courts.includes(court));
  if (!desk.facts.game || (over && !desk.picked)) find();
}
let asking = null;

function take(envelope, stored) {
  early.push(envelope);
  if (early.length > EARLY_KEPT) early = early.slice(-EARLY_KEPT / 2);
  if (envelope.type === "courtside.game.v1" && !stored) begins(envelope.data);
  // What is stored tells of games that ended long ago, and may tell of one that begins just now: the box is asked.
  if (envelope.type === "courtside.game.v1" && stored && envelope.data.state === "running") {
    clearTimeout(asking);
    asking = setTimeout(() => { if (!named() && desk.facts.told?.state !== "running") find(); }, STORED_MS);
  }
  const changed = desk.facts.take(envelope, stored);
  if (stored) settleSoon();
  if (!changed) return;
  const shot = changed === "shots" && desk.facts.shots.get(envelope.fact);
  if (shot && !stored && !envelope.historical) {
    takePictures(shot);
    if (!shot.provisional) say($("#spoken"), `${wordsOf(shot)} ${whoseOf(shot)}`);
  }
  draw();
}

/** What is stored comes in one go: it is all there once nothing more of it has come for a while. */
const SETTLED_MS = 200;
let settling = null;
function settleSoon() {
  clearTimeout(settling);
  settling = setTimeout(() => { if (desk.facts.settle()) draw(); }, SETTLED_MS);
}

/** Says that the box is lost, or no more; what lies below moves for it. */
function lose(is) {
  if ($("#lost").hidden === !is) return;
  $("#lost").hidden = !is;
  moves();
}

feed({
  last: STORED,
  take,
  state(told) {
    desk.state = told;
    say($("#box"), told.box || "Courtside");
    showHealth(told);
    watchCourts();
    draw();
  },
  open() {
    lose(false);
    learn().then(draw);
    box.learn();
    find();
  },
  lost(why) {
    lose(true);
    if (why === 401) signIn();
  },
});
wireBoard((fact) => { go("calls"); pick(fact, true); });
wireCalls();
wireGame(chose);
wireAdd();
wireKeys();
wireFind(showReel);
// Lives of graphics run out without an event.
setInterval(showGraphics, 1000);
