// The dialog in which the painted floor is clicked: points of a rule book's court, one after the other, on the picture.

import { $, dialogOf, make, say, svg } from "./dom.js";

const PICTURE_EVERY_MS = 2000;
const TRY_AFTER_MS = 120;

let plans = null;
async function known() {
  if (!plans) plans = (await (await fetch("/v1/floors")).json()).floors;
  return plans;
}

export const flooring = {
  dialog: dialogOf("#floor"),
  points: {},
  at: null,
  told: null,

  async open(court) {
    this.court = court;
    this.points = {};
    this.at = null;
    this.told = null;
    say($("h2", this.dialog), `Floor of court ${court.name}`);
    this.answer("");
    this.dialog.showModal();
    this.picture();
    const [all, stored] = await Promise.all([known(), this.stored()]);
    if (this.court !== court) return;
    const select = $("select", this.dialog);
    select.replaceChildren(...all.map((plan) => make("option", { value: plan.name, textContent: plan.title })));
    if (stored) {
      select.value = stored.floor.plan;
      this.of = stored.floor.of;
      this.points = { ...stored.floor.points };
    }
    await this.shown;
    this.scale();
    this.next();
    this.try();
  },

  async stored() {
    const answer = await fetch(`/v1/courts/${this.court.name}/floor`);
    return answer.ok ? (await answer.json()).floor : null;
  },

  get plan() { return (plans || []).find((plan) => plan.name === $("select", this.dialog).value); },

  get size() {
    const image = $(".canvas img", this.dialog);
    return [image.naturalWidth, image.naturalHeight];
  },

  /** A new picture while the dialog is open, so that the lines lie over what the camera sees now. */
  picture() {
    clearTimeout(this.again);
    if (!this.dialog.open) return;
    this.again = setTimeout(() => this.picture(), PICTURE_EVERY_MS);
    const next = new Image();
    const image = $(".canvas img", this.dialog);
    next.src = `/v1/courts/${this.court.name}/snapshot.jpg?${Date.now()}`;
    this.shown = next.decode().then(() => { image.src = next.src; return image.decode(); }).catch(() => {
      if (!this.size[0]) this.answer("There is no picture: let the camera publish.");
    });
  },

  /** Points that were stored of a picture of another size. */
  scale() {
    const [width, height] = this.size;
    if (this.of && width) {
      const [sx, sy] = [width / this.of[0], height / this.of[1]];
      for (const [name, [x, y]] of Object.entries(this.points)) this.points[name] = [x * sx, y * sy];
    }
    this.of = null;
  },

  /** The next point of the list that is not clicked yet. */
  next() {
    const names = this.plan ? this.plan.points.map((point) => point.name) : [];
    const from = names.indexOf(this.at) + 1;
    this.at = [...names.slice(from), ...names.slice(0, from)].find((name) => !this.points[name]) || this.at;
    this.show();
  },

  put(name, [x, y]) {
    const [width, height] = this.size;
    const tenths = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 10) / 10;
    this.points[name] = [tenths(x, width), tenths(y, height)];
    this.show();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.try(), TRY_AFTER_MS);
  },

  body() { return { plan: this.plan.name, of: this.size, points: this.points }; },

  async ask(what, body) {
    try {
      const answer = await fetch(`/v1/courts/${this.court.name}/floor${what}`, { method: "POST", body: JSON.stringify(body) });
      const told = await answer.json();
      if (answer.ok) return told;
      this.answer(told.detail);
    } catch {
      this.answer("The box does not answer.");
    }
    return null;
  },

  /** The box lays it, and says how each point fits. Of two answers the later question's counts. */
  async try() {
    if (!this.plan || !this.size[0]) return;
    const asked = (this.asked = (this.asked || 0) + 1);
    const count = Object.keys(this.points).length;
    if (count < 4) {
      this.told = null;
      this.answer(`${count} of at least 4 points.`);
      return void this.show();
    }
    const told = await this.ask("/try", this.body());
    if (asked !== this.asked) return;
    this.told = told;
    const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith("?") ? "" : "."}`;
    if (told) this.answer([`the points fit within ${told.rms_px} pixels, ${told.rms_cm} cm`, ...told.advice].map(sentence).join(" "));
    this.show();
  },

  async store() {
    this.answer("…");
    const told = await this.ask("", this.body());
    if (told) this.answer("Stored. The camera's stream begins anew.");
  },

  answer(text) { say($(".said", this.dialog), text); },

  show() {
    if (!this.plan) return;
    const [width, height] = this.size;
    const board = $(".canvas svg", this.dialog);
    board.setAttribute("viewBox", `0 0 ${width || 16} ${height || 9}`);
    const path = (line) => line.map((at) => at.join(",")).join(" ");
    const lines = this.told ? this.told.lines : [];
    board.replaceChildren(
      ...lines.map((line) => svg("polyline", { points: path(line), class: "floor-halo" })),
      ...lines.map((line) => svg("polyline", { points: path(line), class: "floor-line" })),
      ...Object.entries(this.points).map(([name, [x, y]]) => svg("circle", {
        cx: x, cy: y, r: width / 180, class: name === this.at ? "floor-point is-at" : "floor-point", "data-name": name,
      })),
    );
    const of = this.plan.points.find((point) => point.name === this.at);
    say($(".which", this.dialog), of ? of.words : "");
    const errors = new Map(this.told ? this.told.points.map((point) => [point.name, point]) : []);
    $(".points", this.dialog).replaceChildren(...this.plan.points.map((point) => {
      const error = errors.get(point.name);
      const text = error ? `${error.off_px} px · ${error.off_cm} cm` : this.points[point.name] ? "clicked" : "";
      const button = make("button", { type: "button", title: point.words }, make("span", { textContent: point.name }), make("span", { textContent: text }));
      button.dataset.name = point.name;
      button.setAttribute("aria-pressed", String(point.name === this.at));
      button.addEventListener("click", () => { this.at = point.name; this.show(); });
      return make("li", {}, button);
    }));
    this.small();
    $(".store", this.dialog).disabled = !this.told;
  },

  /** The little plan: which point is meant. */
  small() {
    const { width, length, lines, points } = this.plan;
    const plan = $(".plan", this.dialog);
    plan.setAttribute("viewBox", `${-width / 2 - 1} -1 ${width + 2} ${length + 2}`);
    plan.replaceChildren(
      ...lines.map((line) => svg("polyline", { points: line.map((at) => at.join(",")).join(" "), class: "line" })),
      ...points.map((point) => svg("circle", {
        cx: point.at[0], cy: point.at[1], r: point.name === this.at ? 0.5 : 0.28,
        class: point.name === this.at ? "is-at" : this.points[point.name] ? "is-clicked" : "",
      })),
    );
  },

  start() {
    const board = $(".canvas svg", this.dialog);
    const place = (event) => {
      const { left, top, width, height } = board.getBoundingClientRect();
      const size = this.size;
      return [((event.clientX - left) / width) * size[0], ((event.clientY - top) / height) * size[1]];
    };
    let dragged = null;
    board.addEventListener("pointerdown", (event) => {
      if (!this.size[0] || !this.plan) return;
      board.setPointerCapture(event.pointerId);
      dragged = event.target.dataset.name || null;
      if (dragged) { this.at = dragged; return void this.show(); }
      if (!this.at) return;
      this.put(this.at, place(event));
      this.next();
    });
    board.addEventListener("pointermove", (event) => { if (dragged) this.put(dragged, place(event)); });
    const end = () => { dragged = null; };
    board.addEventListener("pointerup", end);
    board.addEventListener("pointercancel", end);
    board.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const point = this.points[this.at];
      if (!way || !point) return;
      event.preventDefault();
      this.put(this.at, [point[0] + way[0] / 2, point[1] + way[1] / 2]);
    });
    $("select", this.dialog).addEventListener("change", () => {
      const names = new Set(this.plan.points.map((point) => point.name));
      this.points = Object.fromEntries(Object.entries(this.points).filter(([name]) => names.has(name)));
      this.at = null;
      this.next();
      this.try();
    });
    $(".out", this.dialog).addEventListener("click", () => { delete this.points[this.at]; this.show(); this.try(); });
    $(".store", this.dialog).addEventListener("click", () => this.store());
  },
};
flooring.start();
