// Ayes for pages without a framework: importing this defines <ayes-room> and <ayes-proposal>.

import type { AyesError, Client, Outcome, Room } from "./ayes.js";

/**
 * Attributes: `server`, `event`, `token-from` (an address of the page's own backend that answers with a token),
 * `lang`. An element takes those that it lacks from the nearest <ayes-room> around it.
 */
export class AyesElement extends HTMLElement {
  /** A client of the page's own, in place of `server` and `token-from`. */
  client: Client | null;
  /** The room, once it is entered. */
  readonly room: Room | undefined;
}
/** The open proposals of an event, or the elements that stand in it. */
export class AyesRoom extends AyesElement {}
/** One proposal, named by the attribute `proposal`. */
export class AyesProposal extends AyesElement {}

declare global {
  interface HTMLElementTagNameMap {
    "ayes-room": AyesRoom;
    "ayes-proposal": AyesProposal;
  }
  interface HTMLElementEventMap {
    "ayes-decided": CustomEvent<{ proposal: string; outcome: Outcome }>;
    "ayes-error": CustomEvent<{ error: AyesError }>;
  }
}
