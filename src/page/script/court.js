// One court: picture, rims, score, and what is told of its stream.

import { calibrated } from "./calibration.js";
import { $, known, make, say, toned } from "./dom.js";
import { flooring } from "./floor.js";
import { keepLast } from "./keep.js";
import { recording } from "./recording.js";
import { drawing } from "./rims.js";
import { ringShapes } from "./ring.js";
import { forRole } from "./session.js";
import { words } from "./words.js";

const PICTURE_EVERY_MS = 650;

export const courts = new Map();

/** A foreign text, which may read from right to left, keeps its order to itself: [foreign, ours]. */
const beside = (value) => (Array.isArray(value) ? [make("bdi", { textContent: value[0] }), value[1]] : [value]);

export class Court {
  constructor(name, state) {
    this.name = name;
    this.state = state;
    this.score = null;
    this.root = $("#court").content.firstElementChild.cloneNode(true);
    this.image = $(".picture img", this.root);
    this.image.alt = `Last picture of court ${name}`;
    const draw = $(".draw", this.root);
    forRole(draw, "technician", () => drawing.open(this), (why) => say(draw, why));
    const lay = $(".lay", this.root);
    forRole(lay, "technician", () => flooring.open(this), (why) => say(lay, why));
    $(".play", this.root).addEventListener("click", () => recording.open(name));
    say($("h2", this.root), `Court ${name}`);
    keepLast(this);
    this.showScore();
    this.nextPicture();
  }

  get size() { return [this.image.naturalWidth || this.state.width, this.image.naturalHeight || this.state.height]; }

  /** The rims in pixels of the stream. */
  get rims() {
    const [width, height] = this.size;
    const of = this.state.rims_of;
    const sx = of && width ? width / of[0] : 1;
    const sy = of && height ? height / of[1] : 1;
    return (this.state.rims || []).map((rim) => ({ x: rim.x * sx, y: rim.y * sy, w: rim.w * sx, h: rim.h * sy }));
  }

  update(state) {
    this.state = state;
    if (!this.score && state.score) this.setScore(state.score, false);
    const [tone, word] = {
      live: ["good", "Live"], stalled: ["bad", "Stalled"], waiting: ["warn", "Waiting for the camera"],
    }[state.condition] || ["", state.condition || "–"];
    const pill = $(".pill", this.root);
    toned(pill, "pill", state.fault && state.condition === "live" ? "warn" : tone);
    say(pill, word);
    $(".picture", this.root).classList.toggle("is-old", state.condition !== "live");
    const caption = this.image.hidden
      ? (state.condition === "waiting" ? `Publish to rtmp://${location.hostname}/live/ with the key of court ${this.name}` : "No picture yet")
      : "";
    say($("figcaption", this.root), caption);
    const fault = $(".fault", this.root);
    fault.hidden = !state.fault;
    say(fault, state.fault || "");
    this.facts();
    this.advice();
    this.relays();
    this.drawRims();
    if ((state.rims || []).length !== (this.shownRims || 0)) this.showScore();
  }

  facts() {
    const s = this.state;
    const number = (value, digits = 1) => Number(value).toFixed(digits);
    const rows = [
      ["Picture", s.width && `${s.codec || ""} ${s.width} × ${s.height}`],
      ["Rate", known(s.fps) && `${number(s.fps)} fps`],
      ["Stream", known(s.bitrate_kbps) && `${number(s.bitrate_kbps / 1000)} Mbit/s`],
      ["Key frames", known(s.key_interval_s) && `every ${number(s.key_interval_s)} s`],
      ["Ring", (s.ring_px || []).length > 0 && s.ring_px.map((px) => `${Math.round(px)} px`).join(", ")],
      ["Sound", s.audio],
      ["Decoder", s.decoder],
      ["Calibration", calibrated(this.name)],
      ["Camera", s.encoder && s.publisher ? [s.encoder, ` at ${s.publisher}`] : s.publisher],
      ["Pictures", s.condition !== "waiting" && known(s.pictures) && `${s.pictures} in, ${s.answers} answers, ${s.dropped} lost`],
    ].filter(([, value]) => value);
    const key = JSON.stringify(rows);
    if (key === this.factsKey) return;
    this.factsKey = key;
    $(".facts", this.root).replaceChildren(...rows.map(([name, value]) =>
      make("div", {}, make("dt", { textContent: name }), make("dd", {}, ...beside(value)))));
  }

  advice() {
    const list = this.state.advice || [];
    const key = JSON.stringify(list);
    if (key === this.adviceKey) return;
    this.adviceKey = key;
    const node = $(".advice", this.root);
    node.hidden = list.length === 0;
    node.replaceChildren(...list.map((one) => {
      const cost = known(one.costs_ms) ? `${Math.round(one.costs_ms)} ms ` : "";
      return make("li", {}, make("b", { textContent: cost }), one.text, make("span", { textContent: one.todo ? ` → ${one.todo}` : "" }));
    }));
  }

  /** A line a relay: where the stream is forwarded to, and why it is not. */
  relays() {
    const list = this.state.relays || [];
    const lines = list.map((relay) => {
      const [tone, word] = {
        forwarding: [relay.behind ? "warn" : "good", relay.behind ? "forwards, and is behind" : "forwards"],
        connecting: ["warn", "connects"],
        waiting: [relay.fault ? "bad" : "", relay.fault ? "does not forward" : "waits for the camera"],
      }[relay.state] || ["", relay.state];
      const sent = relay.state === "forwarding" ? `, ${(relay.bytes / 1e6).toFixed(1)} MB` : "";
      return { tone, name: relay.name, to: relay.address, word: `${word}${sent}`, fault: relay.fault, todo: relay.todo };
    });
    const key = JSON.stringify(lines);
    if (key === this.relaysKey) return;
    this.relaysKey = key;
    const node = $(".relays", this.root);
    node.hidden = lines.length === 0;
    node.replaceChildren(...lines.map(({ tone, name, to, word, fault, todo }) => {
      const why = fault ? [": ", make("bdi", { textContent: fault }), todo ? ` → ${todo}` : ""] : [];
      return make("li", { className: tone ? `is-${tone}` : "" },
        make("b", { textContent: `Relay ${name}` }), " to ", make("bdi", { textContent: to }), ` ${word}`, ...why);
    }));
  }

  drawRims() {
    const [width, height] = this.size;
    const overlay = $(".rims", this.root);
    const key = JSON.stringify([width, height, this.rims]);
    if (!width || key === this.rimsKey) return;
    this.rimsKey = key;
    overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
    overlay.replaceChildren(...this.rims.flatMap((rim, index) => ringShapes(rim, index, height, this.rims.length > 1)));
  }

  /** Shows the next picture once it is there; one at a time, none while nobody looks. */
  nextPicture() {
    const again = () => setTimeout(() => this.nextPicture(), PICTURE_EVERY_MS);
    if (document.hidden || this.state.condition !== "live") return void again();
    const next = new Image();
    next.onload = () => {
      this.image.src = next.src;
      this.image.hidden = false;
      say($("figcaption", this.root), "");
      again();
    };
    next.onerror = again;
    next.src = `/v1/courts/${this.name}/snapshot.jpg?${Date.now()}`;
  }

  setScore(score, fresh) {
    const before = this.score;
    this.score = score;
    this.showScore();
    if (!fresh) return;
    score.made.forEach((made, rim) => {
      if (before && before.made[rim] === made) return;
      const tally = $(".score", this.root).children[rim];
      if (!tally) return;
      tally.classList.add("is-new");
      setTimeout(() => tally.classList.remove("is-new"), 1600);
    });
  }

  showScore() {
    this.shownRims = (this.state.rims || []).length;
    const { made = [], attempts = [] } = this.score || {};
    const rims = Math.max(1, this.shownRims, made.length);
    const node = $(".score", this.root);
    while (node.children.length > rims) node.lastChild.remove();
    while (node.children.length < rims) {
      node.append(make("div", { className: "tally" },
        make("span", { className: "name" }), make("span", { className: "made" }), make("span", { className: "of" })));
    }
    [...node.children].forEach((tally, rim) => {
      const [hit, of] = [made[rim] || 0, attempts[rim] || 0];
      say($(".name", tally), rims > 1 ? `Rim ${rim + 1}` : "Made");
      say($(".made", tally), String(hit));
      $(".made", tally).classList.toggle("is-long", hit > 99 || rims > 1);
      say($(".of", tally), of ? `of ${of} · ${Math.round((100 * hit) / of)} %` : "no attempt yet");
    });
  }

  /** The last call in words, large, for some seconds. */
  announce(shot, fresh) {
    if (!fresh) return;
    const node = $(".last", this.root);
    const where = (this.state.rims || []).length > 1 ? `, rim ${shot.rim + 1}` : "";
    toned(node, "last", shot.outcome);
    say(node, `${words[shot.outcome]}${where}`);
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => { toned(node, "last", ""); say(node, ""); }, 6000);
  }
}
