// What the bindings for frameworks show, and the acts that they offer.

import type { AckOf, Ballot, BallotMethod, BallotOptions, Criterion, Option, Results, Stance, Status, Transport, User } from "./ayes.js";

/** The connection to the server. */
export interface Connection {
  readonly status: Status;
  readonly transport: Transport;
  /** When the next connection is tried (milliseconds since 1970), or null. */
  readonly retryAt: number | null;
  /** Why there is no connection, or null. */
  readonly why: string | null;
  /** `token`: the token function failed. */
  readonly where: "token" | "server" | null;
  readonly user: User | null;
}

/** The final ballot of a room. */
export interface BallotView {
  readonly method: BallotMethod;
  /** Whether a ballot may be submitted now. */
  readonly isOpen: boolean;
  readonly sending: boolean;
  readonly options: readonly (Option & { id: string })[];
  readonly criteria: readonly (Criterion & { id: string })[];
  /** The user's own ballot, or null. */
  readonly ballot: Readonly<Ballot> | null;
  readonly results: Readonly<Results> | null;
  /** How many were submitted; null if that is not shown. */
  readonly submitted: number | null;
}

export interface ProposalActs {
  /** Agree, or vote for another stance. Never rejects; undefined if it was refused, with the reason in `error`. */
  vote(stance?: Stance | object): Promise<AckOf<"vote.cast"> | undefined>;
  retract(): Promise<AckOf<"vote.retract"> | undefined>;
  /** Forget the error. */
  dismiss(): void;
}

export interface BallotActs {
  submit(option: string | string[], criteria?: string[], options?: BallotOptions): Promise<AckOf<"ballot.submit"> | undefined>;
  clear(): Promise<AckOf<"ballot.clear"> | undefined>;
  dismiss(): void;
}
