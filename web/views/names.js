// Names of controls for users who hear the page: one in a list says what it is about.

import { t } from "../words.js";

/** Characters of a text that the name of a control quotes. */
const MAX_QUOTED = 80;

/** The words on a control, and the thing that it is about. */
export function named(label, about) {
  const characters = [...about.replace(/\s+/g, " ").trim()];
  const quoted = characters.length > MAX_QUOTED ? `${characters.slice(0, MAX_QUOTED).join("")}…` : characters.join("");
  return t("named", { label, about: quoted });
}

/** A proposal's own words; one without words is named by its kind and by what it would drop. */
export function proposalName(store, { kind, category, target, content }) {
  if (content) return content;
  const { criteria, assumptions } = store.state;
  const item = criteria[target] ?? assumptions[target];
  return named(t(`kind.${kind}.${category}`), (kind === "conclusion" ? item?.conclusion : item?.content) ?? t("proposal.gone"));
}
