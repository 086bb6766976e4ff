// Small looping pictures of the ring: of a call's clip where there is one, else of the last pictures of its court.
//
// The box draws a court's picture when somebody looks; this page looks twice a second, cuts out each ring and holds
// on to the last few, so that a call has its pictures the moment it comes, made or missed.

import { $, make } from "../dom.js";
import { may } from "../session.js";
import { desk } from "./desk.js";

const LOOK_EVERY_MS = 500;
const KEPT = 8;
/** Ring widths above and below the ring's middle that a crop shows; as models are given it. */
const ABOVE = 0.9;
const BELOW = 2.3;
const SIDE = ABOVE + BELOW;
const PIXELS = 168;
/** A call is decided so long after the ball came to the ring, and what follows belongs to it. */
const BEFORE_MS = 3000;
const AFTER_MS = 700;
/** Clips that play at once: each asks the box for its bytes. */
const PLAYING = 4;
/** Seconds of a clip around its shot that are shown again and again. */
const LOOP_S = [1.6, 1.2];

/** A clip is cut some seconds after its shot; one that is not there by then was not recorded, or is gone. */
const TRIES = 6;
const AGAIN_MS = 5000;

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** The square of a rim in shares of the picture: left, top, width, height. */
function square(court, rim) {
  const { list, of } = desk.rims(court);
  const box = list[rim];
  if (!box || !of) return null;
  const side = SIDE * box.w;
  return { x: (box.x + box.w / 2 - side / 2) / of[0], y: (box.y + box.h / 2 - ABOVE * box.w) / of[1], w: side / of[0], h: side / of[1] };
}

/** The last crops of each rim of a court. */
class Watch {
  constructor(court) {
    this.court = court;
    this.frames = [];
    this.look();
  }

  look() {
    const again = () => setTimeout(() => this.look(), LOOK_EVERY_MS);
    const live = desk.state.streams?.[this.court]?.condition === "live";
    // Who only looks on is content with clips: pictures are drawn for those who judge by them.
    if (document.hidden || !live || !may("operator")) return void again();
    const image = new Image();
    image.onload = () => { this.cut(image); again(); };
    image.onerror = () => setTimeout(() => this.look(), 4 * LOOK_EVERY_MS);
    image.src = `/v1/courts/${encodeURIComponent(this.court)}/snapshot.jpg?${Date.now()}`;
  }

  cut(image) {
    const { naturalWidth: width, naturalHeight: height } = image;
    desk.rims(this.court).list.forEach((_, rim) => {
      const at = square(this.court, rim);
      if (!at) return;
      const canvas = make("canvas", { width: PIXELS, height: PIXELS });
      canvas.getContext("2d").drawImage(image, at.x * width, at.y * height, at.w * width, at.h * height, 0, 0, PIXELS, PIXELS);
      this.frames.push({ rim, at: performance.now(), canvas });
    });
    const most = KEPT * Math.max(1, desk.rims(this.court).list.length);
    while (this.frames.length > most) this.frames.shift();
  }

  /** Those of a rim around now. */
  around(rim, now) {
    return this.frames.filter((one) => one.rim === rim && one.at > now - BEFORE_MS && one.at < now + AFTER_MS).map((one) => one.canvas);
  }
}

const watches = new Map();
/** Crops of calls that came while this page looked, by fact. */
const taken = new Map();
const TAKEN_KEPT = 60;

export function watchCourts() {
  for (const court of desk.courts) if (!watches.has(court)) watches.set(court, new Watch(court));
}

/** Holds on to the pictures of a call that came just now. */
export function takePictures(shot) {
  if (taken.has(shot.fact) || !watches.has(shot.court)) return;
  const now = performance.now();
  taken.set(shot.fact, []);
  while (taken.size > TAKEN_KEPT) taken.delete(taken.keys().next().value);
  setTimeout(() => {
    const frames = watches.get(shot.court).around(shot.rim, now);
    taken.set(shot.fact, frames);
    for (const thumb of thumbs) if (thumb.fact === shot.fact) thumb.show();
  }, AFTER_MS);
}

const thumbs = new Set();
let turn = 0;

/** What stands in the row of a call. */
export class Thumb {
  constructor(root) {
    this.root = root;
    this.seen = false;
    this.key = null;
    thumbs.add(this);
    sight.observe(root);
    owners.set(root, this);
  }

  set(shot, clip) {
    this.fact = shot.fact;
    this.shot = shot;
    this.clip = clip || null;
    this.show();
  }

  show() {
    if (!this.shot) return;
    const frames = taken.get(this.fact) || [];
    const kind = this.clip && !this.broken && this.seen && !still.matches && Thumb.playing(this) ? "video" : frames.length ? "frames" : this.clip ? "still" : "none";
    const key = `${kind} ${this.clip} ${frames.length}`;
    if (key === this.key) return;
    this.key = key;
    this.kind = kind;
    $("video", this.root)?.removeAttribute("src");
    this.frames = null;
    if (kind === "video") this.root.replaceChildren(this.video());
    else if (kind === "frames") {
      this.frames = frames;
      this.canvas = make("canvas", { width: PIXELS, height: PIXELS });
      this.canvas.getContext("2d").drawImage(frames[frames.length - 1], 0, 0);
      this.root.replaceChildren(this.canvas);
    } else if (kind === "still") {
      const image = make("img", { alt: "" });
      this.lay(image);
      image.addEventListener("error", () => { image.remove(); this.root.classList.add("is-none"); });
      image.src = `${this.clip}/thumbnail.jpg`;
      this.root.replaceChildren(image);
    } else this.root.replaceChildren();
    this.root.classList.toggle("is-none", kind === "none");
  }

  static playing(asks) {
    const others = [...thumbs].filter((thumb) => thumb !== asks && thumb.kind === "video" && thumb.seen);
    return others.length < PLAYING;
  }

  /** Lays a whole picture so that the rim's square fills the thumb. */
  lay(picture) {
    const at = square(this.shot.court, this.shot.rim);
    picture.className = at ? "cut" : "whole";
    if (at) Object.assign(picture.style, { width: `${100 / at.w}%`, height: `${100 / at.h}%`, left: `${(-at.x / at.w) * 100}%`, top: `${(-at.y / at.h) * 100}%` });
  }

  video() {
    const video = make("video", { muted: true, loop: true, playsInline: true, preload: "auto", tabIndex: -1 });
    video.setAttribute("aria-hidden", "true");
    this.lay(video);
    const told = desk.facts.clips.get(this.clip);
    const middle = told ? this.shot.t_stream - told.t_from : null;
    if (middle !== null) {
      const [from, to] = [Math.max(0, middle - LOOP_S[0]), middle + LOOP_S[1]];
      video.addEventListener("loadedmetadata", () => { video.currentTime = from; });
      video.addEventListener("timeupdate", () => { if (video.currentTime > to) video.currentTime = from; });
    }
    video.addEventListener("error", () => {
      // Not cut yet, or of a codec that this browser lacks: what else there is of it, and the clip again later.
      this.broken = true;
      this.tries = (this.tries || 0) + 1;
      if (this.tries < TRIES) setTimeout(() => { this.broken = false; this.show(); }, AGAIN_MS);
      this.show();
    });
    video.src = `${this.clip}/media.mp4`;
    video.play().catch(() => {});
    return video;
  }

  gone() {
    thumbs.delete(this);
    sight.unobserve(this.root);
    this.seen = false;
    $("video", this.root)?.removeAttribute("src");
  }
}

const owners = new WeakMap();
const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const thumb = owners.get(entry.target);
    if (!thumb) continue;
    thumb.seen = entry.isIntersecting;
    thumb.show();
  }
});

setInterval(() => {
  if (still.matches || document.hidden) return;
  turn += 1;
  for (const thumb of thumbs) {
    if (!thumb.frames || !thumb.seen) continue;
    // A pause at the end, so that a loop has a beginning.
    const at = Math.min(turn % (thumb.frames.length + 2), thumb.frames.length - 1);
    thumb.canvas.getContext("2d").drawImage(thumb.frames[at], 0, 0);
  }
}, 300);
