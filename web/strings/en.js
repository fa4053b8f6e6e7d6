// Every text of the page in English. `{name}` is replaced; an object holds plural forms, chosen by `count`.

import events from "./en/events.js";
import outcome from "./en/outcome.js";
import page from "./en/page.js";
import refusals from "./en/refusals.js";
import reminders from "./en/reminders.js";
import room from "./en/room.js";
import rules from "./en/rules.js";

export default { ...page, ...events, ...room, ...outcome, ...rules, ...reminders, ...refusals };
