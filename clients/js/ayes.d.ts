// The client of an Ayes server, for browsers and for Node 20 or newer (before 22 over HTTP, if no WebSocket is given).
// What a field of the state means: docs/protocol.md, "what a room shows".

/** The way to the server: a WebSocket, or requests and streams over HTTP. */
export type Transport = "websocket" | "http";
export type Status = "idle" | "connecting" | "open" | "waiting" | "offline" | "stopped";

/** How to go on after an error: the `same` id again, a new id after a `fix`, the same id after `auth`, or `no` way. */
export type Retry = "same" | "fix" | "auth" | "no";
/** Whether the command had an effect; if `unknown`, the same id sent again settles it. */
export type Effect = "none" | "unknown";

/** The codes of the server (docs/protocol.md, "errors"), and seven of the client itself. */
export type ErrorCode =
  | "bad_frame" | "bad_request" | "unknown_type" | "too_large"
  | "unauthenticated" | "auth_expired" | "auth_early"
  | "forbidden" | "not_a_member" | "not_eligible" | "not_found"
  | "event_not_in_progress" | "event_finished" | "event_full"
  | "proposal_closed" | "already_resolved"
  | "target_gone" | "stale" | "revision_changed" | "stale_criteria" | "version_conflict"
  | "last_admin" | "limit_reached" | "invalid_transition" | "too_late" | "id_conflict"
  | "rate_limited" | "busy" | "draining" | "overloaded"
  | "timeout" | "commit_unknown" | "internal"
  /** The client was stopped; pending commands stay in the outbox. */
  | "stopped"
  /** The server closed for good, with the close code in `details.close`. */
  | "closed"
  /** `cancel` came before the command was ever sent. */
  | "cancelled"
  /** A command of `once` was not sent within the connection it was given on. */
  | "not_sent"
  /** The connection of a command of `once` broke before the answer, and the server knows of no answer. */
  | "unanswered"
  /** The room was left, or was closed by the server: `details.reason`. */
  | "room_closed"
  /** The connection to the server was lost, or not had; in `client.trouble` alone. */
  | "unreachable";

export interface ErrorDetails {
  /** The field that is wrong. */
  path?: string;
  /** The present version or number. */
  current?: number;
  status?: string;
  resolution?: Resolution;
  user?: string;
  role?: Role;
  by?: string;
  /** When it was decided; with `character`, the number of characters before that one. */
  at?: string | number;
  seq?: number;
  /** The character that a text may not contain, as `U+0007`. */
  character?: string;
  limit?: number;
  /** The limit that was reached, by the name of its setting. */
  name?: string;
  max_members?: number;
  /** The close code, if the server closed the connection. */
  close?: number;
  reason?: string;
}

export class AyesError extends Error {
  constructor(
    code: ErrorCode,
    message: string,
    more?: {
      effect?: Effect;
      retry?: Retry;
      details?: ErrorDetails;
      id?: string;
      event?: string;
      retryAfterMs?: number;
      replayed?: boolean;
    },
  );
  readonly code: ErrorCode;
  readonly effect: Effect;
  readonly retry: Retry;
  readonly details: ErrorDetails;
  /** The command that was refused, if it was one. */
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly retryAfterMs: number | undefined;
  /** This id was refused before, with this error. */
  readonly replayed: boolean;
}

// Messages of the server.

export interface User {
  id: string;
  name: string;
}

export interface Limits {
  message_bytes: number;
  batch: number;
  inflight: number;
  subscriptions: number;
  commands_per_second: number;
  burst: number;
}

export interface Welcome {
  type: "welcome";
  session: string;
  user: User;
  time: string;
  heartbeat_ms: number;
  limits: Limits;
  server: { version: string; protocol: string };
}

export interface Ack<Result = Record<string, unknown>> {
  type: "ack";
  id: string;
  event: string;
  /** Its place in the event's journal; the diff that reaches it shows what it did. */
  seq: number;
  hash: string;
  /** False if there was nothing to change. */
  applied: boolean;
  /** This id was answered before, with this ack. */
  replayed: boolean;
  result: Result;
}

export type EventStatus = "not_started" | "in_progress" | "paused" | "finished";
export type MembershipStatus = "pending" | "accepted" | "rejected" | "left" | "removed";
export type ProposalStatus = "pending" | "accepted" | "rejected" | "deleted";
/** An `organiser` may do what an admin may, and has no vote. */
export type Role = "admin" | "member" | "organiser";
export type Kind = "assumption" | "criterion" | "conclusion";
export type Category = "create" | "update" | "delete";
export type Resolution =
  | "auto_votes" | "admin" | "revert" | "expired"
  | "withdrawn" | "moderated" | "target_deleted" | "event_finished";

export type Stance = "agree" | "against" | "abstain";

/** `count` and `percent` have a `threshold`; `share` has the fields after it. */
export interface Rule {
  auto: boolean;
  rule: "count" | "percent" | "share";
  threshold?: number;
  /** A fraction of whole numbers, such as `2/3`. */
  share?: string;
  /** Strictly more than the share. */
  more_than?: boolean;
  of?: "members" | "votes";
}

/** The terms of a proposal's votes, as far as they differ from the defaults. */
export interface Terms {
  stances?: Stance[];
  decide?: "reached" | "close";
  tally?: "live" | "close";
  votes?: "secret" | "named";
  electorate?: "now" | "opening";
}

export interface Policy extends Terms {
  assumption: Rule;
  criterion: Rule;
  conclusion: Rule;
  membership_auto: boolean;
  quorum_percent?: number;
  min_open_seconds?: number;
  ttl_seconds?: number;
  proposer_votes?: boolean;
  /** Whether guests may join by the code. */
  guests?: boolean;
  ballot?: { method: BallotMethod; named: boolean };
}

/** The final ballot asks for one option, a set of options, or options in order, best first. */
export type BallotMethod = "single" | "approval" | "ranked";

/** Applicants see `id`, `subject` and `status` alone. */
export interface EventState {
  id: string;
  subject: string;
  status: EventStatus;
  entrance_code?: string;
  max_members?: number;
  policy?: Policy;
  policy_version?: number;
  criteria_rev?: number;
  created_at?: string;
  /** When the server starts the event. */
  starts_at?: string;
  /** When the server finishes the event; a pause moves it by its length. */
  ends_at?: string;
}

export interface Option {
  content: string;
  position: number;
}

export interface Assumption {
  content: string;
  version: number;
  position: number;
}

export interface Criterion {
  content: string;
  version: number;
  position: number;
  conclusion_version: number;
  conclusion?: string;
}

export interface Decision {
  agree: number;
  eligible: number;
  rule: Rule["rule"];
  policy_version: number;
  threshold?: number;
  share?: string;
  more_than?: boolean;
  of?: "members" | "votes";
  against?: number;
  abstain?: number;
}

export interface Proposal {
  kind: Kind;
  category: Category;
  author: string;
  status: ProposalStatus;
  revision: number;
  stale: boolean;
  created_at: string;
  /** Absent while the tally is hidden, as are `against` and `abstain`. */
  agree?: number;
  against?: number;
  abstain?: number;
  /** How many took part, if a vote may say more than agree. */
  voters?: number;
  terms?: Terms;
  /** How many may vote, if that is fixed; else `counts.members`. */
  eligible?: number;
  target?: string;
  base_version?: number;
  content?: string;
  reason?: string;
  resolution?: Resolution;
  resolution_reason?: string;
  resolved_by?: string;
  resolved_at?: string;
  decision?: Decision;
  opens_at?: string;
  expires_at?: string;
  reverts?: string;
  reverted_by?: string;
  /** Its place in the order of making; sort by this, not by times. */
  no?: number;
  /** Its place in the order of closing. */
  resolved_no?: number;
}

export interface Comment {
  author: string;
  content: string;
  version: number;
  created_at: string;
  proposal?: string;
  criterion?: string;
  /** Its place in the order of making; sort by this, not by times. */
  no?: number;
}

export interface Member {
  name: string;
  role: Role;
}

export interface JoinRequest {
  name: string;
  requested_at: string;
  /** The `seq` of the step that asked: what `upto` is compared with. */
  position?: number;
}

/** A personal way in, which admins see. */
export interface Invitation {
  name: string;
  status: "open" | "used" | "revoked";
  created_at: string;
  /** Its place in the order of making. */
  no: number;
  ref?: string;
  /** Who used it. */
  user?: string;
}

export interface Results {
  ballots: number;
  eligible: number;
  options: { option: string; votes: number; rank: number }[];
  criteria: { criterion: string; points: number; rank: number }[];
  /** Absent for `single`. */
  method?: BallotMethod;
  /** The rounds of a ranked count; `exhausted` ballots name no option that is still in. */
  rounds?: { options: { option: string; votes: number }[]; exhausted: number; out: string[] }[];
  /** The winner of a ranked count, or several that are tied. */
  winners?: string[];
}

/** A final ballot: `option`, or the `options` of an approval or ranked ballot. */
export interface Ballot {
  option?: string;
  options?: string[];
  /** Empty if the criteria were not ranked. */
  criterion_order: string[];
  criteria_rev: number;
  revision?: number;
}

/** What a room shows; collections are keyed by id. */
export interface State {
  readonly event: Readonly<EventState>;
  readonly options: Readonly<Record<string, Option>>;
  readonly assumptions: Readonly<Record<string, Assumption>>;
  readonly criteria: Readonly<Record<string, Criterion>>;
  readonly proposals: Readonly<Record<string, Proposal>>;
  readonly comments: Readonly<Record<string, Comment>>;
  readonly members: Readonly<Record<string, Member>>;
  /** Empty for applicants. */
  readonly counts: Readonly<{
    members?: number;
    ballots?: number;
    proposals?: number;
    comments?: number;
    /** How many ask to join; only for admins. */
    requests?: number;
    invitations?: number;
  }>;
  /** Only for admins. */
  readonly requests?: Readonly<Record<string, JoinRequest>>;
  readonly invitations?: Readonly<Record<string, Invitation>>;
  /** Only when finished. */
  readonly results?: Readonly<Results>;
}

/** What the user alone sees: membership, votes, ballot. */
export interface You {
  readonly membership: Readonly<{ status: MembershipStatus; role?: Role }>;
  /** Proposal → the revision voted for. */
  readonly votes: Readonly<Record<string, number>>;
  /** Proposal → what that vote says, if it is not `agree`. Older servers leave it out. */
  readonly stances?: Readonly<Record<string, Stance>>;
  readonly ballot?: Readonly<Ballot>;
}

// Commands and what they bring: docs/protocol.md, "every command".

export interface ProposalResult {
  status: ProposalStatus;
  resolution: Resolution;
  at: string;
  seq: number;
  by?: string;
}

export interface MembershipResult {
  user: string;
  status: MembershipStatus;
  by?: string;
  at?: string;
}

type Nothing = Record<string, never>;
/** `not_after`, RFC 3339: once the database's clock is past it, the command is `too_late`. */
type Timed = { not_after?: string };
type InEvent<Fields = unknown> = { event: string } & Timed & Fields;
type Plan = {
  [Name in keyof Omit<Policy, "ballot">]?: Policy[Name] extends Rule | undefined ? { [Field in keyof Rule]?: Rule[Field] | null } : Policy[Name] | null;
} & { ballot?: Partial<NonNullable<Policy["ballot"]>> | null };
type Item<Name extends string> = InEvent<Record<Name, string>>;
type OnMember = { args: InEvent<{ user: string }>; result: MembershipResult };
type OnProposal = { args: InEvent<{ proposal: string; reason?: string }>; result: ProposalResult };
/** With a hidden tally there is at most `voters` besides `eligible`. */
type Counted = { eligible: number; agree?: number; against?: number; abstain?: number; voters?: number };
/** The lists name 200 at most; the counts are whole. */
type Everybody = {
  approved: string[];
  waiting: string[];
  approved_count?: number;
  waiting_count?: number;
  rejected?: string[];
  rejected_count?: number;
};

export interface Commands {
  "event.create": {
    args: Timed & {
      subject: string;
      /** The creator's role; an organiser runs the event and has no vote in it. */
      as?: "admin" | "organiser";
      max_members?: number;
      policy?: Plan;
      options?: string[];
      assumptions?: string[];
      criteria?: string[];
      entrance_code?: string;
      starts_at?: string | null;
      ends_at?: string | null;
    };
    result: { event: string; entrance_code: string };
  };
  "event.update": {
    /** RFC 3339; `null` removes a time. */
    args: InEvent<{ subject?: string; max_members?: number; starts_at?: string | null; ends_at?: string | null }>;
    result: Nothing;
  };
  "event.set_policy": {
    args: InEvent<{ policy_version: number; policy: Plan }>;
    result: { policy_version: number; accepted: string[] };
  };
  "event.rotate_code": { args: InEvent; result: { entrance_code: string } };
  "event.start": { args: InEvent; result: { status: EventStatus } };
  "event.pause": { args: InEvent; result: { status: EventStatus } };
  "event.resume": { args: InEvent; result: { status: EventStatus } };
  "event.finish": { args: InEvent; result: { status: EventStatus } };
  "event.reopen": { args: InEvent; result: { status: EventStatus } };
  "option.add": { args: InEvent<{ content: string }>; result: { option: string } };
  "option.edit": { args: Item<"option"> & { content: string }; result: { option: string } };
  "option.remove": { args: Item<"option">; result: { option: string } };
  "assumption.add": { args: InEvent<{ content: string }>; result: { assumption: string; version: number } };
  "assumption.edit": {
    args: Item<"assumption"> & { version: number; content: string };
    result: { assumption: string; version: number };
  };
  "assumption.remove": {
    args: Item<"assumption"> & { version: number };
    result: { assumption: string; version: number };
  };
  "criterion.add": { args: InEvent<{ content: string }>; result: { criterion: string; version: number } };
  "criterion.edit": {
    args: Item<"criterion"> & { version: number; content: string };
    result: { criterion: string; version: number };
  };
  "criterion.remove": {
    args: Item<"criterion"> & { version: number };
    result: { criterion: string; version: number };
  };
  /** By a code, or by an invitation's secret. */
  "membership.join": { args: Timed & { code?: string; invitation?: string }; result: { event: string; status: "pending" | "accepted" } };
  "membership.rename": { args: InEvent<{ name: string }>; result: { name: string } };
  "membership.cancel": { args: InEvent; result: Nothing };
  "membership.leave": { args: InEvent<{ transfer_to?: string }>; result: { status: "left" } };
  "membership.approve": OnMember;
  "membership.reject": OnMember;
  "membership.remove": {
    /** `close_proposals`: their pending proposals are closed in the same step; works on former members too. */
    args: InEvent<{ user: string; close_proposals?: boolean }>;
    result: OnMember["result"] & { closed?: number };
  };
  "membership.approve_all": { args: InEvent<{ upto?: number }>; result: Everybody };
  "membership.reject_all": { args: InEvent<{ upto?: number }>; result: Everybody };
  /** Each person's secret; a repeat with the same id gives the same ones. 200 at most. */
  "invitation.create": {
    args: InEvent<{ people: { name: string; ref?: string }[] }>;
    result: { invitations: { invitation: string; name: string; secret: string }[] };
  };
  "invitation.revoke": { args: InEvent<{ invitation: string }>; result: { invitation: string; status: "revoked" } };
  /** Those who are members already stay as they are; 200 at most. */
  "membership.add": { args: InEvent<{ people: { user: string; name?: string }[] }>; result: { added: string[] } };
  "membership.set_role": { args: InEvent<{ user: string; role: Role }>; result: { user: string; role: Role } };
  "proposal.create": {
    args: InEvent<{
      kind: Kind;
      category: Category;
      target?: string;
      base_version?: number;
      content?: string;
      reason?: string;
    }>;
    result: { proposal: string; revision: number; status: ProposalStatus };
  };
  "proposal.withdraw": OnProposal;
  "proposal.reject": OnProposal;
  "proposal.moderate": OnProposal;
  "proposal.revert": {
    args: InEvent<{ proposal: string; reason?: string }>;
    result: ProposalResult & { proposal: string };
  };
  "proposal.rebase": {
    args: InEvent<{ proposal: string; base_version: number; content?: string }>;
    result: { revision: number };
  };
  "proposal.accept": { args: InEvent<{ proposal: string; allow_stale?: boolean }>; result: ProposalResult };
  "vote.cast": {
    args: InEvent<{ proposal: string; revision: number; stance?: Stance }>;
    result: Counted & { status: ProposalStatus };
  };
  "vote.retract": { args: InEvent<{ proposal: string }>; result: Counted };
  "ballot.submit": {
    /** `base`: the `revision` of the ballot that was shown, 0 for none; another one is not replaced. */
    args: InEvent<{
      /** Of a ballot of the method `single`. */
      option?: string;
      /** Of the other methods; ranked ones best first. */
      options?: string[];
      /** All criteria in order; left out if they are not ranked. */
      criterion_order?: string[];
      criteria_rev: number;
      base?: number;
    }>;
    result: Nothing;
  };
  "ballot.clear": { args: InEvent; result: Nothing };
  "comment.add": {
    args: InEvent<{ content: string; proposal?: string; criterion?: string }>;
    result: { comment: string };
  };
  "comment.edit": {
    args: Item<"comment"> & { version: number; content: string };
    result: { comment: string; version: number };
  };
  "comment.remove": { args: Item<"comment">; result: { comment: string } };
}

export type CommandType = keyof Commands;
/** What every command takes. */
export interface AnyCommand {
  /** RFC 3339; the option `notAfter` sets it by the server's clock. */
  not_after?: string;
  /** W3C `traceparent`: the trace that the command belongs to; no part of the command. */
  traceparent?: string;
}
export type Args<T extends CommandType> = Commands[T]["args"] & AnyCommand;
export type RoomArgs<T extends CommandType> = Omit<Args<T>, "event">;
export type AckOf<T extends CommandType> = Ack<Commands[T]["result"]>;

// Queries and their replies: docs/protocol.md, "Queries".

type Page<Name extends string, Listed> = { type: Name; event: string; next?: number } & Record<Name, (Listed & { id: string })[]>;
type PageArgs = { event: string; before?: number; limit?: number };

export interface Queries {
  "events.list": {
    args: { after?: string; limit?: number };
    reply: {
      type: "events";
      events: {
        id: string;
        subject: string;
        status: EventStatus;
        membership: "pending" | "accepted";
        seq: number;
        role?: Role;
      }[];
      next?: string;
    };
  };
  "event.overview": {
    args: { code: string };
    reply: {
      type: "overview";
      event: string;
      subject: string;
      status: EventStatus;
      options: (Option & { id: string })[];
      admins: string[];
      members: number;
      max_members: number;
      membership?: { status: MembershipStatus; role?: Role };
    };
  };
  "event.preview_policy": {
    args: { event: string; policy: Plan };
    reply: { type: "policy_preview"; event: string; would_accept: string[] };
  };
  "command.status": {
    args: { event: string; ids: string[] };
    reply: {
      type: "status";
      event: string;
      commands: (
        | { state: "committed"; id: string; ack: Ack }
        | { state: "refused"; id: string; error: Record<string, unknown> }
        | { state: "pending" | "absent"; id: string }
      )[];
    };
  };
  "comments.list": { args: PageArgs; reply: Page<"comments", Comment> };
  "proposals.list": { args: PageArgs; reply: Page<"proposals", Proposal> };
  "members.list": { args: PageArgs & { search?: string }; reply: Page<"members", Member> };
  /** Everybody who asked to join, newest first; for admins. */
  "requests.list": { args: PageArgs & { search?: string }; reply: Page<"requests", JoinRequest> };
  "invitations.list": { args: PageArgs & { search?: string }; reply: Page<"invitations", Invitation> };
  /** Who chose what, once an event whose ballot is `named` is finished. */
  "ballots.list": {
    args: { event: string; before?: string; limit?: number };
    reply: { type: "ballots"; event: string; ballots: (Ballot & { user: string; name?: string })[]; next?: string };
  };
  /** The proof that one's own ballot is in the journal. */
  "ballot.receipt": { args: { event: string }; reply: Receipt };
  /** Who said what, if the votes are named. */
  "votes.list": {
    args: { event: string; proposal: string; before?: string; limit?: number };
    reply: {
      type: "votes";
      event: string;
      proposal: string;
      votes: { user: string; stance: Stance; name?: string }[];
      next?: string;
    };
  };
  /** Who took part, in a proposal's votes or in the final ballot; for admins. */
  "turnout.list": {
    args: { event: string; proposal?: string; ballot?: boolean; before?: string; limit?: number };
    reply: {
      type: "turnout";
      event: string;
      turnout: { user: string; name?: string }[];
      proposal?: string;
      next?: string;
    };
  };
  ping: { args: Record<string, never>; reply: { type: "pong"; time: string } };
}

/** Entry `seq` of the journal is one's own ballot; `salt` makes the digests of `user`, `id` and `payload`. */
export interface Receipt {
  type: "receipt";
  event: string;
  seq: number;
  hash: string;
  user: string;
  id: string;
  salt: string;
  payload: string;
}

export type QueryType = keyof Queries;
/** `traceparent`: the trace that a query belongs to (W3C Trace Context). */
export type QueryArgs<T extends QueryType> = Queries[T]["args"] & { traceparent?: string };
/** A query about one event. */
export type RoomQueryType = { [T in QueryType]: Queries[T]["args"] extends { event: string } ? T : never }[QueryType];
export type RoomQueryArgs<T extends RoomQueryType> = Omit<QueryArgs<T>, "event">;
/** A query whose answer comes in pages. */
export type ListType = Extract<QueryType, `${string}.list`>;
type EntryIn<Reply> = Reply extends { type: infer Name extends keyof Reply } ? (Reply[Name] extends (infer One)[] ? One : never) : never;
/** One entry of a list. */
export type Listed<T extends ListType> = EntryIn<Queries[T]["reply"]>;

// The outbox: commands that have no answer yet, kept over a reload.

export interface Entry {
  id: string;
  type: string;
  event?: string;
  args: Record<string, unknown>;
  /** When the application gave the command; milliseconds since 1970. */
  since: number;
  /** The user whose command it is, if that was known. It is never sent as another user's. */
  user?: string;
  /** Whether it may have reached the server; entries of earlier versions do not say. */
  sent?: boolean;
  /** Milliseconds from `since` to its `not_after`, which is set when the server's clock is known. */
  lifetime?: number;
}

/** A store of entries. If a call fails, the client goes on without the store and emits `fault`. */
export interface Outbox {
  /** Take over the entries that no other open page holds, and return them oldest first. */
  load(): Promise<Entry[]>;
  put(entry: Entry): Promise<void>;
  remove(id: string): Promise<void>;
  /** Erase every entry of this user, those of other open pages too. Without it they are found by `load`. */
  forget?(user: string): Promise<void>;
  /** The page goes away: let other pages take over its entries. */
  release?(): void;
}

/** Kept in memory: gone with the page. */
export function memoryOutbox(): Outbox;
/** Kept in a `Storage`, such as `localStorage`, one item an entry, their keys beginning with `key`. */
export function storageOutbox(storage: Storage, key?: string): Outbox;
/** Kept in an IndexedDB database of this name. */
export function indexedDbOutbox(name?: string): Outbox;

// The client.

export interface Pending {
  readonly id: string;
  readonly type: string;
  readonly event: string | undefined;
  readonly args: Readonly<Record<string, unknown>>;
  /** When it was given; milliseconds since 1970. */
  readonly since: number;
  /** Whether it may have reached the server; false means that it never left. */
  readonly sent: boolean;
  readonly tries: number;
  /** Whether the outbox has it, so that it outlives the page. */
  readonly kept: boolean;
  /** The position of its ack, which its room does not show yet; absent while there is no answer. */
  readonly seq?: number;
}

export interface Clock {
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

export interface WebSocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: any) => void): void;
  removeEventListener(type: string, listener: (event: any) => void): void;
}

/**
 * Returns a JWT. It is called for every connection and before the token expires; `expired` is true if the server
 * refused the last one as expired, which a wrong clock hides. One that fails is called again within five seconds.
 */
export type TokenFunction = (asked: { expired: boolean }) => string | Promise<string>;

export interface ClientOptions {
  /** The JWT, or a function that returns one. */
  token?: string | TokenFunction;
  client?: { name?: string; version?: string };
  /** `null`, the default: commands without an answer end with the page. */
  outbox?: Outbox | null;
  WebSocket?: new (url: string, protocols?: string | string[]) => WebSocketLike;
  clock?: Clock;
  /**
   * Is given one sentence if there is no connection before the first welcome; `console.warn` if left out. `null`: no
   * warning.
   */
  warn?: ((text: string) => void) | null;
  /** A source of numbers from 0 up to 1, as `Math.random`; used for jitter only. */
  random?: () => number;
  /** Milliseconds a command may stay unanswered on an open socket before its id is sent again. */
  answerTimeout?: number;
  /** Milliseconds: the delay before the n-th try in a row is random below min(cap, base · 2ⁿ). */
  backoff?: { base?: number; cap?: number };
  /**
   * `auto`: a WebSocket, and HTTP while no WebSocket gets through or if there is none. `websocket` and `http`: that way
   * alone.
   */
  transport?: "auto" | Transport;
  fetch?: typeof globalThis.fetch;
  /** The target of `online`, `pagehide` and similar events: the page's window, or `null`. */
  page?: EventTarget | null;
}

export interface WaitOptions {
  /**
   * Ends the wait with the signal's reason: `AbortSignal.timeout(5_000)` is a deadline. Without a signal the wait
   * lasts until there is an answer, or until the client ends.
   */
  signal?: AbortSignal;
}

export interface UntilOptions extends WaitOptions {
  /** Milliseconds after which the wait ends with a `TimeoutError`. */
  timeout?: number;
}

export interface CommandOptions extends WaitOptions {
  /** The idempotency id: 8 to 64 of `A-Z a-z 0-9 _ -`. A fresh UUIDv7 if left out. */
  id?: string;
  /**
   * When the command is too late: a date, or a lifetime in milliseconds from now by the server's clock. The server
   * then answers `too_late`, and nothing has happened.
   */
  notAfter?: Date | number;
  /**
   * Send it within the present connection or never, for what cannot be undone. It is not kept in the outbox. It
   * rejects with `not_sent` without a connection. If the connection breaks before the answer, the next one asks
   * whether the command was decided, and does not send it again.
   */
  once?: boolean;
  /**
   * Send fields of a new event or of a policy that this version does not know, for a newer server. Without it they
   * reject with a `RangeError`: the server would ignore a misspelt one.
   */
  unchecked?: boolean;
}

export interface VoteOptions extends CommandOptions {
  /** The one that the room shows, if left out. */
  revision?: number;
  /** `agree`, if left out. */
  stance?: Stance;
}

export interface ReasonOptions extends CommandOptions {
  reason?: string;
}

export interface ProposeOptions extends CommandOptions {
  /** `create`, if left out. */
  category?: Category;
  /** The item to change; for a conclusion its criterion. */
  target?: string;
  /** The version that it is written for: the one that the room shows, if left out. */
  base_version?: number;
  reason?: string;
}

export interface CommentOptions extends CommandOptions {
  proposal?: string;
  criterion?: string;
}

export interface BallotOptions extends CommandOptions {
  /** That of the criteria; the one that the room shows, if left out. */
  revision?: number;
  /** The revision of the ballot that this one replaces, 0 for none. If left out, any is replaced. */
  base?: number;
}

export interface CreateOptions extends CommandOptions, Partial<Omit<Args<"event.create">, "subject" | "as">> {
  /** Run the event without a vote in it. */
  organiser?: boolean;
}

/** Why there is no connection to the server. */
export interface Trouble {
  /** `token`: the token function failed. */
  readonly where: "token" | "server";
  readonly error: unknown;
  /** Since when, in milliseconds since 1970. */
  readonly since: number;
}

export interface ClientEvents {
  status: CustomEvent<{ status: Status; before: Status; retryAt: number | null; trouble: Trouble | null }>;
  /** The transport of the next connection. */
  transport: CustomEvent<{ transport: Transport }>;
  welcome: CustomEvent<Welcome>;
  /** The pending commands have changed. */
  pending: CustomEvent<{ pending: readonly Pending[] }>;
  bye: CustomEvent<{ code: number; retryAfterMs: number; message: string }>;
  /** The server closed for good (4500 to 4999): `details.close` has the code. */
  ended: CustomEvent<{ error: AyesError }>;
  acked: CustomEvent<{ id: string; ack: Ack }>;
  /** A command was refused for good; its promise was rejected with the same error. */
  refused: CustomEvent<{ id: string; error: AyesError }>;
  /** A failure outside any command: the token function failed, or the outbox cannot write. */
  fault: CustomEvent<{
    where: "token" | "outbox" | "server";
    error: unknown;
    /** The command that the outbox could not keep. */
    id?: string;
  }>;
}

export class Client extends EventTarget {
  constructor(url: string | URL, options?: ClientOptions);

  readonly status: Status;
  /** The transport of the present or next connection. */
  readonly transport: Transport;
  readonly user: User | undefined;
  readonly limits: Limits | undefined;
  readonly session: string | undefined;
  /** When the next connection is tried (milliseconds since 1970), or `null`. */
  readonly retryAt: number | null;
  /** Why there is no connection to the server; `null` while there is one, and before the first try has failed. */
  readonly trouble: Trouble | null;
  /** Commands without an answer, oldest first; before them those that were acked and whose room is not at `seq` yet. */
  readonly pending: readonly Pending[];
  /** The server's time in milliseconds since 1970; the local clock's before the first welcome. */
  now(): number;
  /** The present user's commands without an answer, oldest first. */
  waiting(): readonly Pending[];
  /** The first welcome; rejects if the server closes for good before. */
  readonly ready: Promise<Welcome>;
  /** Resolves when the outbox was read: the commands left in it are in `pending`. */
  readonly loaded: Promise<void>;
  /** Rooms entered and not left, by event. */
  readonly rooms: ReadonlyMap<string, Room>;

  /** Connect and stay connected; does nothing if that has begun. */
  start(): this;
  /** Connect now instead of at `retryAt`, even if the server asked for a longer delay. */
  retry(): void;
  /** Stop, and erase every command of this user from the outbox. Rejects if they could not be erased. */
  forgetUser(): Promise<void>;
  /** Close. Every wait rejects with `stopped`; commands stay in the outbox. */
  stop(): Promise<void>;

  /**
   * Enter a room; the same object for the same event. It stays entered until each caller has left it once. `signal`
   * ends the wait: the room stays entered, and its caller has nothing to leave.
   */
  subscribe(event: string, options?: WaitOptions): Promise<Room>;
  /** Make an event, and enter its room, which shows it. With the `id` of an event made before, that one is entered. */
  createEvent(subject: string, options?: CreateOptions): Promise<Room>;
  /**
   * Join by an entrance code, or by the secret of an invitation, and enter the room. If an admin decides,
   * `room.you.membership.status` is `pending` until then.
   */
  join(by: string | { code: string } | { invitation: string }, options?: CommandOptions): Promise<Room>;
  /** Give a command. `signal` ends the wait, not the command: `adopt` finds it again, `cancel` may take it back. */
  command<T extends CommandType>(type: T, args: Args<T>, options?: CommandOptions): Promise<AckOf<T>>;
  /** Send a query; it is not sent again once `signal` has ended the wait. */
  query<T extends QueryType>(
    type: T,
    args?: QueryArgs<T>,
    options?: WaitOptions,
  ): Promise<Queries[T]["reply"]>;
  /** Each entry of a list, in its order; the pages are asked for as they are needed. */
  paged<T extends ListType>(
    type: T,
    args?: QueryArgs<T>,
    options?: WaitOptions,
  ): AsyncGenerator<Listed<T>, void, undefined>;
  /** The promise of a pending command, such as one from before a reload; `not_found` if no command of this id waits. */
  adopt<T extends CommandType = CommandType>(id: string): Promise<AckOf<T>>;
  /** Take back a command that was never sent; return false if it may have been. */
  cancel(id: string): boolean;
  /** The same, and resolve once the outbox has erased it, so that no reload brings it back. */
  takeBack(id: string): Promise<boolean>;

  /** Call `listener` with each event's `detail`; return the function that ends it. */
  on<K extends keyof ClientEvents>(type: K, listener: (detail: ClientEvents[K]["detail"]) => void): () => void;
  /** Call `listener` after each change of the client's own properties; return the function that ends it. */
  watch(listener: () => void): () => void;
  addEventListener<K extends keyof ClientEvents>(
    type: K,
    listener: ((event: ClientEvents[K]) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof ClientEvents>(
    type: K,
    listener: ((event: ClientEvents[K]) => void) | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** What became of a proposal. Numbers are those of the decision; null if there was none. */
export interface Outcome {
  /** Whether it was accepted. */
  readonly carried: boolean;
  readonly status: Exclude<ProposalStatus, "pending">;
  readonly how: Resolution;
  /** The user whose step closed it; null if votes or the server did. */
  readonly by: string | null;
  readonly at: string | null;
  readonly reason: string | null;
  readonly agree: number | null;
  readonly against: number | null;
  readonly abstain: number | null;
  readonly eligible: number | null;
}

/** How a proposal stands: what the room shows, with the user's own vote that is on its way. */
export interface Tally {
  /** Null while the tally is hidden, as are `against` and `abstain`. */
  readonly agree: number | null;
  readonly against: number | null;
  readonly abstain: number | null;
  /** How many took part by the server's count; null if it gives none. */
  readonly voters: number | null;
  /** What the user's own vote says; null without one. */
  readonly mine: Stance | null;
  /** Whether a vote or a retraction of the user is on its way, or was acked and is not shown yet. */
  readonly sending: boolean;
  /** How many may vote. */
  readonly eligible: number;
  /** The least number of agreeing votes that carries it; null if no number does. */
  readonly needed: number | null;
  /** The least number that must take part; null without a quorum. */
  readonly quorum: number | null;
  /** Whether the counts are shown to nobody before the close. */
  readonly hidden: boolean;
  /** Whether votes alone decide it. */
  readonly automatic: boolean;
  /** Whether votes decide at `expires_at` only. */
  readonly atClose: boolean;
  /** What a vote may say. */
  readonly stances: readonly Stance[];
  /** Null while it is pending. */
  readonly outcome: Outcome | null;
}

/** Why a snapshot came; `lag` also if a reader of changes was too slow and several became one. */
export type Reason = "initial" | "gap" | "epoch" | "ahead" | "lag" | "role";

export interface Change {
  /** The position before. */
  readonly from: number;
  readonly seq: number;
  /** The change as an RFC 7396 merge patch; absent if a snapshot came. */
  readonly patch?: Readonly<Record<string, unknown>>;
  /** Set if a snapshot came. */
  readonly reason?: Reason;
}

export type ClosedReason = "client" | "removed" | "left" | "revoked" | "stopped" | ErrorCode;

export interface RoomEvents {
  change: CustomEvent<Change>;
  you: CustomEvent<{ seq: number; patch?: Readonly<Record<string, unknown>> }>;
  presence: CustomEvent<{ online: number }>;
  /** `live` has changed. */
  live: CustomEvent<{ live: boolean }>;
  closed: CustomEvent<{ reason: ClosedReason; error?: AyesError }>;
  /** The user's commands of this event that the room does not show yet have changed. */
  pending: CustomEvent<Record<string, never>>;
  /** A proposal was closed, by whatever way. */
  decided: CustomEvent<{ proposal: string; outcome: Outcome }>;
  /** The room shows a member that it did not show before. */
  joined: CustomEvent<{ user: string; name: string; role: Role }>;
  finished: CustomEvent<{ results: Results | undefined }>;
}

/** The present state of one event. Values are replaced, never changed in place. */
export class Room extends EventTarget implements AsyncIterable<Change> {
  private constructor();
  readonly event: string;
  readonly state: State;
  readonly you: You;
  readonly seq: number;
  readonly epoch: string;
  /** Connected members, once the server has sent their number. */
  readonly online: number | undefined;
  /** Whether the state follows the server; false while disconnected. */
  readonly live: boolean;
  /** Why it was closed; undefined while it is open. */
  readonly closed: ClosedReason | undefined;
  /** The user's commands of this event that the room does not show yet, oldest first: a part of `client.pending`. */
  readonly pending: readonly Pending[];

  /**
   * How a proposal stands, with the user's own vote on its way counted once at every moment; undefined if the room
   * does not show the proposal.
   */
  tally(proposal: string): Tally | undefined;
  /** Resolves once the room has reached `seq`, such as that of an ack. */
  reached(seq: number, options?: WaitOptions): Promise<void>;
  /**
   * Resolves with what `look` returns as soon as that is true: it is called now, and after each change of the room.
   * Rejects if the room is closed, or with what `look` throws.
   */
  until<T>(look: (room: Room) => T, options?: UntilOptions): Promise<Exclude<T, false | 0 | "" | null | undefined>>;
  /** Resolves with what became of a proposal, once the room shows that it was closed. */
  decided(proposal: string, options?: UntilOptions): Promise<Outcome>;
  /** The room after each `interval` ms, until `until(room)` is true or the room is closed. */
  every(
    interval: number,
    options?: WaitOptions & { until?: (room: Room) => unknown },
  ): AsyncGenerator<Room, void, undefined>;
  /** Leave the room, not the event. It is closed once each caller of `subscribe` has left it. */
  leave(): Promise<void>;

  command<T extends CommandType>(type: T, args?: RoomArgs<T>, options?: CommandOptions): Promise<AckOf<T>>;
  /** Send a query about this event. */
  query<T extends RoomQueryType>(type: T, args?: RoomQueryArgs<T>, options?: WaitOptions): Promise<Queries[T]["reply"]>;
  /** Each entry of a list of this event, in its order; the pages are asked for as they are needed. */
  paged<T extends ListType & RoomQueryType>(
    type: T,
    args?: RoomQueryArgs<T>,
    options?: WaitOptions,
  ): AsyncGenerator<Listed<T>, void, undefined>;
  /** Vote on a proposal in the revision that the room shows, or in `revision`. */
  vote(proposal: string, options?: VoteOptions): Promise<AckOf<"vote.cast">>;
  retract(proposal: string, options?: CommandOptions): Promise<AckOf<"vote.retract">>;
  /** Accept a proposal, as an admin. */
  approve(
    proposal: string,
    options?: CommandOptions & { allow_stale?: boolean },
  ): Promise<AckOf<"proposal.accept">>;
  /** Reject a proposal, as an admin. */
  reject(proposal: string, options?: ReasonOptions): Promise<AckOf<"proposal.reject">>;
  /** Withdraw one's own proposal. */
  withdraw(proposal: string, options?: ReasonOptions): Promise<AckOf<"proposal.withdraw">>;
  /** Propose a change; `content` is undefined for a deletion. */
  propose(kind: Kind, content?: string, options?: ProposeOptions): Promise<AckOf<"proposal.create">>;
  /** Comment on a proposal or a criterion. */
  comment(content: string, options?: CommentOptions): Promise<AckOf<"comment.add">>;
  /**
   * Submit the final ballot: an option, or a list of them for an approval or ranked one; and all criteria, the most
   * important first, if they are ranked.
   */
  ballot(option: string | string[], criteria?: string[], options?: BallotOptions): Promise<AckOf<"ballot.submit">>;
  /** Let in everyone who had asked by position `upto`, as an admin; by the one that the room shows if left out. */
  approveAll(options?: CommandOptions & { upto?: number }): Promise<AckOf<"membership.approve_all">>;
  /** Turn away everyone who had asked by position `upto`, as an admin; by the one that the room shows if left out. */
  rejectAll(options?: CommandOptions & { upto?: number }): Promise<AckOf<"membership.reject_all">>;
  /** Make users members without a request of theirs, as an admin. */
  addMembers(
    people: Iterable<string | { user: string; name?: string }>,
    options?: CommandOptions,
  ): Promise<AckOf<"membership.add">>;
  /** Start the event, as an admin. */
  start(options?: CommandOptions): Promise<AckOf<"event.start">>;
  /** Pause the event, as an admin. */
  pause(options?: CommandOptions): Promise<AckOf<"event.pause">>;
  /** Go on after a pause, as an admin. */
  resume(options?: CommandOptions): Promise<AckOf<"event.resume">>;
  /** Finish the event, as an admin. */
  finish(options?: CommandOptions): Promise<AckOf<"event.finish">>;

  [Symbol.asyncIterator](): AsyncIterator<Change, void, undefined>;

  /** Call `listener` with each event's `detail`; return the function that ends it. */
  on<K extends keyof RoomEvents>(type: K, listener: (detail: RoomEvents[K]["detail"]) => void): () => void;
  /** Call `listener` after each change of anything that the room shows; return the function that ends it. */
  watch(listener: () => void): () => void;
  addEventListener<K extends keyof RoomEvents>(
    type: K,
    listener: ((event: RoomEvents[K]) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof RoomEvents>(
    type: K,
    listener: ((event: RoomEvents[K]) => void) | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** `target` with the RFC 7396 merge patch applied; neither is changed. */
export function mergePatch<T>(target: T, patch: unknown): T;
/** A fresh UUIDv7, fit for an idempotency id. */
export function newId(): string;
/** The least number of agreeing votes that `rule` asks for; null if no number is enough. */
export function needed(
  rule: Rule | Decision,
  votes: { eligible: number; against?: number; atClose?: boolean },
): number | null;
/** The least number of members that must take part, or null without a quorum. */
export function quorum(policy: Pick<Policy, "quorum_percent">, eligible: number): number | null;
/** The terms of a proposal, the defaults among them. */
export function termsOf(proposal: Pick<Proposal, "terms">): Required<Terms>;
