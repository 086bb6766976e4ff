// The operator's page: one stream of events and states in, text and pictures out. No framework.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const svg = (tag, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
/** Changes text only where it differs, so that a screen reader and a selection are left alone. */
const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const toned = (node, base, tone) => {
  const name = tone ? `${base} is-${tone}` : base;
  if (node.className !== name) node.className = name;
};
const known = (value) => value !== null && value !== undefined;

const CALLS_KEPT = 200;
const PICTURE_EVERY_MS = 650;
const STORED_MS = 1500;

// ---------------------------------------------------------------- courts

const courts = new Map();

class Court {
  constructor(name, state) {
    this.name = name;
    this.state = state;
    this.score = null;
    this.root = $("#court").content.firstElementChild.cloneNode(true);
    this.image = $(".picture img", this.root);
    this.image.alt = `Last picture of court ${name}`;
    $(".draw", this.root).addEventListener("click", () => drawing.open(this));
    say($("h2", this.root), `Court ${name}`);
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
      ["Camera", s.encoder && s.publisher ? `${s.encoder} at ${s.publisher}` : s.publisher],
      ["Pictures", s.condition !== "waiting" && known(s.pictures) && `${s.pictures} in, ${s.answers} answers, ${s.dropped} lost`],
    ].filter(([, value]) => value);
    const key = JSON.stringify(rows);
    if (key === this.factsKey) return;
    this.factsKey = key;
    $(".facts", this.root).replaceChildren(...rows.map(([name, value]) =>
      make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }))));
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
      return make("li", {}, make("b", { textContent: cost }), one.text);
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

/** A ring as two ellipses, the dark one below for bright walls, and its number. */
function ringShapes(rim, index, height, named) {
  const place = { cx: rim.x + rim.w / 2, cy: rim.y + rim.h / 2, rx: rim.w / 2, ry: rim.h / 2 };
  const shapes = [svg("ellipse", { ...place, class: "ring-halo" }), svg("ellipse", { ...place, class: "ring" })];
  if (named) {
    const text = svg("text", { x: place.cx, y: rim.y - height * 0.015, class: "ring-name", "font-size": height * 0.04 });
    text.textContent = index + 1;
    shapes.push(text);
  }
  return shapes;
}

function showState(state) {
  say($("#box"), state.box || "Courtside");
  document.title = `${state.box || "Courtside"} · Courtside`;
  const learnt = state.calibration || { mode: "off", courts: {} };
  calibration = learnt;
  for (const [name, stream] of Object.entries(state.streams || {})) {
    if (!courts.has(name)) {
      const court = new Court(name, stream);
      courts.set(name, court);
      $("#courts").append(court.root);
      // Calls that came before their court was known lack its name and rim.
      for (const { row, shot } of facts.values()) showCall(row, shot);
      const waiting = scores.get(name);
      if (waiting) court.setScore(waiting, false);
    }
    courts.get(name).update(stream);
  }
  showVerdicts();
  showVitals(state);
}

function showVitals(state) {
  const gigabytes = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`);
  const rows = [];
  const { uplink, storage, models, clock } = state;
  if (uplink) {
    const waiting = uplink.outbox_events ? `, ${uplink.outbox_events} waiting` : "";
    const bad = uplink.fault || uplink.disk_fault;
    rows.push(uplink.connected
      ? [uplink.disk_fault ? "bad" : "good", "Broker", `connected${waiting}`, bad]
      : ["warn", "Broker", `away${waiting}, kept on disk`, bad]);
  }
  if (storage) {
    rows.push(storage.condition === "recording" || !storage.condition
      ? [storage.reason ? "bad" : "good", "Video", `${gigabytes(storage.ring_bytes || 0)} of ${gigabytes(storage.quota_bytes || 0)}`, storage.reason || null]
      : ["bad", "Video", storage.condition, storage.reason]);
  }
  for (const model of (models && models.bundles) || []) {
    const pace = known(model.inference_ms) ? `, ${model.inference_ms.toFixed(1)} ms` : "";
    rows.push(model.condition === "ready"
      ? ["good", "Model", `${model.name} ${model.version || ""}${pace}`, model.engine]
      : ["bad", "Model", `${model.name} refused`, model.reason]);
  }
  if (clock && clock.plausible === false) rows.push(["warn", "Clock", "not set", "the box's clock is wrong; events carry no time of day"]);
  const key = JSON.stringify(rows);
  if (key === showVitals.key) return;
  showVitals.key = key;
  $("#vitals").replaceChildren(...rows.map(([tone, name, text, why]) => {
    const spelled = tone === "bad" && why ? `${text}: ${why}` : text;
    return make("li", { className: `is-${tone}`, title: why || "" },
      make("span", { textContent: name }), make("b", { textContent: spelled }));
  }));
}

// ---------------------------------------------------------------- calls

const facts = new Map();
const scores = new Map();
const words = { made: "Made", missed: "Missed", unsure: "Unsure", withdrawn: "Taken back" };

/** Takes an envelope in. The highest revision of a fact wins; a repeat changes nothing. */
function take(envelope, fresh) {
  const court = envelope.source.split("/").pop();
  const kind = envelope.type.replace(/^courtside\./, "").replace(/\.v1$/, "");
  if (kind === "score") {
    scores.set(court, envelope.data);
    if (courts.has(court)) courts.get(court).setScore(envelope.data, fresh && !envelope.historical);
  } else if (kind.startsWith("shot.")) {
    const fact = `${court}/${envelope.fact}`;
    const before = facts.get(fact);
    if (before && before.revision >= envelope.revision) return;
    const outcome = kind.slice(5);
    const shot = { ...(before && before.shot), ...envelope.data, court, outcome, fact: envelope.fact, time: envelope.time, timed: envelope.clocksource !== "none" };
    if (outcome === "withdrawn") shot.was = before ? before.shot.outcome : "withdrawn";
    const row = before ? before.row : make("li");
    facts.set(fact, { revision: envelope.revision, shot, row });
    showCall(row, shot);
    if (!before) {
      row.classList.toggle("is-new", fresh);
      $("#calls").prepend(row);
      $("#no-calls").hidden = true;
      while ($("#calls").children.length > CALLS_KEPT) $("#calls").lastChild.remove();
    }
    if (courts.has(court) && !shot.provisional) courts.get(court).announce(shot, fresh && !envelope.historical);
  }
}

function showCall(row, shot) {
  const shown = shot.was || shot.outcome;
  row.className = `call ${shown}${shot.was ? " withdrawn" : ""}${shot.provisional && !shot.was ? " provisional" : ""}`;
  const glyph = svg("svg", { viewBox: "0 0 32 32", class: "glyph", "aria-hidden": "true" });
  glyph.append(svg("ellipse", { cx: 16, cy: 20, rx: 13, ry: 5.5 }));
  if (shown === "made") glyph.append(svg("circle", { cx: 16, cy: 20, r: 6.5 }));
  if (shown === "missed") glyph.append(svg("circle", { cx: 26, cy: 8, r: 5 }));
  const when = shot.timed ? new Date(shot.time).toLocaleTimeString([], { hour12: false }) : `at ${shot.t_stream.toFixed(1)} s`;
  const sure = known(shot.confidence) && !shot.was ? ` · ${Math.round(shot.confidence * 100)} %` : "";
  const rim = (courts.get(shot.court)?.state.rims || []).length > 1 ? ` · rim ${shot.rim + 1}` : "";
  const court = courts.size > 1 ? ` · court ${shot.court}` : "";
  const why = shot.was ? ` · taken back: ${String(shot.reason).replaceAll("_", " ")}` : "";
  row.replaceChildren(glyph,
    make("span", { className: "what", textContent: words[shown] || shown }),
    make("span", { className: "where", textContent: `${when}${court}${rim}${sure}${why}` }));
  if (shot.clip && !shot.was) {
    const button = make("button", { type: "button", className: "clip", textContent: "▶ Clip" });
    button.setAttribute("aria-label", `Play the clip of ${when}`);
    button.addEventListener("click", () => player.open(shot.clip, `${words[shown]}, ${when}, court ${shot.court}`));
    row.append(button);
  }
  if (calibration.mode !== "off" && !shot.provisional && !shot.was) row.append(verdicts.group(shot, when));
}

// ---------------------------------------------------------------- calibration

/** What the box learns of its rims, as it told last. */
let calibration = { mode: "off", courts: {} };

/** What is known of a court's rims, in words. */
function calibrated(court) {
  const rims = calibration.courts[court] || [];
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
  return rims.map(({ attempts, verdicts, shift, from }, index) => {
    const name = rims.length > 1 ? `rim ${index + 1}: ` : "";
    const judged = verdicts ? `, ${verdicts} judged` : "";
    const does = from === "nothing" ? "no shift yet" : `shift ${signed(shift)}${calibration.mode === "on" ? "" : ", not applied"}`;
    return `${name}${attempts} shots${judged}, ${does}`;
  }).join("; ");
}

/** What a person says a shot was. Marked once the box has it on disk. */
const verdicts = {
  words: { made: "made", missed: "missed", none: "no shot" },

  group(shot, when) {
    const group = make("span", { className: "verdict" });
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", `What the shot of ${when} was`);
    for (const [word, text] of Object.entries(this.words)) {
      const button = make("button", { type: "button", value: word, textContent: text });
      button.addEventListener("click", () => this.give(shot, group, word));
      group.append(button);
    }
    group.append(make("span", { className: "why" }));
    $(".why", group).setAttribute("role", "status");
    this.mark(group, this.given(shot));
    return group;
  },

  given(shot) {
    return (calibration.courts[shot.court] || []).map(({ said }) => (said || {})[shot.fact]).find(known) || shot.said;
  },

  mark(group, word) {
    for (const button of group.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === word));
  },

  async give(shot, group, word) {
    const why = $(".why", group);
    say(why, "");
    let refused = "The box does not answer.";
    try {
      const answer = await fetch(`/v1/events/${shot.fact}/verdict`, { method: "POST", body: JSON.stringify({ verdict: word }) });
      if (answer.ok) {
        shot.said = word;
        return void this.mark(group, word);
      }
      refused = `Not taken: ${(await answer.json()).detail}`;
    } catch { /* says so */ }
    say(why, refused);
  },
};

/** Marks what was said, here or at another screen; builds the rows anew when calibration is switched. */
function showVerdicts() {
  const mode = calibration.mode === "off";
  const said = JSON.stringify(Object.values(calibration.courts).map((rims) => rims.map((rim) => rim.said)));
  if (showVerdicts.mode !== mode) for (const { row, shot } of facts.values()) showCall(row, shot);
  else if (showVerdicts.said !== said) {
    for (const { row, shot } of facts.values()) {
      const group = $(".verdict", row);
      if (group) verdicts.mark(group, verdicts.given(shot));
    }
  }
  [showVerdicts.mode, showVerdicts.said] = [mode, said];
}

// ---------------------------------------------------------------- clips

const dialogOf = (id) => {
  const dialog = $(id);
  $(".close", dialog).addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return dialog;
};

const player = {
  dialog: dialogOf("#clip"),
  open(path, title) {
    say($("h2", this.dialog), title);
    this.dialog.showModal();
    this.play(path, 0);
  },
  /** A clip is cut some seconds after its shot; asks until it is there. */
  async play(path, tries) {
    const said = $(".said", this.dialog);
    const video = $("video", this.dialog);
    const asked = (this.asked = (this.asked || 0) + 1);
    say(said, tries ? "The clip is being cut …" : "");
    let status = 0;
    try { status = (await fetch(`${path}/media`, { method: "HEAD" })).status; } catch { /* asks again */ }
    if (asked !== this.asked || !this.dialog.open) return;
    if (status === 200) {
      say(said, "");
      video.src = `${path}/media`;
      video.play().catch(() => {});
    } else if (tries < 20) {
      say(said, "The clip is being cut …");
      setTimeout(() => { if (asked === this.asked && this.dialog.open) this.play(path, tries + 1); }, 1000);
    } else {
      say(said, "There is no clip: the video of that moment was not recorded, or is gone.");
    }
  },
};
player.dialog.addEventListener("close", () => {
  player.asked += 1;
  const video = $("video", player.dialog);
  video.pause();
  video.removeAttribute("src");
  video.load();
});
$("video", player.dialog).addEventListener("error", () => {
  if ($("video", player.dialog).getAttribute("src")) say($(".said", player.dialog), "This browser cannot play the clip; it may lack the camera's codec.");
});

// ---------------------------------------------------------------- rims

// As the advice of `decode` has them.
const RING_GOOD_PX = 30;
const RING_TINY_PX = 14;

const drawing = {
  dialog: dialogOf("#draw"),
  rims: [],
  at: 0,

  async open(court) {
    this.court = court;
    this.at = 0;
    say($("h2", this.dialog), `Rims of court ${court.name}`);
    this.dialog.showModal();
    await this.picture();
    this.rims = court.rims.map((rim) => ({ x: Math.round(rim.x), y: Math.round(rim.y), w: Math.round(rim.w), h: Math.round(rim.h) }));
    this.show();
    $("svg", this.dialog).focus();
  },

  async picture() {
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

// ---------------------------------------------------------------- wall

function wall(on) {
  document.body.classList.toggle("wall", on);
  $("#wall").setAttribute("aria-pressed", String(on));
  history.replaceState(null, "", on ? "#wall" : location.pathname);
}
$("#wall").addEventListener("click", () => wall(!document.body.classList.contains("wall")));
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, dialog");
  if (event.key.toLowerCase() === "w" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing) $("#wall").click();
});
if (location.hash === "#wall") wall(true);

// ---------------------------------------------------------------- stream

let position = null;

function listen() {
  const where = position === null ? "last=60" : `after=${position}`;
  const stream = new EventSource(`/v1/events?state=1&${where}`);
  let opened = Infinity;
  stream.onopen = () => { opened = performance.now(); $("#lost").hidden = true; };
  stream.onmessage = (event) => {
    position = event.lastEventId;
    take(JSON.parse(event.data), performance.now() - opened > STORED_MS);
  };
  stream.addEventListener("state", (event) => showState(JSON.parse(event.data)));
  stream.onerror = async () => {
    $("#lost").hidden = false;
    try {
      if ((await fetch("/v1/state")).status === 401) location.assign("/login");
    } catch { /* away; asked again below */ }
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  };
}
listen();
