// Small words for the document: find, make, say.

export const $ = (selector, root = document) => root.querySelector(selector);
export const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
export const svg = (tag, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
/** Changes text only where it differs, so that a screen reader and a selection are left alone. */
export const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };
export const toned = (node, base, tone) => {
  const name = tone ? `${base} is-${tone}` : base;
  if (node.className !== name) node.className = name;
};
export const known = (value) => value !== null && value !== undefined;

export const dialogOf = (id) => {
  const dialog = $(id);
  $(".close", dialog).addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return dialog;
};
