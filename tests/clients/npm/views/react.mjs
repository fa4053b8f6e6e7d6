// The driver of React's hooks: components enter the rooms, and what they were last drawn with is what is told.

import { place } from "./dom.mjs";
import { drive, errorOf, tell, tellStatus } from "../node_modules/ayes-client/conformance/orders.mjs";
import { Component, StrictMode, Suspense, createElement as h, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { AyesProvider, usePresence, useConnection, useProposal, useRoom, useRoomState } from "ayes-client/react";

/** Event → what its components showed last. */
const shown = new Map();
const entered = new Map();
let root = null;
let client = null;

function draw() {
  const rooms = [...entered].map(([event, one]) => h(Boundary, { key: `${event} ${one.no}`, event, one }, h(Suspense, { fallback: null }, h(Shown, { event, one }))));
  root.render(h(StrictMode, null, h(AyesProvider, { client }, h(Line), rooms)));
}

function Line() {
  const { status } = useConnection();
  useEffect(() => tellStatus(status), [status]);
  return null;
}

/** Tells the error that refused or closed a room, as a page shows it. */
class Boundary extends Component {
  state = { error: null };

  static getDerivedStateFromError(error) {
    return { error };
  }

  componentDidCatch(error) {
    const { event, one } = this.props;
    shown.delete(event);
    if (error.code === "stopped") return;
    if (one.isIn) tell("closed", { event, reason: error.details?.reason ?? error.code });
    else tell("subscribe_error", { event, error: errorOf(error) });
  }

  render() {
    return this.state.error ? null : this.props.children;
  }
}

const whole = (state, { you, seq, epoch, live }) => ({ state, you, seq, epoch, live });
const isEqual = (one, other) => Object.keys(one).every((name) => one[name] === other[name]);

function Shown({ event, one }) {
  const room = useRoom(event);
  const now = useRoomState(room, whole, isEqual);
  const { live } = usePresence(room);
  const { proposal, tally } = useProposal(room, "p1");
  useEffect(() => {
    // What a page is drawn from, hook by hook.
    const proposals = { ...now.state.proposals, ...(proposal && { p1: proposal }) };
    if (tally && !tally.outcome && !tally.sending && proposal.agree !== undefined && tally.agree !== proposal.agree) {
      throw new Error(`the tally of ${proposal.agree} is ${tally.agree}`);
    }
    shown.set(event, { ...now, live, state: { ...now.state, proposals } });
    if (one.isIn) return;
    one.isIn = true;
    one.watch(room);
    tell("subscribed", { event, seq: room.seq });
  });
  return null;
}

let count = 0;
await drive({
  tellsStatus: true,
  mount(started) {
    client = started;
    root?.unmount();
    root = createRoot(place(), { onCaughtError() {} });
    shown.clear();
    entered.clear();
    draw();
  },
  enter(event, watch) {
    entered.set(event, { watch, isIn: false, no: (count += 1) });
    draw();
  },
  leave(event) {
    entered.delete(event);
    shown.delete(event);
    draw();
    tell("left", { event });
  },
  shown: (event) => shown.get(event),
});
