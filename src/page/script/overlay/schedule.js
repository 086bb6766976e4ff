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
    const one = { key, at, now, what, n: (this.n += 1), before: this.seen.get(key) ?? -Infinity };
    this.place(one);
    this.waits.push(one);
    this.sort();
    return one.from;
  }

  place(one) {
    // Without a moment of its own it may have been just now.
    one.from = Math.max((one.at ?? one.now) + this.delay, one.now, one.before);
    this.seen.set(one.key, one.from);
  }

  sort() { this.waits.sort((a, b) => a.from - b.from || a.n - b.n); }

  /** The programme is late by so many ms from now on: what waits waits for that. */
  set late(delay) {
    if (delay === this.delay) return;
    this.delay = delay;
    const last = new Map();
    for (const one of this.waits.sort((a, b) => a.n - b.n)) {
      // Of its fact's earlier revisions the last one that waits too, or the one that is seen already.
      one.before = last.get(one.key) ?? Math.min(one.before, one.now);
      this.place(one);
      last.set(one.key, one.from);
    }
    this.sort();
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
