import { Client } from "/sdk/ayes.js"; // or "ayes-client", as a package

const [event, token] = location.hash.slice(1).split(":");
const room = await new Client("/", { token }).start().subscribe(event);
const button = ([id, { content, agree }]) => {
  const onclick = () => room.vote(id).catch((error) => alert(error.message));
  return Object.assign(document.createElement("button"), { textContent: `${content}: ${agree}`, onclick });
};
const show = () => document.body.replaceChildren(...Object.entries(room.state.proposals).map(button));
room.addEventListener("change", show);
show();
