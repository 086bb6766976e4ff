// A call, as people say it.

import { known } from "../dom.js";
import { words } from "../words.js";
import { colorOf, desk } from "./desk.js";

/** Under three letters a rim needs no name: courts have one or two. */
export function placeOf(shot) {
  const parts = [];
  if (desk.courts.length > 1) parts.push(`court\u00a0${shot.court}`);
  if (desk.rims(shot.court).list.length > 1) parts.push(`rim\u00a0${shot.rim + 1}`);
  return parts.join(", ");
}

/** What a shot can count by the rules of the game; a box before this version told none. */
export const pointsOf = (told) => (told?.points?.length ? told.points : [1, 2, 3, 4]);

export const outcomeOf = (shot) => (shot.standing === "withdrawn" || shot.standing === "none" ? "none" : shot.standing);

export function wordsOf(shot) {
  const is = outcomeOf(shot);
  if (is === "none") return shot.was && shot.was !== "withdrawn" ? `No shot (was ${(words[shot.was] || shot.was).toLowerCase()})` : "No shot";
  const points = is === "made" && known(shot.points) ? ` ${shot.points}` : "";
  return `${words[is] || is}${points}`;
}

/** A player as people call him: the number, where there is one, then the name. */
export function playerName({ id, team, name }) {
  const number = id.startsWith(`${team}-`) ? id.slice(team.length + 1) : id;
  return /^\d+$/.test(number) && number !== name ? `${number} ${name || ""}`.trim() : name || id;
}

/** Whose, in words; what pends says so. */
export function whoseOf(shot) {
  if (shot.team) {
    const player = shot.player && (desk.facts.player(shot.player)?.name || shot.player);
    return player ? `${desk.facts.nameOf(shot.team)}, ${player}` : desk.facts.nameOf(shot.team);
  }
  return outcomeOf(shot) === "none" || !desk.facts.told ? "" : "Whose?";
}

/** The box tells role and name; among operators the name is enough. */
export const named = (who) => (who || "").replace(/^(viewer|operator|technician)( |$)/, "") || "an operator";

/** Who said it last, where a person did. */
export const byOf = (shot) => (shot.by === "operator" || shot.who ? named(shot.who) : "");

export const tint = (shot) => (shot.team ? colorOf(shot.team) : "");
