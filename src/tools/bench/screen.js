// Notes when each call came to the page (its element changed) and was painted, by the machine's clock in ms.
(() => {
  const seen = new Map();
  window.courtsideSeen = () => [...seen.values()];
  const now = () => performance.timeOrigin + performance.now();
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const call = seen.get(entry.identifier);
      if (call && entry.renderTime) call.rendered ??= performance.timeOrigin + entry.renderTime;
    }
  }).observe({ type: "element", buffered: true });
  const changed = (row) => {
    const key = `${row.dataset.fact}.${row.dataset.revision}`;
    if (seen.has(key)) return;
    const call = { fact: row.dataset.fact, revision: Number(row.dataset.revision), mutated: now() };
    seen.set(key, call);
    row.setAttribute("elementtiming", key);
    for (const part of row.children) part.setAttribute("elementtiming", key);
    requestAnimationFrame(() => {
      // A message that is posted in a frame is heard once the frame is made.
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => { call.framed = now(); };
      port2.postMessage(null);
    });
  };
  const of = (node) => (node.nodeType === 1 ? node : node.parentElement);
  new MutationObserver((changes) => {
    const rows = new Set();
    for (const change of changes) {
      for (const node of [change.target, ...change.addedNodes]) {
        const row = of(node)?.closest("[data-fact][data-revision]");
        if (row) rows.add(row);
      }
    }
    rows.forEach(changed);
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-revision"] });
})();
