// The list of calls: envelopes in, a row a fact out.

import { calibration } from "./calibration.js";
import { player, still } from "./clip.js";
import { courts } from "./court.js";
import { $, known, make, svg } from "./dom.js";
import { verdicts } from "./verdicts.js";
import { words } from "./words.js";

const CALLS_KEPT = 200;

export const facts = new Map();
export const scores = new Map();

/** Takes an envelope in. The highest revision of a fact wins; a repeat changes nothing. */
export function take(envelope, fresh) {
  const court = envelope.source.split("/").pop();
  const kind = envelope.type.replace(/^courtside\./, "").replace(/\.v1$/, "");
  if (kind === "score") {
    scores.set(court, envelope.data);
    if (courts.has(court)) courts.get(court).setScore(envelope.data, fresh && !envelope.historical);
  } else if (kind.startsWith("shot.")) {
    const fact = `${court}/${envelope.fact}`;
    const before = facts.get(fact);
    if (before && before.revision >= envelope.revision) return;
    const outcome = kind.slice(5);
    const shot = { ...(before && before.shot), ...envelope.data, court, outcome, fact: envelope.fact, time: envelope.time, timed: envelope.clocksource !== "none" };
    if (outcome === "withdrawn") shot.was = before ? before.shot.outcome : "withdrawn";
    const row = before ? before.row : make("li");
    facts.set(fact, { revision: envelope.revision, shot, row });
    Object.assign(row.dataset, { fact: envelope.fact, revision: envelope.revision });
    showCall(row, shot);
    if (!before) {
      row.classList.toggle("is-new", fresh);
      $("#calls").prepend(row);
      $("#no-calls").hidden = true;
      while ($("#calls").children.length > CALLS_KEPT) $("#calls").lastChild.remove();
    }
    if (courts.has(court) && !shot.provisional) courts.get(court).announce(shot, fresh && !envelope.historical);
  }
}

export function showCall(row, shot) {
  const shown = shot.was || shot.outcome;
  row.className = `call ${shown}${shot.was ? " withdrawn" : ""}${shot.provisional && !shot.was ? " provisional" : ""}`;
  const glyph = svg("svg", { viewBox: "0 0 32 32", class: "glyph", "aria-hidden": "true" });
  glyph.append(svg("ellipse", { cx: 16, cy: 20, rx: 13, ry: 5.5 }));
  if (shown === "made") glyph.append(svg("circle", { cx: 16, cy: 20, r: 6.5 }));
  if (shown === "missed") glyph.append(svg("circle", { cx: 26, cy: 8, r: 5 }));
  const when = shot.timed ? new Date(shot.time).toLocaleTimeString([], { hour12: false }) : `at ${shot.t_stream.toFixed(1)} s`;
  const sure = known(shot.confidence) && !shot.was ? ` · ${Math.round(shot.confidence * 100)} %` : "";
  const rim = (courts.get(shot.court)?.state.rims || []).length > 1 ? ` · rim ${shot.rim + 1}` : "";
  const court = courts.size > 1 ? ` · court ${shot.court}` : "";
  const why = shot.was ? ` · taken back: ${String(shot.reason).replaceAll("_", " ")}` : "";
  row.replaceChildren(glyph,
    make("span", { className: "what", textContent: words[shown] || shown }),
    make("span", { className: "where", textContent: `${when}${court}${rim}${sure}${why}` }));
  if (shot.clip && !shot.was) {
    const button = make("button", { type: "button", className: "clip" }, still(shot.clip), "▶ Clip");
    button.setAttribute("aria-label", `Play the clip of ${when}`);
    button.addEventListener("click", () => player.open(shot.clip, `${words[shown]}, ${when}, court ${shot.court}`));
    row.append(button);
  }
  if (calibration.mode !== "off" && !shot.provisional && !shot.was) row.append(verdicts.group(shot, when));
}

/** Marks what was said, here or at another screen; builds the rows anew when calibration is switched. */
export function showVerdicts() {
  const mode = calibration.mode === "off";
  const said = JSON.stringify(Object.values(calibration.courts).map((rims) => rims.map((rim) => rim.said)));
  if (showVerdicts.mode !== mode) for (const { row, shot } of facts.values()) showCall(row, shot);
  else if (showVerdicts.said !== said) {
    for (const { row, shot } of facts.values()) {
      const group = $(".verdict", row);
      if (group) verdicts.mark(group, verdicts.given(shot));
    }
  }
  [showVerdicts.mode, showVerdicts.said] = [mode, said];
}
