import assert from "node:assert/strict";
import { test } from "node:test";

import { AyesError } from "../ayes.js";
import en from "../src/words/en.js";
import ko from "../src/words/ko.js";
import { explain, LANGUAGES } from "../words.js";

const closed = new AyesError("proposal_closed", "…", { details: { status: "accepted", resolution: "auto_votes", by: "ada" } });

test("an error is explained in words of a language, with the names that are known", () => {
  assert.equal(explain(closed), "Already accepted by votes.");
  assert.equal(explain(closed, "en-GB", { name: () => "Ada" }), "Already accepted by votes; Ada\u2019s was the last it took.");
  assert.equal(explain(new AyesError("last_admin", "x"), "ko-KR"), ko["error.last_admin"]);
  assert.equal(explain(new AyesError("last_admin", "x"), "tlh"), en["error.last_admin"]);
  assert.equal(explain(new AyesError("last_admin", "x"), "constructor"), en["error.last_admin"]);
  assert.equal(explain(new AyesError("limit_reached", "", { details: { name: "pending_per_author", limit: 1_000 } })).includes("1,000"), true);
  assert.equal(explain(new AyesError("closed", "", { details: { close: 4505 } })), en["close.4505"]);
  assert.equal(explain(new AyesError("bad_request", "Invalid value (path x)")), "The server says: Invalid value (path x)");
  assert.equal(explain(new Error("the backend answered 401")), "the backend answered 401");
  assert.equal(explain(undefined), "Refused: ?.");
  assert.equal(explain(closed, "en", { name: () => "\u0633" }).includes("\u2068\u0633\u2069"), true);
});

test("a room that closed is explained by its reason", () => {
  const said = (reason, language) => explain(new AyesError("room_closed", "x", { details: { reason } }), language);
  assert.equal(said("removed"), "You were removed from this event.");
  assert.equal(said("left"), "You have left this event.");
  assert.equal(said("revoked").includes("deleted"), true);
  assert.equal(said("removed", "ko"), ko["error.room_closed.removed"]);
  // The server refused the room, or the program left it.
  assert.equal(said("not_found"), en["error.not_found"]);
  assert.equal(said("client"), en["error.room_closed"]);
  assert.equal(said(undefined), en["error.room_closed"]);
});

test("every error that the client itself makes has a sentence", () => {
  for (const code of ["stopped", "closed", "cancelled", "not_sent", "unanswered", "room_closed", "unreachable"]) {
    assert.equal(/server says|Refused/.test(explain(new AyesError(code, "the words for a log"))), false, code);
  }
});

test("every language has every text", () => {
  assert.deepEqual(LANGUAGES, ["en", "ko"]);
  assert.deepEqual(Object.keys(ko).sort(), Object.keys(en).sort());
});
