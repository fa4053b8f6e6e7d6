// When an event starts and ends by itself, and the time that is left.

import { h } from "../render.js";
import { exact, now, remaining, t } from "../words.js";
import { icon } from "./parts.js";

/** Milliseconds before a moment in which its seconds are counted. */
export const COUNTED_MS = 3_600_000;

/** The zone in which the reader's times are, in words. */
export const zone = () => t("schedule.zone", { zone: Intl.DateTimeFormat().resolvedOptions().timeZone });

/** The moment that comes next in `event`, by the server's clock: {name, at}, or null. */
export function nextMoment({ status, starts_at: starts, ends_at: ends }) {
  if (status === "not_started" && starts) return { name: "starts", at: starts };
  if (status !== "finished" && status !== "not_started" && ends) return { name: "ends", at: ends };
  return null;
}

/** A fact of the room's head: when it starts or ends, counted down in the last hour. */
export function countdown(event) {
  const next = nextMoment(event);
  if (!next) return null;
  const left = new Date(next.at).getTime() - now();
  const said = left > 0 ? t(`schedule.${next.name}.in`, { span: remaining(left) }) : t(`schedule.${next.name}.now`);
  return h("span", { class: "fact countdown", title: exact(next.at) }, icon("clock"), h("time", { datetime: next.at }, said));
}

/** Whether seconds are counted in `event` now. */
export function isCounting(event) {
  const next = nextMoment(event);
  return next !== null && new Date(next.at).getTime() - now() < COUNTED_MS;
}
