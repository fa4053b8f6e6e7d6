// Ways into a room that begin with a command.

import { ignorable } from "../deferred.js";
import { Emitter } from "../emitter.js";
import { pages } from "./paging.js";

/** A client without its connection: `command`, `query` and `subscribe` are the client's. */
export class Entering extends Emitter {
  createEvent(subject, { organiser, id, signal, notAfter, once, unchecked, ...args } = {}) {
    const wanted = { subject, ...args, ...(organiser && { as: "organiser" }) };
    return ignorable(this.#create(wanted, { id, signal, notAfter, once, unchecked }));
  }

  join(by, options) {
    return ignorable(this.#join(typeof by === "string" ? { code: by } : by, options));
  }

  paged(type, args, options) {
    return pages((wanted) => this.query(type, wanted, options), type, args);
  }

  async #create(args, options) {
    const { event, seq } = await this.command("event.create", args, options);
    const room = await this.subscribe(event, options);
    try {
      await room.reached(seq, options);
    } catch (error) {
      room.leave();
      throw error;
    }
    return room;
  }

  async #join(args, options) {
    const { event } = await this.command("membership.join", args, options);
    return this.subscribe(event, options);
  }
}
