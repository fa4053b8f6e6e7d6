// A view is a function that describes a part of the page; `render` updates the document with the fewest
// changes.
//
// Everything is keyed: by `key`, else by its tag and place among its like. A node that stays is never
// moved without need and never replaced, so focus, selection, scroll and an input method's
// composition survive any update. The value of a field that has the focus is left alone.
//
// Text nodes are not ours: a browser's translation replaces them, extensions wrap and split them. So
// every text has an element that is ours and is set as a whole: its parent if the text is the only child,
// else an element of its own. Nodes that others put among ours are stepped over.

const SVG = "http://www.w3.org/2000/svg";
/** The element of a text that has siblings; it is no HTML element, and no style sheet means it. */
const TEXT = "ayes-text";

/** Handlers of `mount`, to be run once everything stands in the document. */
let mounts = [];

/**
 * The description of one element. `props`: attributes; `on…`: a listener; `style`: an object, set by the
 * CSSOM; `key`: identity among siblings; `mount(element)`: called once, when it was put there.
 * `children`: nodes, texts, numbers, arrays of them; null, undefined and booleans are left out.
 */
export function h(tag, props, ...children) {
  const node = { tag, props: props ?? {}, children: keyed(children), text: undefined, key: props?.key, name: "", el: null };
  const [only, ...others] = node.children;
  if (only?.tag === "" && others.length === 0) [node.text, node.children] = [only.text, []];
  return node;
}

/** Make `container` hold `view`, coming from what this function put there before. */
export function render(container, view) {
  const active = document.activeElement;
  reconcile(container, container.rendered ?? [], (container.rendered = keyed([view])), null);
  // A node had to be moved and lost its focus: give it back.
  if (active && active !== document.activeElement && active.isConnected && active !== document.body) {
    active.focus({ preventScroll: true });
  }
  const ready = mounts;
  mounts = [];
  for (const [mount, el] of ready) if (el.isConnected) mount(el);
}

/** Flat, without empty children, and each with a name that is unique among them. */
function keyed(children) {
  const flat = [];
  const add = (child) => {
    if (child === null || child === undefined || child === true || child === false) return;
    if (Array.isArray(child)) child.forEach(add);
    else if (typeof child === "object") flat.push(child);
    else flat.push({ tag: "", text: String(child), key: undefined, name: "", el: null });
  };
  children.forEach(add);
  const seen = new Map();
  for (const child of flat) {
    const kind = child.tag === "" && isBlank(child.text) ? "blank" : child.tag;
    const name = child.key === undefined ? `${kind}:` : `${kind}=${child.key}`;
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    child.name = count === 0 && child.key !== undefined ? name : `${name}#${count}`;
  }
  return flat;
}

const isBlank = (text) => text.trim() === "";

function reconcile(parent, before, after, namespace) {
  const known = new Map(before.map((node) => [node.name, node]));
  const wanted = new Set(after.map((node) => node.name));
  // Remove nodes first: then most of the others are already in their place.
  for (const node of before) if (!wanted.has(node.name)) node.el.remove();
  const ours = new Set(before.map((node) => node.el));
  const next = (at) => {
    while (at && !ours.has(at)) at = at.nextSibling;
    return at;
  };
  let at = next(parent.firstChild);
  for (const node of after) {
    const old = known.get(node.name);
    if (old === undefined) create(node, namespace);
    else update(old, node, namespace);
    if (node.el === at) at = next(at.nextSibling);
    else place(parent, node.el, at);
  }
}

/** Before `at`; without unloading the moved node if the browser can. */
function place(parent, el, at) {
  if (el.parentNode === parent && el.isConnected && parent.moveBefore) parent.moveBefore(el, at);
  else parent.insertBefore(el, at);
}

function create(node, namespace) {
  if (node.tag === "") {
    // Blanks need no translation, and a flexible box does not lay them out.
    node.el = isBlank(node.text) ? document.createTextNode(node.text) : document.createElement(TEXT);
    node.el.textContent = node.text;
    return;
  }
  const space = node.tag === "svg" ? SVG : namespace;
  const el = space ? document.createElementNS(space, node.tag) : document.createElement(node.tag);
  node.el = el;
  for (const [name, value] of Object.entries(node.props)) if (name !== "value") set(el, name, value);
  if (node.text !== undefined) el.textContent = node.text;
  reconcile(el, [], node.children, space);
  if ("value" in node.props) set(el, "value", node.props.value);
  if (node.props.mount) mounts.push([node.props.mount, el]);
}

function update(old, node, namespace) {
  const el = (node.el = old.el);
  // The same object has no changes.
  if (old === node) return;
  if (node.tag === "") {
    if (old.text !== node.text) el.textContent = node.text;
    return;
  }
  for (const name of Object.keys(old.props)) if (!(name in node.props)) set(el, name, undefined);
  for (const [name, value] of Object.entries(node.props)) {
    if (name !== "value" && value !== old.props[name]) set(el, name, value, old.props[name]);
  }
  if (old.text !== node.text && node.text === undefined) el.textContent = "";
  reconcile(el, old.children, node.children, node.tag === "svg" ? SVG : namespace);
  if (old.text !== node.text && node.text !== undefined) el.textContent = node.text;
  if ("value" in node.props) set(el, "value", node.props.value);
}

/** Properties that hold a state which their attribute only begins with. */
const LIVE = new Set(["checked", "disabled", "indeterminate", "selected"]);

function set(el, name, value, before) {
  if (name === "key" || name === "mount") return;
  if (name.startsWith("on")) el[name] = value ?? null;
  else if (name === "value") setValue(el, value);
  else if (name === "style") setStyle(el, value, before);
  else if (LIVE.has(name)) el[name] = Boolean(value);
  else if (value === undefined || value === null || value === false) el.removeAttribute(name);
  else el.setAttribute(name, value === true ? "" : value);
}

function setValue(el, value) {
  const text = String(value ?? "");
  if (el.tagName === "OPTION" || el.tagName === "METER" || el.tagName === "PROGRESS") el.setAttribute("value", text);
  else if (el.value !== text && (el !== document.activeElement || el.type === "radio")) el.value = text;
}

function setStyle(el, value, before) {
  for (const name of Object.keys(before ?? {})) if (!(name in (value ?? {}))) el.style.removeProperty(name);
  for (const [name, text] of Object.entries(value ?? {})) {
    if (before?.[name] !== text) el.style.setProperty(name, text);
  }
}
