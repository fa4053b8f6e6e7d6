// For the tests of applications, in Node.

import type { Args, Client, ClientOptions, Room, State, You } from "./ayes.js";

export interface Ayes {
  /** The server's address. */
  readonly url: string;
  /** A token of `user`; `seconds`: its life, an hour if left out. */
  token(user: string, options?: { name?: string; seconds?: number }): string;
  /** A client of `user` that is connected; it is stopped with the server. */
  client(user: string, options?: ClientOptions): Promise<Client>;
  /** An event in progress: the room of its admin `by`. `members` are accepted members of it. */
  decision(
    options?: { by?: string; members?: string[] } & Partial<Omit<Args<"event.create">, "as">>,
  ): Promise<Room>;
  /** Let `users` agree with a proposal of the room's event. */
  vote(room: Room, proposal: string, ...users: string[]): Promise<Room>;
  /**
   * Move the clock by which the server decides: schedules, expiries, `notAfter`. It goes on from there. Tokens
   * of `token` follow it; those made before may have expired. The first call ends the server's connections to its
   * database, which it opens again.
   */
  advance(seconds: number): Promise<void>;
  /** Stop the clients and the server, and remove its database. */
  stop(): Promise<void>;
}

/**
 * Start a real server with a database of its own. `command`: the program and its first arguments; `AYES_BIN`, else
 * `ayes`, if left out. `settings`: more of its environment.
 */
export function startAyes(options?: { command?: string | string[]; settings?: Record<string, string> }): Promise<Ayes>;

/** Deep parts of the state; what is left out is empty. */
type Shown = { [Name in keyof State]?: Name extends "event" ? Partial<State["event"]> : State[Name] };

export interface FakeRoom extends Room {
  /** The commands that were given. */
  readonly given: readonly { id: string; type: string; args: Record<string, unknown> }[];
  /** Show these from now on, and call every listener. */
  set(next: { state?: Shown; you?: Partial<You>; online?: number; live?: false }): FakeRoom;
}

/** A room without a server, set by hand. `answer(type, args)` returns the result of a command, or throws its refusal. */
export function fakeRoom(options?: {
  event?: string;
  state?: Shown;
  you?: You;
  answer?: (type: string, args: Record<string, unknown>) => unknown;
}): FakeRoom;
