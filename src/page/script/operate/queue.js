// What waits for the operator's word: graphics to show, clips to push to the world.

import { box } from "../clock.js";
import { $, make, say } from "../dom.js";
import { standingOf } from "../facts.js";
import { may } from "../session.js";
import { ask } from "./ask.js";
import { clockTime, colorOf, desk } from "./desk.js";
import { play } from "./clip.js";
import { finding, isAsking, isFound, learnTags } from "./find.js";
import { named } from "./words.js";

/** A candidate that somebody decided on stays in sight, greyed. */
const DECIDED_SHOWN = 3;
const ABOUT = {
  lead_change: "Lead change", run: "Run", streak: "Streak", game_point: "Game point", milestone: "Milestone",
  comparison: "Comparison", final: "Final",
};

/** A programme may be so late: what was taken stays at hand as long. */
const LATE_MOST_S = 30;

const cards = new Map();
/** When graphics were taken, as far as this page was there, ms of the box's clock; by fact. */
const takenAt = new Map();

/** Seconds that a graphic is still worth showing; null where nothing tells. */
function left(graphic) {
  if (graphic.at === null || !box.known) return null;
  if (graphic.state !== "taken") takenAt.delete(graphic.fact);
  else if (!takenAt.has(graphic.fact)) takenAt.set(graphic.fact, graphic.stored ? graphic.at : box.now);
  // As on the overlay: from when it was taken.
  const since = Math.max(graphic.at, takenAt.get(graphic.fact) ?? -Infinity);
  return Math.ceil((since + graphic.life_s * 1000 - box.now) / 1000);
}
const least = (graphic) => (graphic.state === "taken" ? -LATE_MOST_S : 0);

/** Those that wait or are shown, as they should be looked at. */
export function graphics() {
  const rank = { taken: 0, proposed: 1, held: 2 };
  return [...desk.facts.graphics.values()]
    .filter((one) => !one.withdrawn && !one.missing && one.state in rank)
    // Taken before all that is stored: it has been on the air.
    .filter((one) => !(one.state === "taken" && one.laid && one.at === null))
    .filter((one) => one.state === "held" || (left(one) ?? 1) > least(one))
    .sort((a, b) => rank[a.state] - rank[b.state] || b.priority - a.priority || (b.at ?? 0) - (a.at ?? 0));
}

const word = (graphic, state, button) => ask(desk.path(`/graphics/${encodeURIComponent(graphic.fact)}`), { state }, button);

/** The graphic that keys are for: the one that has the focus, else the first that waits. */
export function graphicFor() {
  const focused = document.activeElement?.closest("#graphics .card")?.dataset.fact;
  const all = graphics();
  return all.find((one) => one.fact === focused) || all.find((one) => one.state === "proposed") || all[0];
}
export function graphicWord(state) {
  const graphic = graphicFor();
  if (graphic) word(graphic, state);
}

function graphicCard() {
  const root = make("li", { className: "card" },
    make("p", { className: "about" }), make("p", { className: "text" }), make("p", { className: "detail" }), make("p", { className: "buttons tap" }));
  for (const [state, text] of [["taken", "Take"], ["held", "Hold"], ["dismissed", "Dismiss"]]) {
    const button = make("button", { type: "button", textContent: text });
    button.dataset.state = state;
    if (state === "taken") button.classList.add("strong");
    button.addEventListener("click", () => word(desk.facts.graphics.get(root.dataset.fact), state, button));
    $(".buttons", root).append(button);
  }
  return root;
}

export function showGraphics() {
  const all = graphics();
  lay($("#graphics"), all, graphicCard, (root, one) => {
    root.className = `card is-${one.state}`;
    root.style.setProperty("--team", one.team ? colorOf(one.team) : "transparent");
    const rest = left(one);
    const life = one.state === "held" || rest === null || rest < 0 ? "" : ` · ${rest} s`;
    const by = one.who && one.state !== "proposed" ? ` · ${named(one.who)}` : "";
    const now = { taken: "On air", held: "Held", proposed: ABOUT[one.about] || one.about }[one.state];
    say($(".about", root), `${now}${life}${by}`);
    say($(".text", root), one.text);
    say($(".detail", root), one.detail || "");
    $("[data-state=taken]", root).hidden = one.state === "taken";
    $("[data-state=held]", root).hidden = one.state === "held";
    say($("[data-state=dismissed]", root), one.state === "taken" ? "Take off" : "Dismiss");
  });
  $("#no-graphics").hidden = all.length > 0;
  count("graphics", all.filter((one) => one.state === "proposed").length);
}

export function socials() {
  const all = [...desk.facts.social.values()].filter((one) => !one.withdrawn && !one.missing);
  const open = all.filter((one) => one.state === "proposed").sort((a, b) => b.score - a.score);
  const decided = all.filter((one) => one.state !== "proposed").slice(-DECIDED_SHOWN);
  return [...open, ...decided];
}

function socialCard() {
  const image = make("button", { type: "button", className: "poster" }, make("img", { alt: "" }));
  image.setAttribute("aria-label", "Play the clip");
  const caption = make("textarea", { rows: 2, maxLength: 200, name: "caption" });
  caption.setAttribute("aria-label", "Caption");
  const root = make("li", { className: "card social" }, image, make("p", { className: "about" }), caption,
    make("p", { className: "text" }), make("p", { className: "buttons tap" }));
  const say_ = (state, button) => {
    const one = desk.facts.social.get(root.dataset.fact);
    const body = state === "approved" ? { state, caption: caption.value.trim() || one.caption } : { state };
    return ask(desk.path(`/social/${encodeURIComponent(one.fact)}`), body, button);
  };
  for (const [state, text] of [["approved", "Approve"], ["rejected", "Reject"]]) {
    const button = make("button", { type: "button", textContent: text });
    button.dataset.state = state;
    if (state === "approved") button.classList.add("strong");
    button.addEventListener("click", () => say_(state, button));
    $(".buttons", root).append(button);
  }
  image.addEventListener("click", () => { const one = desk.facts.social.get(root.dataset.fact); play(one.clip, one.caption); });
  $("img", image).addEventListener("error", () => image.classList.add("is-none"));
  caption.addEventListener("input", () => { root.dataset.typed = "yes"; });
  return root;
}

export function showSocial() {
  const all = socials();
  lay($("#social"), all, socialCard, (root, one) => {
    const open = one.state === "proposed";
    root.className = `card social is-${one.state}`;
    const image = $("img", root);
    const from = `${one.clip}/thumbnail.jpg`;
    if (image.getAttribute("src") !== from) image.src = from;
    const caption = $("textarea", root);
    // What somebody types is not written over.
    if (!root.dataset.typed && caption.value !== one.caption) caption.value = one.caption;
    caption.hidden = !open || !may("operator");
    say($(".text", root), caption.hidden ? one.caption : "");
    const by = one.who && !open ? ` by ${named(one.who)}` : "";
    say($(".about", root), open ? `${Math.round(one.score)} · ${one.why}` : `${one.state === "approved" ? "Approved" : "Rejected"}${by}`);
    $(".buttons", root).hidden = !open;
  });
  $("#no-social").hidden = all.length > 0;
  count("social", all.filter((one) => one.state === "proposed").length);
}

/** Cards in order, those that stay left as they are: a focus or a word half typed survives. */
function lay(list, all, card, show) {
  const wanted = new Set(all.map((one) => one.fact));
  for (const [fact, root] of cards) if (root.parentNode === list && !wanted.has(fact)) { root.remove(); cards.delete(fact); }
  all.forEach((one, index) => {
    let root = cards.get(one.fact);
    if (!root) {
      cards.set(one.fact, (root = card()));
      root.dataset.fact = one.fact;
    }
    show(root, one);
    const there = list.children[index];
    if (there === root) return;
    const focused = root.contains(document.activeElement) ? document.activeElement : null;
    list.insertBefore(root, there || null);
    focused?.focus();
  });
}

export function count(part, n) {
  const badge = $(`#tabs [data-go="${part}"] b`);
  if (badge) say(badge, n ? String(n) : "");
}

/** Seconds of a highlight's cut: by the game, or of its clip. */
function length(one) {
  if (one.to_ns > one.from_ns) return (one.to_ns - one.from_ns) / 1e9;
  const clip = desk.facts.clips.get(one.clip);
  return clip ? clip.t_to - clip.t_from : 0;
}
const minutes = (s) => `${Math.floor(s / 60)}:${String(Math.round(s % 60)).padStart(2, "0")}`;

/** The reel in the making: highlights in order of time, and what each stands on. */
export function showReel() {
  const there = [...desk.facts.highlights.values()].filter((one) => !one.withdrawn && !one.missing);
  learnTags(JSON.stringify([desk.facts.game, there.map((one) => [one.fact, one.revision, desk.facts.shots.get(one.shot)?.revision])]));
  const all = finding() ? there.filter((one) => isFound(one.fact)) : there;
  all.sort((a, b) => (a.at ?? a.from_ns ?? 0) - (b.at ?? b.from_ns ?? 0));
  const seconds = all.reduce((sum, one) => sum + length(one), 0);
  const many = finding() ? `${all.length} of ${there.length}` : `${all.length}`;
  say($("#reel-sum"), there.length ? `${many} · ${minutes(seconds)}` : "");
  const key = JSON.stringify(all.map((one) => [one.fact, one.revision, desk.facts.shots.get(one.shot)?.revision]));
  $("#no-reel").hidden = all.length > 0;
  say($("#no-reel"), there.length === 0 ? "No highlight yet." : isAsking() ? "Looking …" : "No highlight with these tags.");
  $("#find-tags").hidden = there.length === 0;
  count("reel", there.length);
  if (key === showReel.key) return;
  showReel.key = key;
  const list = $("#reel");
  const at = list.contains(document.activeElement) ? [...list.querySelectorAll("button")].indexOf(document.activeElement) : -1;
  list.replaceChildren(...all.map((one) => {
    const shot = desk.facts.shots.get(one.shot);
    const when = clockTime(one.at ?? shot?.at ?? null);
    const kind = String(one.kind || one.reason || "").replaceAll("_", " ");
    const whose = shot?.team ? desk.facts.nameOf(shot.team) : "";
    const parts = Object.entries(one.parts || {}).map(([name, value]) => `${name} ${Number(value).toFixed(2)}`).join(" · ");
    const button = make("button", { type: "button" },
      make("b", { textContent: one.score === undefined ? "–" : String(Math.round(one.score)) }),
      make("span", { textContent: [whose, kind, when].filter(Boolean).join(" · ") }),
      make("small", { textContent: parts }));
    button.addEventListener("click", () => play(one.clip, `${kind} ${when}`));
    const line = make("li", {}, button);
    line.dataset.fact = one.fact;
    return line;
  }));
  if (at >= 0) list.querySelectorAll("button")[at]?.focus();
}

const LOG_SHOWN = 40;

/** What people did, the last first. */
export function showLog() {
  const lines = [...desk.facts.said].reverse().slice(0, LOG_SHOWN);
  $("#no-log").hidden = lines.length > 0;
  const key = JSON.stringify(lines.map(({ envelope }) => [envelope.fact, envelope.revision]));
  if (key === showLog.key) return;
  showLog.key = key;
  $("#log").replaceChildren(...lines.map(({ who, envelope }) => make("li", {}, make("b", { textContent: named(who) }), ` ${told(envelope)}`)));
}

const DID = { taken: "took", held: "held", dismissed: "dismissed", approved: "approved", rejected: "rejected" };

function told(envelope) {
  const { data, type } = envelope;
  if (!type.startsWith("courtside.shot.")) return `${DID[data.state] || "changed"}: ${data.text || data.caption || ""}`;
  const before = desk.facts.before(envelope);
  const [was, is] = [before && standingOf(before), standingOf(envelope)];
  const called = (standing) => (standing === "withdrawn" ? "no shot" : standing);
  const parts = [];
  if (!before) parts.push(envelope.revision ? called(is) : `added a shot, ${called(is)}`);
  else if (was !== is) parts.push(`${called(was)} → ${called(is)}`);
  if (before && data.points !== undefined && data.points !== before.data.points) parts.push(`${data.points} ${data.points === 1 ? "point" : "points"}`);
  if (before && data.team && data.team !== before.data.team) parts.push(desk.facts.nameOf(data.team));
  if (before && data.player && data.player !== before.data.player) parts.push(desk.facts.player(data.player)?.name || data.player);
  return `${parts.join(", ") || "confirmed"} (shot of ${clockTime(Date.parse(envelope.time))})`;
}
