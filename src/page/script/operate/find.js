// Highlights found by tags. What tags a clip has is the recap's to say (kind, team, player, run, clutch, the
// operator's own): the box makes it anew when somebody looks, so a correction is in it at once.

import { $ } from "../dom.js";
import { read } from "./ask.js";
import { desk } from "./desk.js";

/** The recap is asked for at most so often. */
const AGAIN_MS = 1000;

const input = $("#find-tags");
/** By fact of a highlight. */
let tags = new Map();
let words = [];
let known = null;
let waits = null;
let changed = () => {};

/** True while somebody looks for something. */
export const finding = () => words.length > 0;

/** True while the answer is on its way. */
export const isAsking = () => waits !== null;

/** True if a highlight has a tag for each word. */
export const isFound = (fact) => words.every((word) => (tags.get(fact) || []).some((tag) => tag.includes(word)));

/** Learns the tags of a game that is `now` like this; what is shown changes once they are there. */
export function learnTags(now) {
  if (!finding() || known === now || waits) return;
  const first = known === null;
  known = now;
  waits = setTimeout(async () => {
    const recap = await read(`/games/${encodeURIComponent(desk.facts.game)}/recap.json`);
    waits = null;
    // Not answered: with the next change again.
    if (!recap) known = "";
    else tags = new Map(recap.clips.map((clip) => [clip.fact, clip.tags]));
    changed();
  }, first ? 0 : AGAIN_MS);
}

export function wireFind(show) {
  changed = show;
  input.addEventListener("input", () => {
    words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!finding()) known = null;
    show();
  });
}
