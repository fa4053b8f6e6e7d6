// Ayes for Vue 3: a plugin with one client, and composables that show rooms, proposals, ballots and the connection.

import { computed, getCurrentScope, inject, onScopeDispose, shallowRef, toValue, watch } from "vue";

import { Client } from "./ayes.js";
import { held } from "./src/bindings/held.js";
import { Acting, ballotOf, connectionOf, steady } from "./src/bindings/views.js";

const KEY = Symbol("ayes");
const isServer = typeof window === "undefined";
const NOWHERE = Object.freeze({ status: "idle", transport: "websocket", retryAt: null, why: null, where: null, user: null });

/** A plugin for `app.use`: a `client`, which its owner starts, or one made of `url` and the options of a `Client`. */
export function createAyes({ client: given, url, ...options }) {
  const client = given ?? (isServer ? null : new Client(url, options).start());
  return {
    client,
    install(app) {
      app.provide(KEY, client);
      if (!given && client) app.onUnmount?.(() => client.stop());
    },
  };
}

/** The client; null while rendering on a server. */
export function useAyes() {
  const client = inject(KEY, undefined);
  if (client === undefined) throw new Error("there is no app.use(createAyes(…)) above this component");
  return client;
}

/** The connection to the server: why there is none, and the seconds until the next try. */
export function useConnection() {
  const client = useAyes();
  const found = shallowRef(client ? connectionOf(client) : NOWHERE);
  const now = shallowRef(Date.now());
  if (client) {
    const look = steady(() => connectionOf(client));
    undone(client.watch(() => (found.value = look())));
    const timer = setInterval(() => found.value.retryAt !== null && (now.value = Date.now()), 1_000);
    undone(() => clearInterval(timer));
  }
  const retryIn = computed(() => {
    const { retryAt } = found.value;
    return retryAt === null ? null : Math.max(0, Math.ceil((retryAt - Math.max(now.value, Date.now())) / 1_000));
  });
  const of = (name) => computed(() => found.value[name]);
  return {
    status: of("status"), transport: of("transport"), why: of("why"), where: of("where"), user: of("user"),
    retryIn, retry: () => client?.retry(),
  };
}

/** The room of `event` (a value, ref or getter) for as long as its component lives: `{ room, error }`, refs both. */
export function useRoom(event) {
  const client = useAyes();
  const room = shallowRef(undefined);
  const error = shallowRef(null);
  if (client) {
    watch(() => toValue(event), (wanted, _, onCleanup) => {
      [room.value, error.value] = [undefined, null];
      let isWanted = true;
      const entry = held(client, wanted);
      const ends = [entry.use()];
      entry.settled.then(() => {
        if (!isWanted) return;
        [room.value, error.value] = [entry.room, entry.error ?? null];
        if (entry.room) ends.push(entry.room.on("closed", () => isWanted && (error.value = entry.error ?? null)));
      });
      onCleanup(() => {
        isWanted = false;
        for (const end of ends) end();
      });
    }, { immediate: true });
  }
  return { room, error };
}

/** What `select(state, room)` returns, as a ref; undefined while there is no room. */
export function useRoomState(room, select = (state) => state) {
  const moved = shallowRef(0);
  watch(() => toValue(room), (shown, _, onCleanup) => {
    moved.value += 1;
    if (shown) onCleanup(shown.watch(() => (moved.value += 1)));
  }, { immediate: true, flush: "sync" });
  return computed(() => {
    const shown = toValue(room);
    return moved.value >= 0 && shown ? select(shown.state, shown) : undefined;
  });
}

/** One proposal: how it stands with the user's own vote counted once, and the acts on it. `error`: the last refusal. */
export function useProposal(room, id) {
  const look = steady(() => toValue(room)?.tally(toValue(id)));
  const tally = useRoomState(room, () => look());
  const proposal = useRoomState(room, (state) => (Object.hasOwn(state.proposals ?? {}, toValue(id)) ? state.proposals[toValue(id)] : undefined));
  const { error, run, dismiss } = acting();
  const vote = (stance) => run(() => toValue(room).vote(toValue(id), typeof stance === "string" ? { stance } : {}));
  const retract = () => run(() => toValue(room).retract(toValue(id)));
  return { proposal, tally, outcome: computed(() => tally.value?.outcome ?? null), error, vote, retract, dismiss };
}

/** The final ballot of a room: what may be chosen and what was, and the acts on it. */
export function useBallot(room) {
  const look = steady(() => ballotOf(toValue(room)));
  const ballot = useRoomState(room, () => look());
  const { error, run, dismiss } = acting();
  const submit = (option, criteria, options) => run(() => toValue(room).ballot(option, criteria, options));
  const clear = () => run(() => toValue(room).command("ballot.clear"));
  return { ballot, error, submit, clear, dismiss };
}

/** How many members are connected, and whether the room follows the server now. */
export function usePresence(room) {
  return { online: useRoomState(room, (_, shown) => shown.online), live: useRoomState(room, (_, shown) => shown.live) };
}

function acting() {
  const error = shallowRef(null);
  const acts = new Acting(() => (error.value = acts.error));
  return { error, run: acts.run, dismiss: acts.clear };
}

/** End `what` with the component. */
function undone(what) {
  if (getCurrentScope()) onScopeDispose(what);
}
