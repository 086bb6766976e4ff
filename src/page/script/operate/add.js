// A shot that nobody saw: rim, when, points, and as whose it counts. Two taps where the first guess is right.

import { $, dialogOf, make, say } from "../dom.js";
import { ask } from "./ask.js";
import { colorOf, desk } from "./desk.js";

/** Seconds ago, to choose from; the box takes three minutes back. */
const AGO_S = [5, 10, 20, 40, 60, 120, 180];

const dialog = dialogOf("#add");
const chosen = { rim: null, ago: AGO_S[0], points: null };
let opened = 0;

function choices(node, list, key, changed) {
  node.replaceChildren($("legend", node), ...list.map(({ value, text }) => {
    const button = make("button", { type: "button", textContent: text });
    const same = JSON.stringify(value) === JSON.stringify(chosen[key]);
    button.setAttribute("aria-pressed", String(same));
    button.addEventListener("click", () => {
      chosen[key] = value;
      for (const one of node.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one === button));
      changed?.();
    });
    return button;
  }));
}

export function openAdd() {
  if (!desk.facts.told || dialog.open) return;
  opened = performance.now();
  const courts = desk.court ? [desk.court] : desk.courts;
  const rims = courts.flatMap((court) => Array.from({ length: Math.max(1, desk.rims(court).list.length) }, (_, rim) => ({ court, rim })));
  Object.assign(chosen, { rim: rims[0], ago: AGO_S[0], points: null });
  choices($(".rim", dialog), rims.map((value) => ({ value, text: rims.length > 1 ? `Court ${value.court}, rim ${value.rim + 1}` : "The rim" })), "rim");
  $(".rim", dialog).hidden = rims.length < 2;
  choices($(".ago", dialog), AGO_S.map((value) => ({ value, text: value === AGO_S[0] ? "just now" : `${value} s ago` })), "ago");
  choices($(".points", dialog), [{ value: null, text: "as the rules say" }, ...[1, 2, 3, 4].map((value) => ({ value, text: String(value) }))], "points");
  const as = $(".as", dialog);
  const teams = desk.facts.told.teams;
  const wants = teams.flatMap((team) => [["made", team], ["missed", team]]);
  as.replaceChildren($("legend", as), ...wants.map(([verdict, team]) => {
    const button = make("button", { type: "button", className: "team", textContent: `${verdict === "made" ? "Made" : "Missed"}, ${team.name || team.id}` });
    button.style.setProperty("--team", colorOf(team.id));
    button.addEventListener("click", () => add(verdict, team.id, button));
    return button;
  }));
  say($(".said", dialog), "");
  dialog.showModal();
  $("button", as).focus();
}

async function add(verdict, team, button) {
  // Counted from when this was opened: choosing takes its time.
  const since = (performance.now() - opened) / 1000;
  const body = { ...chosen.rim, verdict, team, ago_s: Math.round((chosen.ago + since) * 10) / 10 };
  if (chosen.points !== null) body.points = chosen.points;
  if (await ask(desk.path("/shots"), body, button)) dialog.close();
}

export function wireAdd() {
  $("#add-open").addEventListener("click", openAdd);
}
