// The scoreboard: points, period, what is pending, and how the game stands.

import { $, make, say } from "../dom.js";
import { ask } from "./ask.js";
import { colorOf, desk } from "./desk.js";
import { before, beginsWith, periodName, next } from "./period.js";

const ordinal = (n, all) => (n > all ? `Overtime ${n - all}` : all > 1 ? `Period ${n} of ${all}` : "");

export function showBoard() {
  const { told, score, momentum } = desk.facts;
  $("#board").hidden = !told || !score;
  if (!told || !score) return;
  const over = told.state === "over";
  told.teams.forEach((team, side) => {
    const root = $(`.team[data-side="${side}"]`);
    root.style.setProperty("--team", colorOf(team.id));
    const had = $(".points", root).textContent;
    say($(".name", root), team.name || team.id);
    say($(".points", root), String(score.teams[side].points));
    if (had && had !== $(".points", root).textContent) {
      root.classList.remove("is-new");
      void root.offsetWidth; // Begins the animation anew.
      root.classList.add("is-new");
    }
    say($(".note", root), note(team.id, side));
  });
  say($(".period", $("#board")), over ? `Over${told.ended === "target" ? "" : ", by the operator"}` : ordinal(score.period, told.periods) || told.rules);
  const lead = score.won ? `${desk.facts.nameOf(score.won)} wins by ${score.by}`
    : score.leads ? `${desk.facts.nameOf(score.leads)} +${score.by}` : "Level";
  say($(".lead", $("#board")), [lead, score.target && `to ${score.target}`].filter(Boolean).join(" · "));
  const { pending } = score;
  const waits = $(".pending", $("#board"));
  waits.hidden = !pending.attempts;
  const many = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  say(waits, pending.attempts ? `Pending: ${many(pending.points, "point")}, ${many(pending.attempts, "shot")}` : "");
  winning(momentum, told);
  const after = next();
  say($("#period-next"), after > told.periods ? "Overtime" : `Period ${after}`);
  $("#period-next").hidden = after === null;
  const back = !over && told.starts?.length > 0;
  const earlier = score.period - 1;
  say($("#period-back"), back ? `← ${periodName(earlier)}` : "");
  $("#period-back").hidden = !back;
  // Tapped late: the shot before it may be of it.
  const late = before();
  say($("#period-earlier"), late ? `${periodName(score.period)} began a shot earlier` : "");
  $("#period-earlier").hidden = !late;
  $("#board").classList.toggle("is-over", over);
  const recap = `/games/${encodeURIComponent(desk.facts.game)}`;
  if ($("#recap").getAttribute("href") !== recap) $("#recap").href = recap;
}

function note(team, side) {
  const { score, momentum } = desk.facts;
  const { made, attempts } = score.teams[side];
  const parts = [`${made} of ${attempts}`];
  if (score.game_point?.includes(team)) parts.unshift("Game point");
  if (momentum?.run?.team === team) parts.push(`run ${momentum.run.points}–0`);
  const drought = momentum?.drought?.find((one) => one.team === team);
  if (drought && drought.misses >= 3) parts.push(`${drought.misses} misses`);
  return parts.join(" · ");
}

function winning(momentum, told) {
  const bar = $(".win", $("#board"));
  const win = momentum?.win || [];
  bar.hidden = win.length !== 2;
  if (bar.hidden) return void say($(".win-text", $("#board")), "");
  const share = win.find((one) => one.team === told.teams[0].id)?.share ?? win[0].share;
  bar.style.setProperty("--first", colorOf(told.teams[0].id));
  bar.style.setProperty("--second", colorOf(told.teams[1].id));
  $("i", bar).style.width = `${Math.round(share * 1000) / 10}%`;
  const swings = (momentum.leverage || []).map((one) => Math.round(one.swing * 100));
  const turns = swings.length ? ` · next shot turns ${Math.max(...swings)} %` : "";
  // Whose they are may turn all of it.
  const open = momentum.pending_points ? " ±" : "";
  say($(".win-text", $("#board")), `${Math.round(share * 100)} % to ${Math.round((1 - share) * 100)} %${open}${turns}`);
}

/** What people say of the game's course; `toShot` brings a call before their eyes. */
export function wireBoard(toShot) {
  $(".pending", $("#board")).addEventListener("click", () => {
    const waits = desk.facts.calls.find((shot) => !shot.team && !shot.provisional && ["made", "missed"].includes(shot.standing));
    if (waits) toShot(waits.fact);
  });
  $("#period-next").addEventListener("click", (event) => {
    const after = next();
    if (after) ask(desk.path("/period"), { n: after }, event.currentTarget);
  });
  $("#period-earlier").addEventListener("click", (event) => {
    const late = before();
    if (late) beginsWith(late, desk.facts.score.period, event.currentTarget);
  });
  $("#period-back").addEventListener("click", (event) => {
    const { score } = desk.facts;
    if (score?.period > 1) ask(desk.path("/period"), { n: score.period - 1 }, event.currentTarget);
  });
}

/** The courts of the game, to look at one alone. */
export function showCourts(changed) {
  const nav = $("#courts");
  const names = desk.courts;
  nav.hidden = names.length < 2;
  const key = JSON.stringify([names, desk.court]);
  if (key === showCourts.key) return;
  showCourts.key = key;
  const focused = nav.contains(document.activeElement) ? document.activeElement.textContent : null;
  nav.replaceChildren(...[null, ...names].map((name) => {
    const button = make("button", { type: "button", textContent: name === null ? "All" : name });
    button.setAttribute("aria-pressed", String(desk.court === name));
    button.addEventListener("click", () => { desk.court = name; showCourts(changed); changed(); });
    return button;
  }));
  for (const button of nav.children) if (button.textContent === focused) button.focus();
}
