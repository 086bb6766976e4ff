// What all parts of this page share: the game that is shown, the box's state, and which court is looked at.

import { Facts } from "../facts.js";

export const desk = {
  facts: new Facts(null),
  /** The box's state, as told last. */
  state: {},
  /** A court alone, or null for all of the game. */
  court: null,
  /** The fact of the call that is picked. */
  picked: null,
  games: [],

  get courts() { return this.facts.told?.courts || Object.keys(this.state.streams || {}); },
  rims(court) {
    const stream = this.state.streams?.[court];
    // Rings are drawn on pictures of that size; on the camera's own, where none is told.
    const size = stream?.width ? [stream.width, stream.height] : null;
    const told = { list: stream?.rims || [], of: stream?.rims_of || size };
    // Of a camera that went, and took the size of its picture with it, what it had: its clips are looked at still.
    if (told.list.length && told.of) this.rimsKnown.set(court, told);
    return this.rimsKnown.get(court) || told;
  },
  rimsKnown: new Map(),
  /** What is asked of the game that is shown. */
  path(rest = "") { return `/v1/games/${encodeURIComponent(this.facts.game)}${rest}`; },
};

const USUAL = ["#ff8b3d", "#4aa3ff"];

/** A team's colour, in its words or ours. */
export function colorOf(id) {
  const at = (desk.facts.told?.teams || []).findIndex((team) => team.id === id);
  const told = desk.facts.told?.teams[at]?.color;
  return /^#[0-9a-f]{6}$/i.test(told || "") ? told : USUAL[at] || "#93a0b0";
}

/** Of the day, as this browser's place has it. */
export const clockTime = (at) => (at === null || at === undefined || Number.isNaN(at)
  ? "" : new Date(at).toLocaleTimeString([], { hour12: false }));
