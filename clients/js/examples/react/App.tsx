import { explain } from "ayes-client/words";
import { AyesProvider, useConnection, useProposal, useRoom, useRoomState } from "ayes-client/react";
import { Component, type ReactNode, Suspense } from "react";
import type { Room } from "ayes-client";

const token = () => fetch("/api/ayes").then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(`no token: ${answer.status}`))));

export function App({ server, event }: { server: string; event: string }) {
  return (
    <AyesProvider url={server} token={token}>
      <Line />
      <Boundary>
        <Suspense fallback={<p>…</p>}>
          <Decisions event={event} />
        </Suspense>
      </Boundary>
    </AyesProvider>
  );
}

function Line() {
  const { status, why, retryIn, retry } = useConnection();
  if (status === "open" || why === null) return null;
  return <p role="status">{why} {retryIn !== null && <button onClick={retry}>Again (in {retryIn} s)</button>}</p>;
}

function Decisions({ event }: { event: string }) {
  const room = useRoom(event);
  const proposals = useRoomState(room, (state) => state.proposals);
  return <>{Object.keys(proposals).map((id) => <Motion key={id} room={room} id={id} />)}</>;
}

function Motion({ room, id }: { room: Room; id: string }) {
  const { proposal, tally, outcome, vote, retract, error } = useProposal(room, id);
  if (!proposal || !tally) return null;
  return (
    <section aria-busy={tally.sending}>
      <h2>{proposal.content}</h2>
      <p>{tally.agree} of {tally.eligible} agree, {tally.needed} needed</p>
      {outcome
        ? <p>{outcome.carried ? "Carried" : "Not carried"} ({outcome.how})</p>
        : <button onClick={tally.mine ? retract : vote}>{tally.mine ? "Take it back" : "I agree"}</button>}
      {error && <p role="alert">{explain(error)}</p>}
    </section>
  );
}

class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null as unknown };
  static getDerivedStateFromError = (error: unknown) => ({ error });
  override render() {
    return this.state.error === null ? this.props.children : <p role="alert">{explain(this.state.error)}</p>;
  }
}
