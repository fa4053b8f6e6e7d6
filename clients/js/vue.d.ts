// Ayes for Vue 3.

import type { ComputedRef, MaybeRefOrGetter, Plugin, ShallowRef } from "vue";

import type { AyesError, Client, ClientOptions, Outcome, Proposal, Room, State, Tally } from "./ayes.js";
import type { BallotActs, BallotView, Connection, ProposalActs } from "./views.js";

export type { BallotActs, BallotView, Connection, ProposalActs };

/** A plugin for `app.use`: a `client` of the application's own, or one made of `url` and the options of a `Client`. */
export function createAyes(
  options: { client: Client } | ({ url: string | URL } & Omit<ClientOptions, "client">),
): Plugin & { readonly client: Client | null };

/** The client; null while rendering on a server. */
export function useAyes(): Client | null;
export function useConnection(): { readonly [Name in keyof Connection]: ComputedRef<Connection[Name]> } & {
  /** Seconds until the next try, or null. */
  readonly retryIn: ComputedRef<number | null>;
  retry(): void;
};
/** The room of an event, entered for as long as the component lives; `error` refused or closed it. */
export function useRoom(event: MaybeRefOrGetter<string>): {
  readonly room: ShallowRef<Room | undefined>;
  readonly error: ShallowRef<AyesError | null>;
};
/** What `select` returns; undefined while there is no room. */
export function useRoomState(room: MaybeRefOrGetter<Room | undefined>): ComputedRef<State | undefined>;
export function useRoomState<T>(
  room: MaybeRefOrGetter<Room | undefined>,
  select: (state: State, room: Room) => T,
): ComputedRef<T | undefined>;
/** One proposal; `proposal` and `tally` are undefined while the room does not show it. */
export function useProposal(room: MaybeRefOrGetter<Room | undefined>, id: MaybeRefOrGetter<string>): ProposalActs & {
  readonly proposal: ComputedRef<Proposal | undefined>;
  readonly tally: ComputedRef<Tally | undefined>;
  readonly outcome: ComputedRef<Outcome | null>;
  /** The last refusal. */
  readonly error: ShallowRef<AyesError | null>;
};
export function useBallot(room: MaybeRefOrGetter<Room | undefined>): BallotActs & {
  readonly ballot: ComputedRef<BallotView | undefined>;
  readonly error: ShallowRef<AyesError | null>;
};
export function usePresence(room: MaybeRefOrGetter<Room | undefined>): {
  readonly online: ComputedRef<number | undefined>;
  readonly live: ComputedRef<boolean | undefined>;
};
