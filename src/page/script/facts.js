// The facts of one game, as they stand: envelopes in, the highest revision of each fact out. No document here.
//
// `view` is the whole game as the box told it at once; it is laid under what came as events, so that an event
// counts once, whenever it came and however often.

/** What there is one of in a game, by the type of its events. */
const WHOLE = {
  "courtside.game.v1": "told",
  "courtside.game.score.v1": "score",
  "courtside.momentum.v1": "momentum",
  "courtside.leaderboard.v1": "leaderboard",
};
/** What there are many of. */
const MANY = {
  "courtside.graphic.v1": "graphics",
  "courtside.social.candidate.v1": "social",
  "courtside.highlight.v1": "highlights",
};
const GONE = {
  "courtside.graphic.withdrawn.v1": "graphics",
  "courtside.social.candidate.withdrawn.v1": "social",
  "courtside.highlight.withdrawn.v1": "highlights",
};
const SHOT = "courtside.shot.";
/** What people say of, besides shots. */
const SAYS = ["courtside.graphic.v1", "courtside.social.candidate.v1"];
/** A name that is written from right to left turns nothing round that stands beside it. */
export const isolated = (name) => (/[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u.test(name) ? `\u2068${name}\u2069` : name);

/** What a view says of a shot, and its events do not, whatever their revision. */
const VIEWED = ["clip", "highlight", "period", "utc_ns"];
/** What we know of a fact by how it came, whatever a newer view says. */
const HELD = ["at", "court", "session", "named", "stored", "taken", "was"];
const pick = (from, names) => Object.fromEntries(names.filter((name) => from && name in from).map((name) => [name, from[name]]));

/** Words of who, kept for the log. */
const SAID_KEPT = 100;

const courtOf = (envelope) => envelope.source.split("/").pop();
export const standingOf = (envelope) => envelope.type.slice(SHOT.length, -".v1".length);
/** True if a revision tells nothing new. */
const isOld = (before, revision) => before && (before.revision > revision || (before.revision === revision && !before.laid));
const timeOf = (envelope) => (envelope.clocksource === "none" ? null : Date.parse(envelope.time));

export class Facts {
  constructor(game) {
    this.game = game;
    /** When it began, ms by the box's clock, where that is known. */
    this.start = null;
    /** Counts what was taken, so that a view that was asked for earlier is known to be older. */
    this.taken = 0;
    this.whole = {};
    this.shots = new Map();
    this.graphics = new Map();
    this.social = new Map();
    this.highlights = new Map();
    this.clips = new Map();
    /** What waits for `settle`, by name. */
    this.late = new Map();
    /** Envelopes of each fact, by revision. */
    this.heard = new Map();
    /** Who said what, newest last: { who, envelope }. */
    this.said = [];
  }

  get told() { return this.whole.told?.data; }
  get score() { return this.whole.score?.data; }
  get momentum() { return this.whole.momentum?.data; }
  get leaderboard() { return this.whole.leaderboard?.data; }

  /**
   * Takes an event in; the name of what changed, or null where it told nothing new of this game. What there is
   * one of waits for `settle` where it was `stored`: a view that is laid already is as new as the newest of them,
   * and the older ones would be shown for a moment.
   */
  take(envelope, stored = false) {
    const { type, data, fact, revision } = envelope;
    if (type === "courtside.clip.v1") {
      this.clips.set(data.clip, data);
      return "clips";
    }
    const of = envelope.game ?? (data && data.game);
    if (type.startsWith(SHOT)) return this.takeShot(envelope, of);
    if (of !== this.game) return null;
    const whole = WHOLE[type];
    if (whole) {
      const before = this.whole[whole];
      if (before && before.fact === fact && before.revision >= revision) return null;
      if (before && stored) {
        const waits = this.late.get(whole);
        if (!waits || waits.revision < revision) this.late.set(whole, envelope);
        return null;
      }
      this.taken += 1;
      this.whole[whole] = { fact, revision, data, at: timeOf(envelope), taken: this.taken };
      return whole;
    }
    const many = MANY[type] || GONE[type];
    if (!many) return null;
    this.hear(envelope);
    const before = this[many].get(fact);
    if (isOld(before, revision)) return null;
    this.taken += 1;
    const withdrawn = type in GONE;
    // The same revision, laid before: the view knew more of it, the event when it was.
    const kept = withdrawn || (before && before.revision === revision) ? { ...before, ...data } : data;
    const told = { fact, revision, withdrawn, stored, court: courtOf(envelope), at: timeOf(envelope), taken: this.taken };
    this[many].set(fact, { ...kept, ...told, laid: false });
    return many;
  }

  takeShot(envelope, of) {
    const { data, fact, revision } = envelope;
    const before = this.shots.get(fact);
    const court = courtOf(envelope);
    const standing = standingOf(envelope);
    const named = of === this.game || before?.named || before?.laid || false;
    // A first call names no game yet. It is shown while the game runs, until its last word names this one or none.
    const at = timeOf(envelope);
    const plays = this.told?.state === "running" && this.told.courts.includes(court) && !(at !== null && this.start !== null && at < this.start);
    const first = of === undefined && data.provisional && plays;
    const gone = of === undefined && standing === "withdrawn" && before;
    if (!named && !first && !gone) return before && !isOld(before, revision) && this.shots.delete(fact) ? "shots" : null;
    this.hear(envelope);
    if (isOld(before, revision)) return null;
    this.taken += 1;
    // Of what was told before only what no event says: a correction that was undone leaves no trace of it.
    const kept = before?.revision === revision ? before : pick(before, VIEWED);
    const line = { ...kept, ...data, fact, revision, court, session: envelope.session, standing, at, named, laid: false };
    // What no game counts nobody can correct.
    line.open = data.provisional || !named;
    if (standing === "withdrawn") line.was = before?.was ?? before?.standing;
    this.shots.set(fact, line);
    return "shots";
  }

  /** What waited is taken; true if something changed by it. */
  settle() {
    const late = [...this.late.values()];
    this.late.clear();
    return late.filter((envelope) => this.take(envelope)).length > 0;
  }

  /** Each revision is remembered once, so that it can be said who did what. */
  hear(envelope) {
    const of = this.heard.get(envelope.fact) || new Map();
    if (of.has(envelope.revision)) return;
    this.heard.set(envelope.fact, of.set(envelope.revision, envelope));
    const { who, by } = envelope.data;
    if (!who && by !== "operator") return;
    // What follows from a word is none of its own: a highlight that comes or goes with its shot.
    const own = envelope.type.startsWith(SHOT) || SAYS.includes(envelope.type);
    if (!own) return;
    this.said.push({ who, envelope });
    if (this.said.length > SAID_KEPT) this.said.shift();
  }

  /** What was told of a fact before a revision. */
  before({ fact, revision }) {
    const older = [...(this.heard.get(fact)?.values() || [])].filter((one) => one.revision < revision);
    return older.sort((a, b) => b.revision - a.revision)[0];
  }

  /** Lays the whole game under what came. `since` is `taken` when it was asked for. */
  lay(view, since) {
    for (const name of ["told", "score", "momentum", "leaderboard"]) {
      if (!view[name]) continue;
      const before = this.whole[name];
      // An event that came since says more, or is followed by one that does.
      if (before && before.taken > since) continue;
      this.whole[name] = { ...before, data: view[name], taken: before?.taken ?? 0 };
    }
    for (const line of view.shots || []) {
      const at = line.utc_ns === undefined || line.utc_ns === null ? null : line.utc_ns / 1e6;
      this.lie(this.shots, { at, ...line });
    }
    for (const many of ["graphics", "social", "highlights"]) {
      const there = new Set();
      for (const item of view[many] || []) {
        there.add(item.fact);
        this.lie(this[many], { at: this[many].get(item.fact)?.at ?? null, ...item });
      }
      // What went while nobody listened is not in the view.
      for (const [fact, item] of this[many]) {
        if (!there.has(fact) && !item.withdrawn && !(item.taken > since)) item.missing = true;
        else delete item.missing;
      }
    }
  }

  lie(map, item) {
    const before = map.get(item.fact);
    const revision = item.revision ?? 0;
    if (!before || revision > before.revision) map.set(item.fact, { ...pick(before, HELD), ...item, revision, laid: true });
    // The same revision: the view knows more of it than its event did.
    else if (revision === before.revision) map.set(item.fact, { ...item, ...before });
  }

  /** Shots, the newest first. */
  get calls() {
    const lines = [...this.shots.values()];
    const place = new Map(lines.map((line, index) => [line, index]));
    return lines.sort((a, b) => (a.at !== null && b.at !== null && a.at !== b.at ? b.at - a.at : place.get(b) - place.get(a)));
  }

  /** Paths of clips that show a shot, by fact: its own, or its highlight's. */
  get clipsOf() {
    const found = new Map();
    for (const one of this.highlights.values()) {
      if (one.withdrawn) continue;
      for (const fact of [...(one.with || []), one.shot]) found.set(fact, one.clip);
    }
    for (const shot of this.shots.values()) if (shot.clip) found.set(shot.fact, shot.clip);
    return found;
  }

  team(id) { return this.told?.teams.find((team) => team.id === id); }
  player(id) { return this.told?.players?.find((player) => player.id === id); }
  nameOf(id) { return isolated(this.team(id)?.name || id); }
}
