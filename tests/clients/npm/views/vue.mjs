// The driver of Vue's composables: components enter the rooms, and what they were last drawn with is what is told.

import { place } from "./dom.mjs";
import { drive, errorOf, tell, tellStatus } from "../node_modules/ayes-client/conformance/orders.mjs";
import { createApp, defineComponent, h, shallowReactive, watchEffect } from "vue";
import { createAyes, useConnection, usePresence, useProposal, useRoom, useRoomState } from "ayes-client/vue";

/** Event → what its component showed last. */
const shown = new Map();
let entered = null;
let app = null;

const Line = defineComponent({
  setup() {
    const { status } = useConnection();
    watchEffect(() => tellStatus(status.value));
    return () => null;
  },
});

const Shown = defineComponent({
  props: ["event", "one"],
  setup({ event, one }) {
    const { room, error } = useRoom(event);
    const now = useRoomState(room, (state, { you, seq, epoch }) => ({ state, you, seq, epoch }));
    const { live } = usePresence(room);
    const { proposal, tally } = useProposal(room, "p1");
    const take = () => {
      const why = error.value;
      if (why) {
        shown.delete(event);
        if (why.code === "stopped") return;
        if (one.isIn) tell("closed", { event, reason: why.details?.reason ?? why.code });
        else tell("subscribe_error", { event, error: errorOf(why) });
        return;
      }
      if (!room.value) return;
      if (tally.value && !tally.value.outcome && !tally.value.sending && proposal.value.agree !== undefined && tally.value.agree !== proposal.value.agree) {
        throw new Error(`the tally of ${proposal.value.agree} is ${tally.value.agree}`);
      }
      const proposals = { ...now.value.state.proposals, ...(proposal.value && { p1: proposal.value }) };
      shown.set(event, { ...now.value, live: live.value, state: { ...now.value.state, proposals } });
      if (one.isIn) return;
      one.isIn = true;
      one.watch(room.value);
      tell("subscribed", { event, seq: room.value.seq });
    };
    watchEffect(take, { flush: "post" });
    return () => null;
  },
});

let count = 0;
await drive({
  tellsStatus: true,
  mount(client) {
    app?.unmount();
    shown.clear();
    entered = shallowReactive(new Map());
    app = createApp({ render: () => [h(Line), [...entered].map(([event, one]) => h(Shown, { key: `${event} ${one.no}`, event, one }))] });
    app.use(createAyes({ client })).mount(place());
  },
  enter(event, watch) {
    entered.set(event, { watch, isIn: false, no: (count += 1) });
  },
  leave(event) {
    entered.delete(event);
    shown.delete(event);
    tell("left", { event });
  },
  shown: (event) => shown.get(event),
});
