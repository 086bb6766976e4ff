// Everything by keys: a table, which is the help too.

import { $, dialogOf, make } from "../dom.js";
import { may } from "../session.js";
import { openAdd } from "./add.js";
import { correct, flip, pick, shotPicked, shots, undo } from "./calls.js";
import { desk } from "./desk.js";
import { graphicWord } from "./queue.js";

const help = dialogOf("#help");

const move = (by) => {
  const all = shots();
  const at = all.findIndex((shot) => shot.fact === desk.picked);
  const next = all[Math.min(all.length - 1, Math.max(0, at + by))];
  if (next) pick(next.fact, true);
};
/** The call that is picked; the newest, where none is. */
const call = () => shotPicked() || shots()[0];
const final = (does) => () => { const shot = call(); if (shot && !shot.open) does(shot); };
const team = (n) => final((shot) => { const id = desk.facts.told?.teams[n]?.id; if (id) correct(shot, { team: id }); });
/** To the first of these that there is. */
const focus = (...selectors) => () => selectors.map((selector) => $(selector)).find(Boolean)?.focus();

/** Keys, what they do, and for whom: those of an operator do nothing for a viewer. */
export const KEYS = [
  [["ArrowDown", "j"], "↓ J", "The call before", () => move(1)],
  [["ArrowUp", "k"], "↑ K", "The call after", () => move(-1)],
  [["f"], "F", "Made ↔ missed", final((shot) => flip(shot)), "operator"],
  [["v"], "V", "No shot", final((shot) => correct(shot, { verdict: "none" })), "operator"],
  [["1", "2", "3", "4", "5", "6", "7", "8", "9"], "1 – 9", "Points", (key) => final((shot) => correct(shot, { points: Number(key) }))(), "operator"],
  [["a"], "A", "First team's", team(0), "operator"],
  [["b"], "B", "Second team's", team(1), "operator"],
  [["u"], "U", "Take the last correction back", () => undo($("#undo")), "operator"],
  [["+", "="], "+", "Add a shot that was not seen", openAdd, "operator"],
  [["t"], "T", "Take the graphic", () => graphicWord("taken"), "operator"],
  [["h"], "H", "Hold it", () => graphicWord("held"), "operator"],
  [["d"], "D", "Dismiss it", () => graphicWord("dismissed"), "operator"],
  [["g"], "G", "To the graphics", () => { go("graphics"); focus("#graphics button:not([hidden])")(); }],
  [["s"], "S", "To social", () => { go("social"); focus("#social textarea:not([hidden])", "#social button")(); }],
  [["r"], "R", "To the reel", () => { go("reel"); focus("#reel button")(); }],
  [["o"], "O", "To who did what", () => go("log")],
  [["c"], "C", "The next court", () => nextCourt()],
  [["l"], "L", "Dark or light", () => $("#theme").click()],
  [["Escape"], "Esc", "Close", () => pick(null)],
  [["?"], "?", "This help", () => help.showModal()],
];

const LOW = ["social", "reel", "log"];
/** A telephone shows one part; a tablet two, and one of the lower ones. */
const phone = matchMedia("(max-width: 47.99rem)");

/** Brings a part of the page before the others, where there is no room for all. */
export function go(part) {
  document.body.dataset.tab = part;
  if (LOW.includes(part)) document.body.dataset.low = part;
  mark();
}

function mark() {
  const { tab, low } = document.body.dataset;
  for (const button of document.querySelectorAll("#tabs [data-go]")) {
    button.setAttribute("aria-pressed", String(button.dataset.go === (phone.matches ? tab : low)));
  }
}
phone.addEventListener("change", mark);

function nextCourt() {
  const buttons = [...$("#courts").children];
  const at = buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
  buttons[(at + 1) % buttons.length]?.click();
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* asked for again next time */ }
}

export function wireKeys() {
  try {
    const kept = localStorage.getItem("theme");
    if (kept) document.documentElement.dataset.theme = kept;
  } catch { /* as the system has it */ }
  $("#theme").addEventListener("click", theme);
  $("#help-open").addEventListener("click", () => help.showModal());
  $("dl", help).replaceChildren(...KEYS.map(([, keys, does]) =>
    make("div", {}, make("dt", {}, make("kbd", { textContent: keys })), make("dd", { textContent: does }))));
  for (const button of document.querySelectorAll("#tabs [data-go]")) button.addEventListener("click", () => go(button.dataset.go));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const row = KEYS.find(([keys]) => keys.includes(key));
    if (!row || (row[4] && !may(row[4]))) return;
    event.preventDefault();
    row[3](key);
  });
  go(document.body.dataset.tab);
}
