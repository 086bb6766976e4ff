// A shot that nobody saw: when, and then at once whose it was, how it came out and for how much. Two taps where it was
// just now, three at any other time; which rim follows from whose it is, or stands in the same button.

import { $, dialogOf, make, say } from "../dom.js";
import { ask } from "./ask.js";
import { pick } from "./calls.js";
import { colorOf, desk } from "./desk.js";
import { pointsOf } from "./words.js";

/** Seconds ago, to choose from; the box takes three minutes back. */
const AGO_S = [5, 10, 20, 40, 60, 120, 180];

const dialog = dialogOf("#add");
let ago = AGO_S[0];
let opened = 0;

function times() {
  const node = $(".ago", dialog);
  node.replaceChildren($("legend", node), ...AGO_S.map((value) => {
    const button = make("button", { type: "button", textContent: value === AGO_S[0] ? "just now" : `${value} s ago` });
    button.setAttribute("aria-pressed", String(value === ago));
    button.addEventListener("click", () => {
      ago = value;
      for (const one of node.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one === button));
    });
    return button;
  }));
}

/** Where it can have been: nowhere to be said where each team has a rim of its own, which the box knows by the time. */
function places() {
  const { teams, attacks = [] } = desk.facts.told;
  if (teams.every((team) => attacks.some((one) => one.team === team.id))) return [null];
  const courts = desk.court ? [desk.court] : desk.courts;
  return courts.flatMap((court) => Array.from({ length: Math.max(1, desk.rims(court).list.length) }, (_, rim) => ({ court, rim })));
}

function row(place, team, verdict) {
  const { ordinary } = desk.facts.told;
  const name = team.name || team.id;
  const how = verdict === "made" ? "Made" : "Missed";
  const line = make("p", { className: "row" });
  line.setAttribute("role", "group");
  line.setAttribute("aria-label", `${how}, ${name}`);
  line.append(...pointsOf(desk.facts.told).map((worth) => {
    const button = make("button", { type: "button", className: "team", textContent: `${how} ${worth}` });
    button.setAttribute("aria-label", `${how} ${worth}, ${name}`);
    button.style.setProperty("--team", colorOf(team.id));
    if (worth === ordinary) button.dataset.ordinary = "";
    button.addEventListener("click", () => add({ ...place, verdict, team: team.id, points: worth }, button));
    return button;
  }));
  return line;
}

function section(place, many) {
  const { teams } = desk.facts.told;
  const node = make("div", { className: "place" });
  if (many) node.append(make("p", { className: "where", textContent: desk.courts.length > 1 ? `Court ${place.court}, rim ${place.rim + 1}` : `Rim ${place.rim + 1}` }));
  for (const team of teams) {
    const block = make("div", { className: "of-team" });
    block.append(make("p", { className: "whose", textContent: team.name || team.id }), row(place, team, "made"), row(place, team, "missed"));
    node.append(block);
  }
  return node;
}

export function openAdd() {
  if (!desk.facts.told || dialog.open) return;
  opened = performance.now();
  [ago] = AGO_S;
  times();
  const all = places();
  const as = $(".as", dialog);
  as.replaceChildren($("legend", as), ...all.map((place) => section(place, all.length > 1)));
  say($(".said", dialog), "");
  dialog.showModal();
  ($("[data-ordinary]", as) || $("button", as)).focus();
}

async function add(what, button) {
  // Counted from when this was opened: choosing takes its time.
  const since = (performance.now() - opened) / 1000;
  const told = await ask(desk.path("/shots"), { ...what, ago_s: Math.round((ago + since) * 10) / 10 }, button);
  if (!told) return;
  dialog.close();
  // Who shot is then one tap more.
  if (told.fact && desk.facts.told?.players?.length) pick(told.fact);
}

export function wireAdd() {
  $("#add-open").addEventListener("click", openAdd);
}
