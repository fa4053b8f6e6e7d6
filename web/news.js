// The acts of others in a room since the user looked at it last, by kind.

/** Kinds, by what an event turned to. */
const STATUSES = { in_progress: "status.in_progress", paused: "status.paused", finished: "status.finished" };

export class News {
  #before = null;

  /** `report(kind)` is called for each piece of news; a kind is a key of the page's texts (`news.…`). */
  constructor(report) {
    this.report = report;
  }

  /** `state` is the room's current state; acts of `me` are no news. */
  look(state, me) {
    const before = this.#before;
    const proposals = new Map(Object.entries(state.proposals ?? {}).map(([id, one]) => [id, one.status]));
    const requests = new Set(Object.keys(state.requests ?? {}));
    const comments = new Set(Object.keys(state.comments ?? {}));
    const { status } = state.event ?? {};
    this.#before = { proposals, requests, comments, status };
    if (!before || !before.status) return;
    if (status !== before.status && STATUSES[status]) this.report(STATUSES[status]);
    for (const [id, now] of proposals) {
      const then = before.proposals.get(id);
      const { author, resolved_by: by } = state.proposals[id];
      if (then === undefined && now === "pending" && author !== me) this.report("proposed");
      else if (then === "pending" && now !== "pending" && (by !== me || now === "accepted")) this.report(now);
    }
    for (const id of requests) if (!before.requests.has(id)) this.report("asked");
    for (const id of comments) if (!before.comments.has(id) && state.comments[id].author !== me) this.report("said");
  }
}
