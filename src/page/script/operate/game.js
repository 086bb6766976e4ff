// Which game is shown: chosen, started, ended; and who sits here.

import { $, dialogOf, make, say } from "../dom.js";
import { who } from "../who.js";
import { ask, me, read } from "./ask.js";
import { desk } from "./desk.js";

/** Rules that come with every box; `/v1/rules` tells the venue's own too. */
const RULES = ["fiba-3x3", "big3", "fiba-5x5", "nba-5x5", "pickup-11", "pickup-15", "pickup-21", "none"];

const dialog = dialogOf("#game");
const whoDialog = dialogOf("#who");
const side = (form, n) => ({ name: form.elements[`name${n}`].value.trim(), color: form.elements[`color${n}`].value, players: form.elements[`players${n}`].value });

const SHORT = 24;
/** Letters of a short name at most, for the box. */
const NAME_MOST = 32;

/** FNV-1a of a text, as six digits: the same name has the same in every game. */
function digest(text) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0").slice(2);
}

/**
 * A short name for commands and facts: of small letters, digits, `-`. By it a season knows a team and a player again,
 * so letters that it cannot have, and those that have no room in it, are in its digest.
 */
export function shortName(text, taken, usual = "team") {
  const whole = text.normalize("NFC").trim().toLowerCase();
  if (!whole) return shortName(usual, taken);
  // Accents go; a letter of another script is no letter with one.
  const plain = whole.normalize("NFKD").replace(/\p{M}/gu, "");
  const base = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  const lost = /[^\x00-\x7f]/.test(plain.replace(/[^\p{L}\p{N}]/gu, "")) || base.length > SHORT || !base;
  const cut = lost ? base.slice(0, SHORT - 7).replace(/-+$/, "") : base;
  const name = lost ? `${cut || usual}-${digest(whole)}` : base || usual;
  return unique(name, taken);
}

/** The name, with a number where it is taken. */
function unique(name, taken) {
  let n = 1;
  const numbered = () => (n > 1 ? `${name}-${n}` : name);
  while (taken.includes(numbered())) n += 1;
  return numbered();
}

/**
 * `7 Ana` → { id: "7", name: "Ana" }; without a number the whole line is the name. Both teams may have a 7: the second
 * one's is named by its team too.
 */
export function playersOf(text, team, taken = []) {
  const ids = [];
  return text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const [, number, rest] = /^(\d+)\s*(.*)$/.exec(line) || [null, null, line];
    const name = rest || number;
    const own = number ?? shortName(name, [], "player");
    const others = taken.some((player) => player.id === own);
    const of = `${team}-${own}`;
    const id = unique(!others ? own : of.length > NAME_MOST ? shortName(of, []) : of, ids);
    ids.push(id);
    return { id, team, name: [...name].slice(0, 40).join("") };
  });
}

/** A game is on so many courts at most. */
const COURTS_MOST = 4;

/** Courts and rims of the form: a court is in the game if it is chosen; at first those are that play no other one. */
function showCourtsOf(form) {
  const streams = Object.entries(desk.state.streams || {});
  const busy = new Map(desk.games.filter((game) => game.state === "running" && game.rules).flatMap((game) => game.courts.map((court) => [court, game.id])));
  const free = streams.map(([name]) => name).filter((name) => !busy.has(name)).slice(0, COURTS_MOST);
  const key = JSON.stringify(streams.map(([name, stream]) => [name, (stream.rims || []).length, busy.get(name)]));
  const node = $(".where", form);
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  const legend = $("legend", node);
  node.replaceChildren(legend, ...streams.map(([name, stream]) => {
    const check = make("input", { type: "checkbox", name: "court", value: name, checked: free.includes(name) });
    const rims = Math.max(1, (stream.rims || []).length);
    const selects = Array.from({ length: rims }, (_, rim) => {
      const select = make("select", { name: `rim-${name}-${rim}` },
        make("option", { value: "both", textContent: "both teams" }),
        make("option", { value: "0", textContent: "first team" }),
        make("option", { value: "1", textContent: "second team" }));
      // Two rims are two baskets: a team each. One is shared.
      select.value = rims > 1 ? String(rim % 2) : "both";
      return make("label", {}, `Rim ${rim + 1} `, select);
    });
    return make("div", { className: "court" }, make("label", {}, check, ` Court ${name}${busy.has(name) ? ` (plays ${busy.get(name)})` : ""}`), ...selects);
  }));
}

/** What the box is asked to start. */
export function setupOf(form, rims) {
  const [first, second] = [side(form, 0), side(form, 1)];
  const ids = [shortName(first.name, [])];
  ids.push(shortName(second.name, ids));
  const teams = [first, second].map((team, n) => ({ id: ids[n], name: team.name, color: team.color }));
  const courts = [...form.querySelectorAll("[name=court]:checked")].map((check) => check.value);
  const attacks = courts.flatMap((court) => Array.from({ length: rims(court) }, (_, rim) => {
    const said = form.elements[`rim-${court}-${rim}`].value;
    return said === "both" ? { court, rim } : { court, rim, team: ids[Number(said)] };
  }));
  const theirs = playersOf(first.players, ids[0]);
  const players = [...theirs, ...playersOf(second.players, ids[1], theirs)];
  const rules = $("[name=rules]:checked", form).value;
  return { rules: rules === "own" ? form.elements.own.value.trim() : rules, teams, courts, attacks, players };
}

async function showRules(form) {
  const told = await read("/v1/rules");
  const list = Array.isArray(told?.rules ?? told) ? told.rules ?? told : RULES.map((name) => ({ name }));
  const node = $(".rules", form);
  const key = JSON.stringify(list);
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  const before = $("[name=rules]:checked", node)?.value ?? list[0]?.name;
  const chip = (value, text, source, ...more) => {
    const radio = make("input", { type: "radio", name: "rules", value, checked: value === before });
    return make("label", { className: "chip", title: source || "" }, radio, make("span", { textContent: text }), ...more);
  };
  const own = make("input", { name: "own", placeholder: "the venue's own", maxLength: 40 });
  own.setAttribute("aria-label", "Name of the venue's own rules");
  own.addEventListener("focus", () => { $("[value=own]", node).checked = true; });
  const chips = list.map(({ name, title, source }) => chip(name, title || name, source));
  // A box that tells no list has one all the same; what is in it a person must know.
  if (!told) chips.push(chip("own", "other"), own);
  node.replaceChildren($("legend", node), ...chips);
}

/** The games that the box knows, those that run first, of these and of the others the last first. */
export async function learnGames() {
  const told = await read("/v1/games");
  if (!told) return false;
  const began = (game) => Date.parse(game.start) || 0;
  desk.games = told.games.sort((a, b) => (a.state === b.state ? began(b) - began(a) : a.state === "running" ? -1 : 1));
  return true;
}

/** When a game began, as people here write it. */
const day = (at) => (at ? new Date(at).toLocaleString([], { dateStyle: "short", timeStyle: "short" }) : "");

/** Games that are listed before somebody asks for all. */
const LISTED = 12;

function showGames(choose, all = false) {
  const listed = all ? desk.games : desk.games.slice(0, LISTED);
  const more = make("button", { type: "button", className: "all", textContent: `All ${desk.games.length} games` });
  more.addEventListener("click", () => showGames(choose, true));
  const rest = listed.length < desk.games.length ? [make("li", {}, more)] : [];
  const lines = listed.map((game) => {
    const button = make("button", { type: "button" }, make("b", { textContent: game.id }),
      ` ${[day(game.start), game.rules, (game.courts || []).join(", "), game.state].filter(Boolean).join(" · ")}`);
    button.setAttribute("aria-pressed", String(game.id === desk.facts.game));
    button.addEventListener("click", () => { dialog.close(); choose(game.id); });
    const recap = make("a", { href: `/games/${encodeURIComponent(game.id)}`, textContent: "Recap" });
    return make("li", {}, button, recap);
  });
  $(".games", dialog).replaceChildren(...lines, ...rest);
  const running = desk.facts.told?.state === "running";
  $("#end-row").hidden = !running;
  say($("#end"), "End this game");
  // Rules of one period say nothing of when teams change.
  say($("#sides legend"), `Teams attack, ${desk.facts.told?.periods > 1 ? "in this period" : "from now on"}`);
  // One basket has no sides.
  $("#sides").hidden = desk.courts.reduce((rims, court) => rims + Math.max(1, desk.rims(court).list.length), 0) < 2;
}

export function wireGame(choose) {
  const form = $("#start");
  const open = async () => {
    await learnGames();
    showGames(choose);
    await showRules(form);
    showCourtsOf(form);
    if (!dialog.open) dialog.showModal();
  };
  $("#game-open").addEventListener("click", open);
  $("#no-game button").addEventListener("click", open);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const rims = (court) => Math.max(1, desk.rims(court).list.length);
    const told = await ask("/v1/games", setupOf(form, rims), $("[type=submit]", form));
    if (!told) return;
    dialog.close();
    choose(told.told?.game || told.id);
  });
  $("#end").addEventListener("click", async (event) => {
    const button = event.currentTarget;
    // The second tap means it.
    if (button.textContent !== "Really end it?") return void say(button, "Really end it?");
    if (await ask(desk.path("/end"), {}, button)) dialog.close();
  });

  // Said as it is, not turned over: two who tap at once mean the same.
  for (const button of $("#sides").querySelectorAll("button")) {
    button.addEventListener("click", async () => {
      const body = { n: desk.facts.score.period, swapped: button.dataset.swapped === "true" };
      if (await ask(desk.path("/period"), body, button)) dialog.close();
    });
  }

  const name = $("#who-open");
  const showMe = () => say(name, me());
  name.addEventListener("click", () => {
    $("[name=who]", whoDialog).value = who.name;
    whoDialog.showModal();
  });
  $("form", whoDialog).addEventListener("submit", (event) => {
    event.preventDefault();
    who.name = $("[name=who]", whoDialog).value.trim();
    showMe();
    whoDialog.close();
  });
  showMe();
}

export function showGameName() {
  const { told } = desk.facts;
  say($("#game-open"), told ? told.game : "No game");
  $("#no-game").hidden = Boolean(told);
  $("#stage").hidden = !told;
  document.title = told ? `${told.teams.map((team) => team.name || team.id).join(" – ")} · Courtside` : "Operate · Courtside";
}
