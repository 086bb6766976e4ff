// When periods began: what a tap that came late or early moves, and which one can begin.

import { ask } from "./ask.js";
import { desk } from "./desk.js";

/** A late tap is mended for so long, as any call is. */
const LATE_MS = 180_000;

export function periodName(n) {
  const { periods } = desk.facts.told;
  return n > periods ? `Overtime ${n - periods}` : `Period ${n}`;
}

/** When a period began; null of the first, and of one that did not. */
function began(n) {
  const start = (desk.facts.told?.starts || []).find((one) => one.period === n);
  return start ? Date.parse(start.time) : null;
}

/** The period that can begin now, or null: an overtime begins from a draw, and what pends may make it one. */
export function next() {
  const { told, score } = desk.facts;
  const n = told?.next_period ?? null;
  if (n === null || !score || told.state === "over") return null;
  return n <= told.periods || !score.leads || score.pending.points > 0 ? n : null;
}

const counts = (shot) => !shot.provisional && ["made", "missed", "unsure"].includes(shot.standing) && Number.isFinite(shot.at);

/** Periods that can have begun with this shot. */
export function begins(shot) {
  const { told, score } = desk.facts;
  if (!told || !score || told.state === "over" || !counts(shot)) return [];
  const n = score.period;
  const start = began(n);
  const wanted = [];
  if (start !== null && shot.at > (began(n - 1) ?? -Infinity)) {
    // With the first shot of a period it begins already.
    const first = desk.facts.calls.filter((one) => counts(one) && one.at > start).at(-1);
    if (first?.fact !== shot.fact) wanted.push(n);
  }
  const after = next();
  if (after !== null && (start === null || shot.at > start)) wanted.push(after);
  return wanted;
}

/** The last shot before the period that runs, where that was tapped so late that it may be of it. */
export function before() {
  const { told, score } = desk.facts;
  const start = told && score && told.state !== "over" ? began(score.period) : null;
  if (start === null) return null;
  const least = Math.max(start - LATE_MS, began(score.period - 1) ?? -Infinity);
  return desk.facts.calls.find((shot) => counts(shot) && shot.at <= start && shot.at > least) || null;
}

/** A period begins, or began, with a shot: a thousandth of a second before it. */
export const beginsWith = (shot, n, button) =>
  ask(desk.path("/period"), { n, at: new Date(Math.floor(shot.at) - 1).toISOString() }, button);
