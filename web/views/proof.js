// The proof that one's own ballot was counted: its receipt, checked against a published journal here, in
// the browser.

import { prove, ProofError } from "../proof.js";
import { reason } from "../refusal.js";
import { h } from "../render.js";
import { save } from "../save.js";
import { exact, has, t } from "../words.js";
import { button, icon, loading } from "./parts.js";

/** For a member who gave a ballot: the receipt, and a way to check it without trusting the server. */
export function proof(app, store) {
  if (!store.you.ballot) return null;
  const key = `proof|${store.event}`;
  const { receipt, asking, error, found } = app.shown(key) || {};
  const ask = async () => {
    app.show(key, { asking: true });
    try {
      app.show(key, { receipt: await store.client.query("ballot.receipt", { event: store.event }) });
    } catch (failure) {
      app.show(key, { error: reason(failure) });
    }
  };
  const check = async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    app.show(key, { receipt, asking: true });
    try {
      app.show(key, { receipt, found: await prove(file, { receipt }) });
    } catch (failure) {
      if (!(failure instanceof ProofError)) throw failure;
      app.show(key, { receipt, error: failed(failure) });
    }
  };
  return h("details", { class: "card proof", key: "proof", ontoggle: (event) => event.target.open && !app.shown(key) && ask() },
    h("summary", {}, h("h2", {}, t("proof.title")), h("span", { class: "quiet" }, t("proof.hint"))),
    asking && loading(),
    error && h("p", { class: "trouble", role: "alert" }, error),
    found && h("p", { class: "banner good", role: "status" }, icon("check"), t("proof.found", { seq: found.ballot.seq, lines: found.lines, time: exact(found.ballot.at) })),
    receipt && h("div", { class: "stack" },
      h("p", {}, t("proof.receipt", { seq: receipt.seq })),
      h("code", { class: "hash", translate: "no" }, receipt.hash),
      h("p", { class: "hint" }, t("proof.how")),
      h("div", { class: "row" },
        h("label", { class: "button small primary" }, t("proof.check"), h("input", { type: "file", class: "unseen", accept: ".jsonl,.ndjson,application/json,text/plain", onchange: check })),
        button(t("proof.save"), () => save("receipt.json", JSON.stringify(receipt, null, 2), "application/json"), { kind: "small quiet" })),
      h("p", { class: "hint" }, t("proof.keep"))));
}

const failed = ({ code, line }) => t(has(`proof.error.${code}`) ? `proof.error.${code}` : "proof.error.damaged", { line: line ?? 0 });
