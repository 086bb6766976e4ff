// Who sits at this browser, as they last called themselves: it stands beside what they confirm.

export const who = {
  get name() { try { return localStorage.getItem("who") || ""; } catch { return ""; } },
  set name(text) { try { localStorage.setItem("who", text); } catch { /* A browser that keeps nothing asks again. */ } },
};
