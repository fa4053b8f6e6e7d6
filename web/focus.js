// Keep the focus: if its element goes or is disabled, the element around it gets the focus.

/** Elements by which a user of a screen reader finds a place. */
const PLACES = "article, li, form, fieldset, section, header, nav, dialog, aside, main";

/**
 * Draw; afterwards the focus is on the same element, else on `opener` or on the nearest place that is
 * left.
 */
export function keepingFocus(root, draw, opener = null) {
  const before = document.activeElement;
  const around = [];
  if (before && root.contains(before)) for (let el = before.parentElement; el && el !== root; el = el.parentElement) around.push(el);
  draw();
  if (around.length === 0) return;
  const isLost = !before.isConnected || before.disabled || before.getClientRects().length === 0;
  const active = document.activeElement;
  if (!isLost || (active && active !== document.body && active !== before)) return;
  const place = opener?.isConnected && !before.isConnected && before.closest("dialog") ? opener : around.find((el) => el.isConnected && el.matches(PLACES));
  if (!place) return;
  if (place !== opener && !place.hasAttribute("tabindex")) place.setAttribute("tabindex", "-1");
  place.focus({ preventScroll: true });
}
