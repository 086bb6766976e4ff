// When a fact may be seen: never before the delayed programme reaches its moment, never before it is known.
//
// A later revision of a fact holds all that the earlier ones held, so it is never seen before them, though its own
// moment may be an older one: a correction of a shot of a minute ago must not give away the shot of just now.

export class Schedule {
  /** `delay` in ms. */
  constructor(delay) {
    this.delay = delay;
    /** The moment from which on the newest revision of each fact is seen. */
    this.seen = new Map();
    this.waits = [];
    this.n = 0;
  }

  /** Takes in what is known since `now` and was at `at` (both ms by the box's clock; null: not told). */
  put(key, at, now, what) {
    // Without a moment of its own it may have been just now.
    const from = Math.max((at ?? now) + this.delay, now, this.seen.get(key) ?? -Infinity);
    this.seen.set(key, from);
    this.waits.push({ from, what, n: (this.n += 1) });
    this.waits.sort((a, b) => a.from - b.from || a.n - b.n);
    return from;
  }

  /** Takes out what may be seen now, in order. */
  due(now) {
    let count = 0;
    while (count < this.waits.length && this.waits[count].from <= now) count += 1;
    return this.waits.splice(0, count);
  }

  /** When there is something next; Infinity where nothing waits. */
  get next() { return this.waits[0]?.from ?? Infinity; }
}
