// The box's clock, as this browser knows it.
//
// The box is asked for its time; the answer that took least counts. The box read its clock between question and
// answer, so the middle is wrong by half of that time at most, and `late` has that bound: what may not come too
// early waits it out.

const SAMPLES = 6;

const state = { offset: null, bound: Infinity, at: 0 };

/** One question; true if it was answered. */
async function look() {
  const asked = performance.now();
  try {
    const answer = await fetch("/v1/clock", { signal: AbortSignal.timeout(3000), cache: "no-store" });
    if (!answer.ok) return answer.status !== 0;
    const { unix_ms: told } = await answer.json();
    const now = performance.now();
    const bound = (now - asked) / 2;
    // Clocks drift: 50 ppm is 3 ms a minute, so an old answer counts for less every second.
    const worth = state.bound + (now - state.at) * 5e-5;
    if (bound <= worth) Object.assign(state, { offset: told - (asked + now) / 2, bound, at: now });
    return true;
  } catch {
    return false;
  }
}

export const box = {
  look,
  /** Asks some times in a row; true once the time is known. */
  async learn() {
    for (let n = 0; n < SAMPLES; n += 1) await look();
    return state.offset !== null;
  },
  get known() { return state.offset !== null; },
  /** Milliseconds by which the box's clock may be behind what is said here. */
  get bound() { return state.bound; },
  /** UTC of the box, ms since 1970: never ahead of it. Before it is known, NaN. */
  get now() { return state.offset === null ? NaN : performance.now() + state.offset - state.bound; },
};
