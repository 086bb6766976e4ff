// The dialog in which rims are found, drawn and confirmed; or taken away as lines for the box's file.

import { $, dialogOf, make, say, svg, toned } from "./dom.js";
import { ringShapes } from "./ring.js";
import { who } from "./who.js";

// As the advice of `health` has them.
const RING_GOOD_PX = 30;
const RING_TINY_PX = 14;

export const drawing = {
  dialog: dialogOf("#draw"),
  rims: [],
  at: 0,

  async open(court) {
    this.court = court;
    this.at = 0;
    say($("h2", this.dialog), `Rims of court ${court.name}`);
    $("[name=who]", this.dialog).value = who.name;
    this.answer("");
    // Before the picture is there: what a person or the box finds meanwhile stands.
    this.rims = court.rims.map((rim) => ({ x: Math.round(rim.x), y: Math.round(rim.y), w: Math.round(rim.w), h: Math.round(rim.h) }));
    this.dialog.showModal();
    await this.picture();
    if (this.court !== court) return;
    this.show();
    $("svg", this.dialog).focus();
  },

  /** A new picture; `shown` is kept once it is decoded, or is known to be none. */
  picture() { return (this.shown = this.load()); },

  async load() {
    const image = $(".canvas img", this.dialog);
    image.src = `/v1/courts/${this.court.name}/snapshot.jpg?${Date.now()}`;
    try {
      await image.decode();
      say($(".width", this.dialog), "");
    } catch {
      say($(".width", this.dialog), "There is no picture: let the camera publish, then take a new one.");
    }
    const overlay = $("svg", this.dialog);
    overlay.setAttribute("viewBox", `0 0 ${image.naturalWidth || 16} ${image.naturalHeight || 9}`);
    this.loupe();
  },

  get size() {
    const image = $(".canvas img", this.dialog);
    return [image.naturalWidth, image.naturalHeight];
  },

  /** Keeps a box in the picture and whole. */
  put(rim) {
    const [width, height] = this.size;
    const within = (value, least, most) => Math.min(Math.max(Math.round(value) || 0, least), Math.max(least, most));
    const w = within(rim.w, 1, width);
    const h = within(rim.h, 1, height);
    this.rims[this.at] = { x: within(rim.x, 0, width - w), y: within(rim.y, 0, height - h), w, h };
    this.show();
  },

  show() {
    const [width, height] = this.size;
    const rim = this.rims[this.at];
    $(".tabs", this.dialog).replaceChildren(...[...this.rims, null].map((one, index) => {
      if (!one && this.rims.length && this.at === this.rims.length && index !== this.at) return "";
      const button = make("button", { type: "button", textContent: one ? `Rim ${index + 1}` : "New rim" });
      button.setAttribute("aria-pressed", String(index === this.at));
      button.addEventListener("click", () => { this.at = index; this.show(); $("svg", this.dialog).focus(); });
      return button;
    }));
    const overlay = $("svg", this.dialog);
    overlay.replaceChildren(...this.rims.flatMap((one, index) => {
      const shapes = ringShapes(one, index, height, this.rims.length > 1);
      if (index === this.at) return [svg("rect", { x: one.x, y: one.y, width: one.w, height: one.h, class: "box" }), ...shapes];
      shapes.forEach((shape) => shape.classList.add("rim-other"));
      return shapes;
    }));
    for (const input of this.dialog.querySelectorAll(".numbers input")) {
      input.disabled = !rim;
      if (document.activeElement !== input) input.value = rim ? rim[input.name] : "";
    }
    this.advise(rim);
    const rows = this.rims.map(({ x, y, w, h }) => `[${x}, ${y}, ${w}, ${h}]`);
    say($("pre", this.dialog), `rims = [${rows.join(", ")}]\nrims_of = [${width}, ${height}]`);
    this.loupe();
  },

  advise(rim) {
    const node = $(".width", this.dialog);
    if (!rim) return;
    const [tone, text] = rim.w < RING_TINY_PX ? ["bad", "too narrow to rely on: zoom in, or move the camera closer"]
      : rim.w < RING_GOOD_PX ? ["warn", "works; calls get better up to 40"]
      : ["good", "good"];
    toned(node, "width", tone);
    const flat = rim.h > rim.w * 0.9 ? " The box is as high as it is wide: take the ring alone, without net and board." : "";
    say(node, `The ring is ${rim.w} pixels wide: ${text}.${flat}`);
  },

  answer(text) { say($(".confirm .said", this.dialog), text); },

  /** Posts, and says why if the box does not take it. */
  async ask(what, body) {
    try {
      const answer = await fetch(`/v1/courts/${this.court.name}/service/${what}`, { method: "POST", body: JSON.stringify(body) });
      const told = await answer.json();
      if (answer.ok) return told;
      this.answer(`Not taken: ${told.detail}`);
    } catch {
      this.answer("The box does not answer.");
    }
    return null;
  },

  /** The box looks at some pictures for the ring; what it finds is proposed, and a person decides. */
  async find() {
    const button = $(".find", this.dialog);
    button.disabled = true;
    this.answer("The box looks at five pictures …");
    const court = this.court;
    const [told] = await Promise.all([this.ask("check", {}), this.shown]);
    button.disabled = false;
    if (!told || this.court !== court) return;
    if (!this.size[0]) return void this.answer("There is no picture to show it on: let the camera publish, then take a new one.");
    const [width, height] = this.size;
    const [of, high] = told.rims_of || [width, height];
    const found = (told.rims || []).map(([x, y, w, h]) => ({ x: x * width / of, y: y * height / high, w: w * width / of, h: h * height / high }));
    if (!found.length) return void this.answer(told.unseen ? `It cannot look: ${told.unseen}` : "It sees no ring: draw a box round it.");
    this.rims = found.map((rim) => Object.fromEntries(Object.entries(rim).map(([name, value]) => [name, Math.round(value)])));
    this.at = 0;
    this.show();
    const others = (told.rings || []).length - found.length;
    this.answer(`This is what it found${others > 0 ? `, of ${others + 1} rings that it sees` : ""}. Is it the ring, and the whole of it?`);
  },

  async confirm() {
    const name = $("[name=who]", this.dialog).value.trim();
    if (!this.rims.length) return void this.answer("Draw a box round the ring first.");
    if (!name) return void this.answer("Say who you are: it is kept beside the rims.");
    who.name = name;
    this.answer("…");
    const told = await this.ask("confirm", { who: name, rims: this.rims.map(({ x, y, w, h }) => [x, y, w, h]), rims_of: this.size });
    if (told) this.answer(told.in_service ? "Confirmed. The court is in service." : "Confirmed. The court's other checks are still open.");
  },

  /** The box and its surroundings, enlarged. */
  loupe() {
    const canvas = $(".loupe", this.dialog);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    const image = $(".canvas img", this.dialog);
    const rim = this.rims[this.at];
    if (!rim || !image.naturalWidth) return;
    const span = Math.max(rim.w * 2.2, rim.h * 2.2 * (canvas.width / canvas.height), 16);
    const scale = canvas.width / span;
    const left = rim.x + rim.w / 2 - span / 2;
    const top = rim.y + rim.h / 2 - span * (canvas.height / canvas.width) / 2;
    context.imageSmoothingEnabled = scale < 6;
    context.drawImage(image, -left * scale, -top * scale, image.naturalWidth * scale, image.naturalHeight * scale);
    const [x, y, w, h] = [(rim.x - left) * scale, (rim.y - top) * scale, rim.w * scale, rim.h * scale];
    context.lineWidth = 3;
    context.strokeStyle = "#ff8b3d";
    context.beginPath();
    context.ellipse(x + w / 2, y + h / 2, w / 2, h / 2, 0, 0, 2 * Math.PI);
    context.stroke();
    context.lineWidth = 1;
    context.strokeStyle = "#ffffffaa";
    context.strokeRect(x, y, w, h);
  },

  start() {
    const overlay = $("svg", this.dialog);
    const point = (event) => {
      const place = overlay.getBoundingClientRect();
      const [width, height] = this.size;
      return [((event.clientX - place.left) / place.width) * width, ((event.clientY - place.top) / place.height) * height];
    };
    let from = null;
    let moved = null;
    overlay.addEventListener("pointerdown", (event) => {
      if (!this.size[0]) return;
      overlay.setPointerCapture(event.pointerId);
      from = point(event);
      const rim = this.rims[this.at];
      const inside = rim && from[0] > rim.x && from[0] < rim.x + rim.w && from[1] > rim.y && from[1] < rim.y + rim.h;
      moved = inside ? { ...rim } : null;
    });
    overlay.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [x, y] = point(event);
      if (moved) {
        this.put({ ...moved, x: moved.x + x - from[0], y: moved.y + y - from[1] });
      } else if (Math.abs(x - from[0]) > 2 && Math.abs(y - from[1]) > 1) {
        this.put({ x: Math.min(x, from[0]), y: Math.min(y, from[1]), w: Math.abs(x - from[0]), h: Math.abs(y - from[1]) });
      }
    });
    const end = () => { from = moved = null; };
    overlay.addEventListener("pointerup", end);
    overlay.addEventListener("pointercancel", end);
    overlay.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const [width, height] = this.size;
      if (!way || !width) return;
      event.preventDefault();
      const rim = this.rims[this.at] || { x: width * 0.48, y: height * 0.3, w: width * 0.04, h: height * 0.035 };
      const [dx, dy] = way.map((one) => one * (event.altKey ? 10 : 1));
      this.put(event.shiftKey ? { ...rim, w: rim.w + dx, h: rim.h + dy } : { ...rim, x: rim.x + dx, y: rim.y + dy });
    });
    for (const input of this.dialog.querySelectorAll(".numbers input")) {
      input.addEventListener("input", () => {
        const rim = this.rims[this.at];
        if (rim && input.value !== "") this.put({ ...rim, [input.name]: Number(input.value) });
      });
    }
    $(".find", this.dialog).addEventListener("click", () => this.find());
    $("form.confirm", this.dialog).addEventListener("submit", (event) => { event.preventDefault(); this.confirm(); });
    $(".again", this.dialog).addEventListener("click", () => this.picture());
    $(".copy", this.dialog).addEventListener("click", (event) => copy($("pre", this.dialog), event.target));
  },
};
drawing.start();

/** Without TLS a browser gives no clipboard; then the old way, and at last a selection to copy by hand. */
async function copy(node, button) {
  let done = false;
  try {
    await navigator.clipboard.writeText(node.textContent);
    done = true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(node);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    done = document.execCommand("copy");
  }
  say(button, done ? "Copied" : "Press Ctrl+C");
  setTimeout(() => say(button, "Copy"), 1800);
}
