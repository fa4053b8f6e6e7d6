// One proposal: its change, its state, and the acts on it.

import { difference } from "../difference.js";
import { h } from "../render.js";
import { now, t } from "../words.js";
import { comments } from "./comments.js";
import { field, formShown, opener, tooLong, wordsForm } from "./forms.js";
import { named, proposalName } from "./names.js";
import { button, dialog, icon, note, person, pill, quoted, reasonOf, time, words } from "./parts.js";
import { remindButton } from "./remind.js";
import { tallyBar, verdict } from "./tally-bar.js";
import { votesList } from "./turnout.js";
import { secrecy, voting } from "./voting.js";

/** Milliseconds in view after which a proposal is no longer new. */
const READ_MS = 2_500;

/** The kind of change: "New criterion". Takes a proposal or the arguments of one. */
export const proposalTitle = ({ kind, category }) => t(`kind.${kind}.${category}`);

export function proposalCard(app, store, id, proposal) {
  const open = proposal.status === "pending";
  return h("article", { class: `card proposal ${proposal.status} ${proposal.stale && open ? "is-stale" : ""}`, key: id, id: `proposal-${id}`, "aria-labelledby": `${id}-title`,
    mount: (el) => arrived(store, id, el) },
    h("header", { class: "proposal-head" },
      h("h3", { class: "proposal-kind", id: `${id}-title` }, proposalTitle(proposal), store.fresh.has(id) && [" ", pill(t("fresh"), "agreed")]),
      h("p", { class: "quiet" }, person(store, proposal.author), " · ", time(proposal.created_at),
        proposal.revision > 1 && [" · ", t("proposal.revision", { count: proposal.revision })])),
    change(store, proposal),
    proposal.reason && reasonOf(proposal.reason),
    !open && outcome(store, proposal),
    open && proposal.stale && staleness(app, store, id, proposal),
    open && timing(proposal),
    open && tallyBar(store, id, proposal),
    open && h("div", { class: "row actions" }, voting(app, store, id, proposal), note(app, store, `vote/${id}`, proposalName(store, proposal))),
    open && secrecy(app, store, id, proposal),
    !open && votesList(app, store, id, proposal),
    open && deciding(app, store, id, proposal),
    open && reasonForm(app, store, id, app.shown(`reason|${id}`), proposalName(store, proposal)),
    !open && note(app, store, `vote/${id}`),
    comments(app, store, { proposal: id }, proposalName(store, proposal), named(proposalTitle(proposal), proposalName(store, proposal))));
}

/** Mark a proposal as it appears; one of another member is new until it was in view for a moment. */
function arrived(store, id, el) {
  if (store.settled) el.classList.add("arrive");
  // A member's own proposal is scrolled into view.
  const isOwn = store.state.proposals[id].author === store.me && store.acts.under(store.event, "propose/").length > 0;
  if (isOwn) requestAnimationFrame(() => el.scrollIntoView({ block: "nearest" }));
  if (!store.fresh.has(id)) return;
  const look = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    look.disconnect();
    store.met(id);
    setTimeout(() => store.saw(id), READ_MS);
  });
  look.observe(el);
}

/** The words: new ones, the difference, or those that would go. */
export function change(store, proposal) {
  const { criteria, assumptions } = store.state;
  const target = proposal.target && (criteria[proposal.target] ?? assumptions[proposal.target]);
  if (proposal.kind === "conclusion") {
    return h("div", { class: "change" },
      h("p", { class: "about" }, t("proposal.about"), " ", h("b", {}, quoted(target?.content ?? t("proposal.gone")))),
      changed(proposal, target?.conclusion));
  }
  return h("div", { class: "change" }, changed(proposal, target?.content));
}

function changed({ category, content, status }, before) {
  if (category === "delete") return h("p", { class: "words", dir: "auto" }, h("del", {}, before ?? t("proposal.gone")));
  // Once accepted, the new words are the item's own, and there are no earlier ones to compare with.
  const parts = category === "update" && status === "pending" && before && difference(before, content);
  if (!parts) return words(content);
  const tags = { same: "span", gone: "del", new: "ins" };
  return h("p", { class: "words", dir: "auto" }, parts.map((part) => h(tags[part.kind], {}, part.text)));
}

/** How it was decided, by whom and when. */
export function outcome(store, proposal) {
  return h("div", { class: `outcome ${proposal.status}` },
    h("p", {}, icon(proposal.status === "accepted" ? "check" : "cross"), h("b", {}, t(`outcome.${proposal.status}`)), " ", verdict(store, proposal)),
    proposal.resolution_reason && reasonOf(proposal.resolution_reason));
}

function staleness(app, store, id, proposal) {
  const { criteria, assumptions } = store.state;
  const target = criteria[proposal.target] ?? assumptions[proposal.target];
  const version = proposal.kind === "conclusion" ? target?.conclusion_version : target?.version;
  const mine = proposal.author === store.me;
  const key = `rebase/${id}`;
  const about = proposalName(store, proposal);
  return h("div", { class: "banner stale" }, h("p", {}, t(mine ? "proposal.stale.mine" : "proposal.stale")),
    mine && store.may("proposal.rebase") && version !== undefined && (proposal.category === "delete"
      ? button(t("proposal.rebase"), () => store.run("proposal.rebase", { proposal: id, base_version: version }), { kind: "small", about })
      : formShown(app, store, key)
        ? wordsForm(app, store, { key, label: t("form.content"), title: about, submit: t("proposal.rebase"), initial: proposal.content, allowSame: true,
            current: { version, content: proposal.kind === "conclusion" ? target.conclusion : target.content },
            send: ({ content, base }) => store.run("proposal.rebase", { proposal: id, base_version: base, content }) })
        : opener(app, store, key, t("proposal.rebase"), { kind: "small", about })),
    !formShown(app, store, key) && note(app, store, key, about));
}

/** When it can pass and when it closes, by the server's clock. */
function timing({ opens_at: opens, expires_at: expires }) {
  const isAhead = opens && new Date(opens) > now();
  if (!isAhead && !expires) return null;
  return h("p", { class: "timing" }, icon("clock"),
    isAhead && h("span", {}, t("proposal.opens"), " ", time(opens)),
    expires && h("span", {}, t(new Date(expires) > now() ? "proposal.expires" : "proposal.expired"), " ", time(expires)));
}

/** The acts of its author and of admins; each is explained before it is done. */
function deciding(app, store, id, proposal) {
  const key = `decide/${id}`;
  const mine = proposal.author === store.me;
  const busy = store.act(key)?.state === "pending";
  const asking = app.shown(`reason|${id}`);
  const about = proposalName(store, proposal);
  const open = (verb) => () => app.show(`reason|${id}`, asking === verb ? false : verb);
  const one = (verb, label = t(`proposal.${verb}`)) =>
    button(label, open(verb), { kind: "small quiet", key: verb, about, disabled: busy, "aria-expanded": String(asking === verb) });
  const asAdmin = [
    store.may("proposal.accept") && one("accept", t(proposal.stale ? "proposal.accept_stale" : "proposal.accept")),
    store.may("proposal.reject") && one("reject"),
    store.may("proposal.moderate") && one("moderate"),
    closing(app, store, id, proposal),
    remindButton(app, store, id),
  ].flat().filter(Boolean);
  const asAuthor = mine && store.may("proposal.withdraw") && one("withdraw");
  if (asAdmin.length === 0 && !asAuthor) return note(app, store, key, about);
  return h("div", { class: "row deciding" },
    asAuthor,
    asAdmin.length > 0 && h("span", { class: "row as-admin", role: "group", "aria-label": t("proposal.as_admin") },
      h("span", { class: "quiet", "aria-hidden": "true" }, t("proposal.as_admin")), asAdmin),
    note(app, store, key, about));
}

/** All open proposals of a former member, closed at once; only if the room shows every member. */
function closing(app, store, id, { author }) {
  const { members, counts } = store.state;
  const isOut = !members[author] && Object.values(members).filter((member) => member.role !== "organiser").length === counts.members;
  if (!isOut || !store.may("membership.remove")) return null;
  const act = `member/${author}`;
  return [
    button(t("proposal.close_theirs"), () => app.dialogs.open("close_theirs", store.event, id),
      { kind: "small quiet", key: "close_theirs", about: proposalName(store, store.state.proposals[id]), disabled: store.act(act)?.state === "pending" }),
    note(app, store, act),
    app.dialogs.shown("close_theirs", store.event)?.about === id && closingDialog(app, store, author),
  ];
}

function closingDialog(app, store, author) {
  const open = Object.values(store.state.proposals).filter((one) => one.author === author && one.status === "pending").length;
  const close = () => {
    app.dialogs.close();
    store.run("membership.remove", { user: author, close_proposals: true });
  };
  return dialog(app, store, "close_theirs", t("proposal.close_theirs.title", { count: open, name: store.name(author) ?? t("people.unknown") }),
    h("div", { class: "row end" },
      button(t("cancel"), () => app.dialogs.close(), { kind: "quiet" }),
      button(t("proposal.close_theirs.do"), close, { kind: "danger" })));
}

/** The act's effect and a field for the reason, or null unless `verb` was pressed. */
function reasonForm(app, store, id, verb, about) {
  if (!verb) return null;
  const key = `decide/${id}`;
  const draft = `${store.event}|${key}.reason`;
  const isReasoned = verb !== "accept";
  const long = isReasoned ? tooLong(app.drafts.get(draft) ?? "", 2_000) : undefined;
  const { stale } = store.state.proposals[id] ?? {};
  const group = { role: "group", "aria-label": named(t(`proposal.${verb}`), about) };
  const send = (event) => {
    event.preventDefault();
    if (long) return;
    const reason = app.drafts.get(draft)?.trim();
    store.run(`proposal.${verb}`, { proposal: id, ...(isReasoned && reason && { reason }), ...(!isReasoned && stale && { allow_stale: true }) });
    app.drafts.drop(draft);
    app.show(`reason|${id}`, false);
  };
  const kind = { accept: "primary", withdraw: "", revert: "" }[verb] ?? "danger";
  return h("form", { class: "words-form", onsubmit: send, key: `reason-${verb}`, ...group },
    h("p", { class: "quiet" }, t(`proposal.${verb}.says`)),
    isReasoned && field(app, { draft, label: t(`proposal.${verb}.reason`), max: 2_000, lines: 1, focus: true }),
    h("div", { class: "row" },
      h("button", { class: `button small ${kind}`, disabled: Boolean(long), mount: isReasoned ? undefined : (el) => el.focus() }, t(`proposal.${verb}.do`)),
      long && h("span", { class: "hint over" }, long),
      button(t("cancel"), () => app.show(`reason|${id}`, false), { kind: "small quiet" })));
}

/** For the history: take an accepted one back by a new act. */
export function reverting(app, store, id, proposal) {
  const key = `decide/${id}`;
  const about = proposalName(store, proposal);
  if (proposal.reverted_by) return pill(t("proposal.reverted"));
  if (proposal.status !== "accepted" || !store.may("proposal.revert")) return note(app, store, key, about);
  const asking = app.shown(`reason|${id}`) === "revert";
  return [
    h("div", { class: "row reverting" },
      button(t("proposal.revert"), () => app.show(`reason|${id}`, asking ? false : "revert"), { kind: "small quiet", sign: "undo", about, "aria-expanded": String(asking) }),
      note(app, store, key, about)),
    asking && reasonForm(app, store, id, "revert", about),
  ];
}

