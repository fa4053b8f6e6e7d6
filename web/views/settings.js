// An event's settings: its rules, its subject, its size. Members read them, admins change them.

import { contradiction, policyPatch } from "../policy.js";
import { reason } from "../refusal.js";
import { h } from "../render.js";
import { link } from "../route.js";
import { copyOf } from "../template.js";
import { exact, number, t } from "../words.js";
import { field, fromLocal, localMoment, momentField, numberField } from "./forms.js";
import { button, note, quoted } from "./parts.js";
import { dropPolicyDrafts, policyFields, policySentences } from "./policy-fields.js";
import { proposalTitle } from "./proposal.js";
import { zone } from "./schedule.js";

export function settingsTab(app, store) {
  const { event } = store.state;
  return h("div", { class: "narrow settings" },
    h("section", { class: "card" }, h("h2", {}, t("policy.title")),
      h("ul", { class: "sentences" }, policySentences(event.policy).map((said) => h("li", { key: said }, said))),
      store.may("event.set_policy") && editor(app, store)),
    store.may("event.update") && about(app, store),
    h("section", { class: "card facts-card" }, h("h2", {}, t("settings.about")),
      h("dl", {},
        h("dt", {}, t("settings.created")), h("dd", {}, exact(event.created_at)),
        event.starts_at && [h("dt", {}, t("schedule.starts_at")), h("dd", {}, exact(event.starts_at))],
        event.ends_at && [h("dt", {}, t("schedule.ends_at")), h("dd", {}, exact(event.ends_at))],
        h("dt", {}, t("create.max_members")), h("dd", {}, number(event.max_members)),
        h("dt", {}, t("settings.policy_version")), h("dd", {}, number(event.policy_version)),
        h("dt", {}, t("settings.seq")), h("dd", {}, number(store.room.seq))),
      h("div", { class: "row" }, button(t("copy_event"), () => {
        app.drafts.set("create", copyOf(store.state, event.subject));
        app.lead(link.create());
      }, { kind: "quiet", sign: "copy" }))));
}

/** The subject (before the start) and how many may take part. */
function about(app, store) {
  const { event } = store.state;
  const draft = `${store.event}|about`;
  const subject = app.drafts.get(`${draft}.subject`) ?? event.subject;
  const most = Number(app.drafts.get(`${draft}.max`) ?? event.max_members);
  /** The moment `name` if it was changed: a new one, or null to take it away. */
  const movedTo = (name) => {
    const typed = app.drafts.get(`${draft}.${name}`);
    return typed === undefined || typed === localMoment(event[name]) ? {} : { [name]: fromLocal(typed) };
  };
  const patch = {
    ...(subject.trim() !== event.subject && subject.trim() && { subject: subject.trim() }),
    ...(most !== event.max_members && { max_members: most }),
    ...movedTo("starts_at"),
    ...movedTo("ends_at"),
  };
  const send = async (submitted) => {
    submitted.preventDefault();
    const act = await store.run("event.update", patch);
    if (act.state !== "confirmed") return;
    for (const name of ["subject", "max", "starts_at", "ends_at"]) app.drafts.drop(`${draft}.${name}`);
  };
  return h("form", { class: "card stack", onsubmit: send },
    h("h2", {}, t("settings.event")),
    store.status === "not_started" && field(app, { draft: `${draft}.subject`, label: t("create.subject"), initial: event.subject, max: 200, required: true }),
    numberField(app, { draft: `${draft}.max`, label: t("create.max_members"), initial: event.max_members, min: 1, max: 100_000, required: true }),
    h("div", { class: "row moments" },
      store.status === "not_started" && momentField(app, { draft: `${draft}.starts_at`, label: t("schedule.starts_at"), initial: event.starts_at, hint: zone() }),
      momentField(app, { draft: `${draft}.ends_at`, label: t("schedule.ends_at"), initial: event.ends_at, hint: zone() })),
    h("div", { class: "row" }, h("button", { class: "button", disabled: Object.keys(patch).length === 0 }, t("save")), note(app, store, "event/update")));
}

/** The rules as fields; the proposals they would accept at once are shown before they are set. */
function editor(app, store) {
  const { event } = store.state;
  const key = `policy|${store.event}`;
  const draft = `${store.event}|policy`;
  const kept = app.drafts.get(draft);
  const drop = () => {
    dropPolicyDrafts(app, draft);
    app.drafts.drop(draft);
    app.show(`${key}|preview`, false);
  };
  if (!app.shown(key) && !kept) {
    const accepted = store.act("event/set_policy")?.ack?.result?.accepted?.length ?? 0;
    return h("div", { class: "row" }, button(t("policy.edit"), () => app.show(key, true), { sign: "pencil" }), note(app, store, "event/set_policy"),
      accepted > 0 && h("span", { class: "note confirmed" }, t("policy.accepted", { count: accepted })));
  }
  const policy = kept?.policy ?? event.policy;
  const base = kept?.base ?? event.policy_version;
  const patch = contradiction(policy) ? null : policyPatch(event.policy, policy);
  const change = (next) => {
    app.drafts.set(draft, { policy: next, base });
    app.show(`${key}|preview`, false);
  };
  const send = async (submitted) => {
    submitted.preventDefault();
    if (!patch) return;
    // The decisions that it would cause are shown first.
    if (store.status !== "not_started" && !app.shown(`${key}|preview`)?.accepts && (await ask(app, store, key, patch)) > 0) return;
    const act = await store.run("event.set_policy", { policy_version: base, policy: patch });
    if (act.state !== "confirmed") return;
    drop();
    app.show(key, false);
  };
  const close = () => {
    drop();
    app.show(key, false);
  };
  return h("form", { class: "stack policy-editor", onsubmit: send },
    base !== event.policy_version && moved(app, draft, policy, event, drop),
    policyFields(app, { draft, policy, change }),
    preview(app, store, key, patch),
    h("div", { class: "row" },
      h("button", { class: "button primary", disabled: !patch }, t("policy.set")),
      button(t("policy.preview"), () => ask(app, store, key, patch), { disabled: !patch || store.status === "not_started" }),
      button(t("cancel"), close, { kind: "quiet" }),
      note(app, store, "event/set_policy")));
}

function moved(app, draft, policy, event, drop) {
  return h("div", { class: "moved", role: "status" }, h("p", {}, t("policy.moved")),
    h("div", { class: "row" },
      button(t("form.moved.keep"), () => app.drafts.set(draft, { policy, base: event.policy_version }), { kind: "small" }),
      button(t("form.moved.take"), drop, { kind: "quiet small" })));
}

/** Show the proposals that `policy` would accept at once, and their number. */
async function ask(app, store, key, policy) {
  const at = `${key}|preview`;
  app.show(at, { asking: true });
  try {
    const reply = await store.client.query("event.preview_policy", { event: store.event, policy });
    app.show(at, { accepts: reply.would_accept });
    return reply.would_accept.length;
  } catch (error) {
    app.show(at, { error });
    return 0;
  }
}

function preview(app, store, key) {
  const found = app.shown(`${key}|preview`);
  if (!found) return null;
  if (found.asking) return h("p", { class: "banner" }, t("loading"));
  if (found.error) return h("p", { class: "trouble" }, reason(found.error));
  return h("div", { class: "banner", role: "status" }, h("p", {}, t("policy.would_accept", { count: found.accepts.length }), " ", found.accepts.length > 0 && t("policy.would_accept.again")),
    h("ul", {}, found.accepts.map((id) => store.state.proposals[id]).filter(Boolean).map((proposal, index) =>
      h("li", { key: index }, proposalTitle(proposal), proposal.content && [": ", quoted(proposal.content)]))));
}
