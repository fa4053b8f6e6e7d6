// Acts of admins apart from proposals: roles given and new entrance codes. They are in the event's
// journal, which the server shows to admins over HTTP. It is read backwards, as far as needed.

import { HOME } from "./signin/server.js";

/** Steps asked for at a time; the server gives no more. */
const PAGE = 200;
/** Pages searched at one press, since many pages may have no such act. */
const MAX_PAGES = 5;
const ANSWER_MS = 10_000;

export class Journal {
  /** Newest first: `{seq, at, by, what: "admin" | "member" | "heir" | "code", user?, code?}`. */
  items = [];
  loading = false;
  error = null;
  /** Something of the kind has happened since it was read. */
  stale = true;
  /** The steps read, both included. */
  #first = null;
  #last = null;

  /** `token()` gives a token; `changed` is called when there is something to show. */
  constructor(event, token, changed) {
    Object.assign(this, { event, token, changed });
  }

  /** The number of steps before those that were read. */
  get left() {
    return this.#first === null ? 0 : this.#first - 1;
  }

  /** A room's change came: may it be of the kind? */
  heard({ patch }) {
    if (!patch || patch.members || patch.event?.entrance_code) this.stale = true;
  }

  /** Read the steps since the last reading, up to `top`; at first the newest pages. */
  newer(top) {
    this.stale = false;
    return this.#read(async () => {
      // Much has happened, or the database was restored: from the top again.
      if (this.#last === null || this.#last > top || top - this.#last > PAGE * MAX_PAGES) {
        this.items = [];
        [this.#first, this.#last] = [top + 1, top];
      }
      if (this.#first > this.#last) await this.#back();
      while (this.#last < top) {
        const lines = await this.#lines(this.#last, Math.min(PAGE, top - this.#last));
        if (lines.length === 0) return;
        this.items.unshift(...told(lines));
        this.#last = lines.at(-1).seq;
      }
    });
  }

  /** Further back. */
  older() {
    return this.#read(() => this.#back());
  }

  /** Back to the next of the kind, but not for ever. */
  async #back() {
    const before = this.items.length;
    for (let page = 0; page < MAX_PAGES && this.left > 0 && this.items.length === before; page += 1) {
      const after = Math.max(0, this.left - PAGE);
      const lines = await this.#lines(after, this.left - after);
      this.items.push(...told(lines));
      this.#first = after + 1;
    }
  }

  async #read(work) {
    if (this.loading) return;
    this.loading = true;
    this.error = null;
    try {
      await work();
    } catch (error) {
      this.error = error;
    }
    this.loading = false;
    this.changed();
  }

  async #lines(after, limit) {
    const url = new URL(`v1/events/${encodeURIComponent(this.event)}/journal`, HOME);
    url.search = new URLSearchParams({ after, limit });
    let body;
    try {
      const headers = { authorization: `Bearer ${await this.token()}` };
      const signal = AbortSignal.timeout(ANSWER_MS);
      const response = await fetch(url, { headers, signal, credentials: "omit", cache: "no-store", redirect: "error" });
      body = await response.json();
      if (response.ok) return body.lines;
    } catch (cause) {
      throw Object.assign(new Error("no answer", { cause }), { code: "unreachable" });
    }
    throw Object.assign(new Error(body.message), { code: body.code, details: body.details });
  }
}

/** Those of these lines that are of the kind, newest first. */
function told(lines) {
  return lines.map(read).filter(Boolean).reverse();
}

function read({ seq, at, user: by, command, payload, answer }) {
  if (!KINDS[command]) return null;
  const { applied, result } = JSON.parse(answer);
  const found = applied && KINDS[command](JSON.parse(payload), result);
  return found ? { seq, at, by, ...found } : null;
}

const KINDS = {
  "membership.set_role": ({ user, role }) => ({ what: role, user }),
  "membership.leave": ({ transfer_to: user }) => user && { what: "heir", user },
  "event.rotate_code": (_, { entrance_code: code }) => ({ what: "code", code }),
};
