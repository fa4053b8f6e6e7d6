// Ayes for React 18 and 19: a provider with one client, and hooks that show rooms, proposals, ballots and the connection.

import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { Client } from "./ayes.js";
import { held } from "./src/bindings/held.js";
import { Acting, ballotOf, connectionOf, steady } from "./src/bindings/views.js";

const Context = createContext(null);
const isServer = typeof window === "undefined";
const NOWHERE = Object.freeze({ status: "idle", transport: "websocket", retryAt: null, why: null, where: null, user: null });
const nothing = () => {};

/**
 * One client for the components below: `client`, which its owner starts and stops, or one of the provider's own, made
 * of `url` and the options of a `Client` and running while the provider is mounted.
 */
export function AyesProvider({ client: given, url, children, ...options }) {
  const [own] = useState(() => (given || isServer ? null : new Client(url, options)));
  const client = given ?? own;
  const stopping = useRef(null);
  useEffect(() => {
    if (!own) return undefined;
    // StrictMode unmounts and mounts again in one turn; the client runs on.
    clearTimeout(stopping.current);
    own.start();
    return () => {
      stopping.current = setTimeout(() => own.stop());
    };
  }, [own]);
  return createElement(Context.Provider, { value: { client } }, children);
}

/** The client; null while rendering on a server. */
export function useAyes() {
  const found = useContext(Context);
  if (!found) throw new Error("there is no <AyesProvider> above this component");
  return found.client;
}

/** The connection to the server: why there is none, and the seconds until the next try. */
export function useConnection() {
  const client = useAyes();
  const look = useMemo(() => (client ? steady(() => connectionOf(client)) : () => NOWHERE), [client]);
  const watch = useCallback((changed) => client?.watch(changed) ?? nothing, [client]);
  const found = useSyncExternalStore(watch, look, () => NOWHERE);
  const [, tick] = useState(0);
  const { retryAt } = found;
  useEffect(() => {
    if (retryAt === null) return undefined;
    const timer = setInterval(() => tick((count) => count + 1), 1_000);
    return () => clearInterval(timer);
  }, [retryAt]);
  const retry = useCallback(() => client?.retry(), [client]);
  const retryIn = retryAt === null ? null : Math.max(0, Math.ceil((retryAt - Date.now()) / 1_000));
  return { ...found, retryIn, retry };
}

/**
 * The room of `event`, for as long as a component uses it. Suspends until it is entered; throws the error that refused
 * or closed it. With `suspense: false` it is undefined until then. On a server it is not entered: the nearest
 * `<Suspense>` shows its fallback, which the browser replaces.
 */
export function useRoom(event, { suspense = true } = {}) {
  const client = useAyes();
  // What it uses stays its own when it is closed: a removed member is shown that, and does not ask again.
  const used = useRef(null);
  const isUsed = used.current !== null && used.current.client === client && used.current.event === event;
  const entry = isUsed ? used.current : client ? held(client, event) : null;
  const [, again] = useState(0);
  useEffect(() => {
    if (!entry) return undefined;
    used.current = entry;
    let isHere = true;
    const redraw = () => isHere && again((count) => count + 1);
    const release = entry.use();
    let undo = nothing;
    entry.settled.then(() => {
      if (!isHere) return;
      undo = entry.room?.on("closed", redraw) ?? nothing;
      redraw();
    });
    return () => {
      isHere = false;
      used.current = null;
      undo();
      release();
    };
  }, [entry]);
  if (entry === null) {
    if (suspense) throw new Error("rooms are entered in the browser: <Suspense> shows its fallback until then");
    return undefined;
  }
  if (entry.error) throw entry.error;
  if (entry.room === undefined && suspense) throw entry.settled;
  return entry.room;
}

/** What `select(state, room)` returns, again whenever it is another value by `isEqual`. */
export function useRoomState(room, select = (state) => state, isEqual = Object.is) {
  const last = useRef({});
  const look = () => {
    const { state, you, seq, online, live, pending } = room;
    const before = last.current;
    const isSame = before.room === room && before.state === state && before.you === you && before.seq === seq;
    const isAlike = before.online === online && before.live === live && before.pending === pending.length;
    if (isSame && isAlike && before.select === select) return before.value;
    const next = select(state, room);
    const value = "value" in before && isEqual(before.value, next) ? before.value : next;
    last.current = { room, state, you, seq, online, live, select, pending: pending.length, value };
    return value;
  };
  return useSyncExternalStore(useCallback((changed) => room.watch(changed), [room]), look, look);
}

/** One proposal: how it stands with the user's own vote counted once, and the acts on it. `error`: the last refusal. */
export function useProposal(room, id) {
  const look = useMemo(() => steady(() => room.tally(id)), [room, id]);
  const tally = useRoomState(room, useCallback(() => look(), [look]));
  const proposal = useRoomState(room, useCallback((state) => (Object.hasOwn(state.proposals ?? {}, id) ? state.proposals[id] : undefined), [id]));
  const { acting, error } = useActing();
  const acts = useMemo(() => ({
    // A handler of clicks is called with an event, which is no stance.
    vote: (stance) => acting.run(() => room.vote(id, typeof stance === "string" ? { stance } : {})),
    retract: () => acting.run(() => room.retract(id)),
    dismiss: () => acting.clear(),
  }), [acting, room, id]);
  return { proposal, tally, outcome: tally?.outcome ?? null, error, ...acts };
}

/** The final ballot of a room: what may be chosen and what was, and the acts on it. */
export function useBallot(room) {
  const look = useMemo(() => steady(() => ballotOf(room)), [room]);
  const found = useRoomState(room, useCallback(() => look(), [look]));
  const { acting, error } = useActing();
  const acts = useMemo(() => ({
    submit: (option, criteria, options) => acting.run(() => room.ballot(option, criteria, options)),
    clear: () => acting.run(() => room.command("ballot.clear")),
    dismiss: () => acting.clear(),
  }), [acting, room]);
  return { ...found, error, ...acts };
}

/** How many members are connected, and whether the room follows the server now. */
export function usePresence(room) {
  const online = useRoomState(room, useCallback((_, shown) => shown.online, []));
  const live = useRoomState(room, useCallback((_, shown) => shown.live, []));
  return { online, live };
}

function useActing() {
  const [error, setError] = useState(null);
  const [acting] = useState(() => {
    const made = new Acting(() => setError(made.error));
    return made;
  });
  return { acting, error };
}
