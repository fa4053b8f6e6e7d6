// JSON Merge Patch, RFC 7396, section 2.
//
// A key may be any text, such as a user's id. `__proto__` is therefore a key like others: it becomes an own property
// and never reaches a prototype.

/** Return `target` with `patch` applied. Neither is changed; the result shares what the patch does not name. */
export function mergePatch(target, patch) {
  if (!isObject(patch)) return patch;
  const folded = isObject(target) ? { ...target } : {};
  for (const name of Object.keys(patch)) {
    const value = patch[name];
    if (value === null) delete folded[name];
    else put(folded, name, mergePatch(own(folded, name), value));
  }
  return folded;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function own(object, name) {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function put(object, name, value) {
  if (name === "__proto__") {
    Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
  } else {
    object[name] = value;
  }
}
