// The board of models: how each does beside the one that decides, and what they disagreed on.

import { player } from "./clip.js";
import { $, known, make, say } from "./dom.js";

const SHOWN = 6;
const PARTS = { live: "decides", previous: "decided before", candidate: "decides next", shadow: "compared", gone: "no longer loaded" };
const share = (part, of) => (of ? `${Math.round((100 * part) / of)} %` : "–");
const counted = (part, of) => (of ? `${part} of ${of}` : "");
const ms = (value) => (known(value) ? value.toFixed(value < 10 ? 1 : 0) : "–");

export function showModels(models) {
  const { board = [], swap, last_swap: last, kept, disagreements = 0 } = models || {};
  const root = $("#models");
  const quiet = board.length < 2 && !swap && !last && !disagreements;
  if (root.hidden !== quiet) root.hidden = quiet;
  if (quiet) return;
  const courts = new Set(board.flatMap((row) => row.courts.map((figures) => figures.court)));
  const rows = board
    .flatMap((row) => row.courts.map((figures) => ({ ...row, ...figures })))
    .sort((a, b) => (b.role === "live") - (a.role === "live"));
  const key = JSON.stringify([rows, swap, last && last.outcome, last && last.bundle, kept]);
  if (key !== showModels.key) {
    showModels.key = key;
    $("tbody", root).replaceChildren(...rows.map((row) => line(row, courts.size > 1)));
    $("thead .at", root).hidden = courts.size < 2;
    say($(".swap", root), told(swap, last, kept));
  }
  if (disagreements !== showModels.listed) {
    showModels.listed = disagreements;
    list(root);
  }
}

function line(row, many) {
  const cell = (text, title, kind) => make("td", { textContent: text, title: title || "", className: kind || "" });
  const name = make("th", { scope: "row" },
    make("b", { textContent: row.bundle }), ` ${row.version} ${row.precision}, ${row.engine}`);
  const cells = [
    cell(PARTS[row.role] || row.role, row.engine, "part"),
    ...(many ? [cell(row.court)] : []),
    row.role === "live" ? cell("–", "it is the one that others are compared with") : cell(share(row.agreed, row.attempts), counted(row.agreed, row.attempts)),
    cell(share(row.right, row.judged), row.judged ? `${counted(row.right, row.judged)} that a person judged` : "nobody has judged its calls"),
    cell(share(row.unsure, row.attempts), counted(row.unsure, row.attempts)),
    cell(String(row.attempts)),
    cell(ms(row.p50_ms)),
    cell(ms(row.p99_ms)),
  ];
  return make("tr", { className: row.role === "live" ? "is-live" : row.role === "gone" ? "is-gone" : "" }, name, ...cells);
}

function told(swap, last, kept) {
  const stays = kept ? ` After a restart ${kept} decides.` : "";
  if (swap) {
    const { attempts, frames } = typeof swap.after === "object" ? swap.after : {};
    const left = known(attempts) ? `, ${swap.attempts} of ${attempts} attempts` : known(frames) ? `, ${swap.frames} of ${frames} pictures` : "";
    return `${swap.bundle} is ${swap.phase === "loading" ? "being loaded" : `tried beside the one that decides${left}`}.${stays}`;
  }
  if (!last) return stays.trim();
  const how = {
    switched: "decides", back: "decides again", cancelled: "was not to decide after all",
    rolled_back: "was put back", failed: "was let go before it decided",
  }[last.outcome] || last.outcome;
  return `${last.bundle} ${how}${last.reason ? `: ${last.reason}` : ""}.${stays}`;
}

async function list(root) {
  let all = [];
  try {
    all = (await (await fetch("/v1/models/disagreements")).json()).disagreements || [];
  } catch {
    showModels.listed = null; // asked again with the next state
    return;
  }
  const said = ({ bundle, call, probability }) => `${bundle}: ${call}${known(probability) ? ` ${Math.round(100 * probability)} %` : ""}`;
  const one = (split) => {
    const time = split.time ? new Date(split.time).toLocaleTimeString([], { hour12: false }) : "";
    const where = `${split.court}, rim ${split.rim + 1}${time ? `, ${time}` : ""}`;
    const judged = split.verdict ? ` · a person: ${split.verdict}` : "";
    const clip = make("button", { type: "button", textContent: "Clip" });
    clip.setAttribute("aria-label", `Clip of ${where}`);
    clip.addEventListener("click", () => player.open(`/v1/clips/${split.clip}`, where));
    return make("li", {}, make("span", { className: "what", textContent: `${said(split.live)} · ${said(split.other)}${judged}` }), make("span", { className: "where", textContent: where }), clip);
  };
  $(".splits", root).replaceChildren(...all.slice(0, SHOWN).map(one));
  const more = all.length > SHOWN ? `, the last ${SHOWN}` : "";
  say($(".splits-title", root), all.length ? `They disagreed ${all.length === 1 ? "once" : `${all.length} times`}${more}` : "");
}
