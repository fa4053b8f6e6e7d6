import { explain } from "ayes-client/words";
import { useConnection, useProposal, useRoom, useRoomState } from "ayes-client/vue";
import type { Room } from "ayes-client";
import { defineComponent, h, type PropType } from "vue";

export const App = defineComponent({
  props: { event: { type: String, required: true } },
  setup(props) {
    const { status, why, retryIn, retry } = useConnection();
    const { room, error } = useRoom(() => props.event);
    const proposals = useRoomState(room, (state) => state.proposals);
    return () => [
      status.value !== "open" && why.value !== null && h("p", { role: "status" }, [why.value, " ", h("button", { onClick: retry }, `Again (in ${retryIn.value} s)`)]),
      error.value ? h("p", { role: "alert" }, explain(error.value)) : null,
      room.value ? Object.keys(proposals.value ?? {}).map((id) => h(Motion, { key: id, room: room.value!, id })) : h("p", "…"),
    ];
  },
});

const Motion = defineComponent({
  props: { room: { type: Object as PropType<Room>, required: true }, id: { type: String, required: true } },
  setup(props) {
    const { proposal, tally, outcome, vote, retract, error } = useProposal(() => props.room, () => props.id);
    return () => proposal.value && tally.value && h("section", { "aria-busy": tally.value.sending }, [
      h("h2", proposal.value.content),
      h("p", `${tally.value.agree} of ${tally.value.eligible} agree, ${tally.value.needed} needed`),
      outcome.value
        ? h("p", `${outcome.value.carried ? "Carried" : "Not carried"} (${outcome.value.how})`)
        : h("button", { onClick: tally.value.mine ? retract : vote }, tally.value.mine ? "Take it back" : "I agree"),
      error.value && h("p", { role: "alert" }, explain(error.value)),
    ]);
  },
});
