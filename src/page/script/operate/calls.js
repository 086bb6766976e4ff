// The last calls, the newest first, and what mends them: every call in three taps at most.

import { $, make, say } from "../dom.js";
import { may } from "../session.js";
import { ask } from "./ask.js";
import { clockTime, colorOf, desk } from "./desk.js";
import { play } from "./clip.js";
import { begins, beginsWith, periodName } from "./period.js";
import { Thumb } from "./thumbs.js";
import { byOf, outcomeOf, placeOf, playerName, pointsOf, tint, whoseOf, wordsOf } from "./words.js";

const SHOWN = 40;
/** A finger that comes down so soon after the list moved meant another row. */
const MOVED_MS = 350;

const rows = new Map();
const list = $("#calls");
const mend = $("#mend").content.firstElementChild.cloneNode(true);
let clips = new Map();
let moved = -Infinity;
let settling = null;
let pressed = -Infinity;

export const shots = () => desk.facts.calls.filter((shot) => !desk.court || shot.court === desk.court);
export const shotPicked = () => desk.facts.shots.get(desk.picked);

/** True if the list moved under the finger. */
const slipped = (event) => event.detail > 0 && pressed - moved >= 0 && pressed - moved < MOVED_MS;

/** The list moves: `data-moving` says so for as long as taps are not taken. */
export function moves() {
  moved = performance.now();
  list.dataset.moving = "";
  clearTimeout(settling);
  settling = setTimeout(() => { delete list.dataset.moving; }, MOVED_MS);
}

/** Asks for a correction of a shot. */
export function correct(shot, what, button) {
  return ask(`/v1/shots/${encodeURIComponent(shot.fact)}/correct`, what, button);
}
export const flip = (shot, button) => correct(shot, { verdict: outcomeOf(shot) === "made" ? "missed" : "made" }, button);
export const undo = (button) => ask(desk.path("/undo"), {}, button);

function rowOf(shot) {
  const root = $("#call").content.firstElementChild.cloneNode(true);
  const row = { root, thumb: new Thumb($(".thumb", root)), fact: shot.fact };
  $(".pick", root).addEventListener("click", (event) => {
    if (slipped(event)) return;
    pick(desk.picked === row.fact && event.detail > 0 ? null : row.fact);
  });
  return row;
}

/** Buttons of a row itself: what is asked most, in one tap. */
function quick(row, shot) {
  const open = shot.open || !may("operator");
  const wants = open ? [] : [
    ...(!shot.team && outcomeOf(shot) !== "none" ? (desk.facts.told?.teams || []).map((team) => ["team", team.id, team.name || team.id]) : []),
    outcomeOf(shot) === "made" ? ["is", "missed", "→ Missed"] : ["is", "made", "→ Made"],
  ];
  const key = JSON.stringify(wants);
  if (key === row.quick) return;
  row.quick = key;
  const node = $(".quick", row.root);
  const had = node.contains(document.activeElement);
  node.replaceChildren(...wants.map(([kind, value, text]) => {
    const button = make("button", { type: "button", textContent: text, className: kind });
    if (kind === "team") button.style.setProperty("--team", colorOf(value));
    button.addEventListener("click", (event) => {
      if (slipped(event)) return;
      correct(desk.facts.shots.get(row.fact), kind === "team" ? { team: value } : { verdict: value }, button);
    });
    return button;
  }));
  if (had) $("button", node)?.focus();
}

function showRow(row, shot) {
  const is = outcomeOf(shot);
  const shown = is === "none" ? "none" : is;
  row.root.className = `call is-${shown}${shot.provisional ? " provisional" : ""}${desk.picked === shot.fact ? " picked" : ""}`;
  Object.assign(row.root.dataset, { fact: shot.fact, revision: shot.revision });
  row.root.style.setProperty("--team", tint(shot) || "transparent");
  say($(".what", row.root), `${wordsOf(shot)}${shot.provisional ? " …" : ""}`);
  // Buttons ask whose it is; words do where there are none.
  const where = [shot.team || shot.provisional || !may("operator") ? whoseOf(shot) : "", clockTime(shot.at), placeOf(shot)].filter(Boolean).join(" · ");
  say($(".where", row.root), where);
  say($(".who", row.root), byOf(shot) ? `✎ ${byOf(shot)}` : "");
  $(".pick", row.root).setAttribute("aria-expanded", String(desk.picked === shot.fact && may("operator")));
  row.thumb.set(shot, clips.get(shot.fact));
  quick(row, shot);
}

export function showCalls() {
  const all = shots().slice(0, SHOWN);
  clips = desk.facts.clipsOf;
  const wanted = new Set(all.map((shot) => shot.fact));
  for (const [fact, row] of rows) {
    if (wanted.has(fact)) continue;
    row.thumb.gone();
    row.root.remove();
    rows.delete(fact);
  }
  all.forEach((shot, index) => {
    let row = rows.get(shot.fact);
    if (!row) rows.set(shot.fact, (row = rowOf(shot)));
    showRow(row, shot);
    const there = list.children[index];
    if (there !== row.root) {
      const focused = row.root.contains(document.activeElement) ? document.activeElement : null;
      list.insertBefore(row.root, there || null);
      focused?.focus();
      moves();
    }
  });
  $("#no-calls").hidden = all.length > 0;
  showMend();
}

/** Opens what mends a call below its row; null closes it. */
export function pick(fact, focus) {
  const before = desk.picked;
  desk.picked = fact;
  for (const one of [before, fact]) {
    const row = rows.get(one);
    if (row && desk.facts.shots.has(one)) showRow(row, desk.facts.shots.get(one));
  }
  showMend();
  const row = rows.get(fact);
  if (!row) return;
  row.root.scrollIntoView({ block: "nearest" });
  if (focus) $(".pick", row.root).focus();
}

function showMend() {
  const shot = shotPicked();
  const row = shot && rows.get(shot.fact);
  if (!row || shot.open || !may("operator")) return void mend.remove();
  if (mend.parentNode !== row.root) row.root.append(mend);
  const is = outcomeOf(shot);
  for (const button of $(".is", mend).children) button.setAttribute("aria-pressed", String(button.dataset.is === is));
  fill($(".of", mend), pointsOf(desk.facts.told).map((n) => ({ value: n, text: String(n), name: n === 1 ? "1 point" : `${n} points`, on: shot.points === n })), "points");
  const { teams = [], players = [] } = desk.facts.told || {};
  fill($(".by", mend), teams.map((team) => ({ value: team.id, text: team.name || team.id, on: shot.team === team.id, color: colorOf(team.id) })), "team");
  const theirs = players.filter((player) => !shot.team || player.team === shot.team);
  fill($(".player", mend), theirs.map((player) => ({ value: player.id, text: playerName(player), on: shot.player === player.id, color: colorOf(player.team) })), "player");
  fill($(".begins", mend), begins(shot).map((n) => ({ value: n, text: `${periodName(n)} from here`, on: false })), "period");
  $(".back", mend).hidden = !byOf(shot);
  $(".play", mend).hidden = !clips.has(shot.fact);
}

/** Buttons of one kind, made anew only if they are others. */
function fill(node, wants, kind) {
  const key = JSON.stringify(wants.map(({ value, text, color }) => [value, text, color]));
  if (node.dataset.key !== key) {
    node.dataset.key = key;
    node.replaceChildren(...wants.map(({ value, text, color, name }) => {
      const button = make("button", { type: "button", textContent: text, className: kind });
      if (name) button.setAttribute("aria-label", name);
      if (color) button.style.setProperty("--team", color);
      button.addEventListener("click", () => {
        const shot = shotPicked();
        if (!shot) return;
        if (kind === "period") return void beginsWith(shot, value, button);
        const body = { [kind]: value };
        // A player has a team: who names him has named it.
        if (kind === "player" && !shot.team) body.team = desk.facts.player(value)?.team;
        correct(shot, body, button);
      });
      return button;
    }));
  }
  wants.forEach(({ on }, index) => node.children[index].setAttribute("aria-pressed", String(on)));
}

export function wireCalls() {
  for (const button of $(".is", mend).children) {
    button.addEventListener("click", () => correct(shotPicked(), { verdict: button.dataset.is }, button));
  }
  $(".back", mend).addEventListener("click", (event) => ask(`/v1/shots/${encodeURIComponent(desk.picked)}/undo`, {}, event.currentTarget));
  $(".play", mend).addEventListener("click", () => { const shot = shotPicked(); play(clips.get(shot.fact), `${wordsOf(shot)}, ${whoseOf(shot)}`); });
  $("#undo").addEventListener("click", (event) => undo(event.currentTarget));
  list.addEventListener("pointerdown", () => { pressed = performance.now(); }, true);
}
