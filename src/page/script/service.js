// Whether a court is in service: its checks, and what a technician does about them.

import { $, dialogOf, make, say } from "./dom.js";
import { drawing } from "./rims.js";
import { forRole } from "./session.js";
import { who } from "./who.js";

const MARKS = { passed: "✓", failed: "✗", waiting: "…" };
const NAMES = {
  camera: "Camera publishes", decodes: "Pictures decode", rim: "Rims confirmed", width: "Rings wide enough",
  model: "Model answers", broker: "Broker acknowledges", clock: "Clock is set",
};
const BY = { file: "by its file", checks: "by its checks", override: "by somebody's word" };
const time = (text) => (text ? new Date(text).toLocaleString() : "");

/** Shows how a court stands; `service` is the box's whole. */
export function showService(court, service) {
  const told = ((service || {}).courts || {})[court.name];
  const root = $(".service", court.root);
  root.hidden = !told;
  if (!told) return;
  const checks = [...told.checks, ...(service.checks || [])];
  const key = JSON.stringify([told, service.checks]);
  if (key === court.serviceKey) return;
  court.serviceKey = key;
  const open = checks.filter((check) => check.state !== "passed");
  // Opened once when something is to be done; a person may close it.
  if (court.serviceStood !== told.in_service) root.open = !told.in_service;
  court.serviceStood = told.in_service;
  const since = told.since ? `, since ${time(told.since)}` : "";
  const left = open.length === 1 ? "1 check is open" : `${open.length} checks are open`;
  say($("summary", root), told.in_service ? `In service ${BY[told.by] || ""}${since}` : `Not in service: ${told.by === "override" ? "taken out" : left}`);
  root.classList.toggle("is-out", !told.in_service);
  const recheck = $(".recheck", root);
  recheck.hidden = !told.recheck;
  say(recheck, told.recheck ? `Check it again: ${told.recheck}. It falls out of service once nobody plays.` : "");
  $(".checks", root).replaceChildren(...checks.map(line));
  const word = told.overridden;
  const said = $(".word", root);
  said.hidden = !word;
  if (word) say(said, `${word.who} put it ${word.in_service ? "in" : "out of"} service ${time(word.time)}: ${word.reason}`);
  if (!court.serviceWired) {
    court.serviceWired = true;
    const refuses = (why) => say($(".said", root), why);
    forRole($(".confirm", root), "technician", () => drawing.open(court), refuses);
    forRole($(".override", root), "technician", () => overriding.open(court, court.serviceStood), refuses);
  }
}

function line(check) {
  const what = make("div", {}, make("b", { textContent: NAMES[check.check] || check.check }));
  if (check.figure) what.append(make("span", { className: "figure", textContent: check.figure }));
  if (check.text) what.append(make("p", { textContent: check.text }));
  if (check.todo) what.append(make("p", { className: "todo", textContent: `→ ${check.todo}` }));
  const mark = make("span", { className: "mark-of", textContent: MARKS[check.state] || "?" });
  mark.setAttribute("aria-label", check.state);
  return make("li", { className: `is-${check.state}`, title: check.since ? `since ${time(check.since)}` : "" }, mark, what);
}

/** A person's word against the checks, with who and why. */
const overriding = {
  dialog: dialogOf("#override"),

  open(court, inService) {
    this.court = court;
    this.inService = !inService;
    const verb = this.inService ? "Put in service" : "Take out of service";
    say($("h2", this.dialog), `Court ${court.name}`);
    say($(".hint", this.dialog), this.inService
      ? "Its checks are not all passed. Your word puts it in service all the same; name and reason are kept and shown."
      : "Your word takes it out of service, until somebody confirms its rims again; name and reason are kept and shown.");
    say($(".go", this.dialog), verb);
    $("[name=who]", this.dialog).value = who.name;
    $("[name=reason]", this.dialog).value = "";
    say($(".said", this.dialog), "");
    this.dialog.showModal();
    $("[name=reason]", this.dialog).focus();
  },

  async send() {
    const name = $("[name=who]", this.dialog).value.trim();
    const reason = $("[name=reason]", this.dialog).value.trim();
    const said = $(".said", this.dialog);
    if (!name || !reason) return void say(said, "Say who you are, and why.");
    who.name = name;
    try {
      const body = JSON.stringify({ in_service: this.inService, reason, who: name });
      const answer = await fetch(`/v1/courts/${this.court.name}/service/override`, { method: "POST", body });
      if (answer.ok) return void this.dialog.close();
      say(said, `Not taken: ${(await answer.json()).detail}`);
    } catch {
      say(said, "The box does not answer.");
    }
  },

  start() {
    $("form", this.dialog).addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
  },
};
overriding.start();
