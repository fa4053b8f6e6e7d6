// Ayes for React 18 and 19.

import type { FunctionComponent, ReactNode } from "react";

import type { AyesError, Client, ClientOptions, Outcome, Proposal, Room, State, Tally } from "./ayes.js";
import type { BallotActs, BallotView, Connection, ProposalActs } from "./views.js";

export type { BallotActs, BallotView, Connection, ProposalActs };

/** A `client` of the application's own, or one of the provider's, made of `url` and the options of a `Client`. */
export const AyesProvider: FunctionComponent<
  { children?: ReactNode } & ({ client: Client } | ({ url: string | URL } & Omit<ClientOptions, "client">))
>;

/** The client; null while rendering on a server. */
export function useAyes(): Client | null;
export function useConnection(): Connection & {
  /** Seconds until the next try, or null. */
  readonly retryIn: number | null;
  retry(): void;
};
/**
 * The room of an event, entered for as long as a component uses it. Suspends until it is entered; throws the error that
 * refused or closed it.
 */
export function useRoom(event: string, options?: { suspense?: true }): Room;
export function useRoom(event: string, options: { suspense: false }): Room | undefined;
/** What `select` returns; the component is drawn again when that is another value by `isEqual` (`Object.is`). */
export function useRoomState(room: Room): State;
export function useRoomState<T>(room: Room, select: (state: State, room: Room) => T, isEqual?: (one: T, other: T) => boolean): T;
/** One proposal; `proposal` and `tally` are undefined while the room does not show it. */
export function useProposal(room: Room, id: string): ProposalActs & {
  readonly proposal: Proposal | undefined;
  readonly tally: Tally | undefined;
  readonly outcome: Outcome | null;
  /** The last refusal. */
  readonly error: AyesError | null;
};
export function useBallot(room: Room): BallotView & BallotActs & { readonly error: AyesError | null };
export function usePresence(room: Room): { readonly online: number | undefined; readonly live: boolean };
