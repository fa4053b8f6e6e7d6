// Return what does not fit in the page as it is shown now: things outside the window, cut texts, targets too
// small for a finger, targets on top of each other, and words that no user should read.
() => {
  const found = new Set();
  const dialogs = document.querySelectorAll("dialog[open]");
  const root = dialogs.item(dialogs.length - 1) ?? document.body;
  const isSeen = (el) => el.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !el.closest(".unseen, .skip");
  const called = (el) => `${el.tagName.toLowerCase()}.${String(el.className.baseVal ?? el.className).trim().replace(/\s+/g, ".")} "${(el.innerText || el.ariaLabel || "").trim().slice(0, 40)}"`;
  const ancestors = (el) => (el ? [el, ...ancestors(el.parentElement)] : []);
  const styleOf = (el) => getComputedStyle(el);
  const scrolls = (el) => /auto|scroll|hidden|clip/.test(styleOf(el).overflowX);

  for (const el of root.querySelectorAll("*")) {
    const { left, right, width, height } = el.getBoundingClientRect();
    if (!isSeen(el) || !width || !height) continue;
    const { overflow, clipPath } = styleOf(el);
    if ((right > innerWidth + 1 || left < -1) && !ancestors(el.parentElement).some(scrolls)) found.add(`outside: ${called(el)}`);
    const isCut = el.scrollWidth > el.clientWidth + 1 || el.scrollHeight > el.clientHeight + 1;
    // A field scrolls what is longer than it.
    if (isCut && /hidden|clip/.test(overflow) && clipPath === "none" && el.tagName !== "INPUT") found.add(`cut: ${called(el)}`);
    if (isCut && el.clientWidth && el.matches("button, a.button, .pill, .badge, .choice, .tabs a")) found.add(`too small for its words: ${called(el)}`);
  }

  const isFree = (el) => !el.disabled && isSeen(el) && !el.matches("p > a, .words a");
  const targets = [...root.querySelectorAll("a[href], button, input, select, textarea, summary")].filter(isFree);
  // A label belongs to its box.
  const boxOf = (el) => {
    const boxes = [el, ...(el.matches("[type=checkbox], [type=radio]") ? el.labels : [])].map((one) => one.getBoundingClientRect());
    const edge = (side, pick) => pick(...boxes.map((box) => box[side]));
    return { left: edge("left", Math.min), top: edge("top", Math.min), right: edge("right", Math.max), bottom: edge("bottom", Math.max) };
  };
  const boxes = targets.map((el) => [el, boxOf(el)]).filter(([, box]) => box.right > box.left && box.bottom > box.top);
  for (const [el, { left, top, right, bottom }] of boxes) {
    const isSmall = right - left < 43.5 || bottom - top < 43.5;
    if (isSmall && matchMedia("(pointer: coarse)").matches) found.add(`small: ${called(el)} ${Math.round(right - left)} × ${Math.round(bottom - top)}`);
  }
  // What floats lies on top of the rest by intention.
  const floats = (el) => ancestors(el).some((one) => /fixed|sticky|absolute/.test(styleOf(one).position) && one !== root);
  boxes.forEach(([el, box], place) => boxes.slice(place + 1).forEach(([other, its]) => {
    const wide = Math.min(box.right, its.right) - Math.max(box.left, its.left);
    const high = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
    if (wide > 2 && high > 2 && !el.contains(other) && floats(el) === floats(other)) found.add(`on each other: ${called(el)}, ${called(other)}`);
  }));

  const holes = root.innerText.match(/\{\w+\}|\bundefined\b|\bNaN\b|\[object|\b1 (members|votes|ballots|options|people|proposals|requests|comments)\b/g) ?? [];
  for (const hole of holes) found.add(`not for users: ${hole}`);
  return [...found];
}
