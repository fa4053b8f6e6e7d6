// 화면의 모든 한국어 문구. `{name}`은 값으로 바뀐다. 한국어에는 복수형이 하나뿐이다.

import events from "./ko/events.js";
import outcome from "./ko/outcome.js";
import page from "./ko/page.js";
import refusals from "./ko/refusals.js";
import reminders from "./ko/reminders.js";
import room from "./ko/room.js";
import rules from "./ko/rules.js";

export default { ...page, ...events, ...room, ...outcome, ...rules, ...reminders, ...refusals };
