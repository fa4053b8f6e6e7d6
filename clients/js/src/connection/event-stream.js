// Server-Sent Events read with `fetch`: an `EventSource` sends no `Authorization` header.

/** Characters of one event beyond which the stream is given up: a snapshot is some megabytes at most. */
const MAX_EVENT_LENGTH = 64 * 1024 * 1024;

/**
 * Read a response's events until it ends. `onEvent({ id, data })` gets each, `onLife()` is called for every chunk.
 * Return the `retry` of the server in milliseconds, if it sent one.
 */
export async function readEvents(response, onEvent, onLife) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let retry;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return retry;
    onLife();
    const from = Math.max(0, text.length - 1);
    text += decoder.decode(value, { stream: true });
    let start = 0;
    for (let end = text.indexOf("\n\n", from); end >= 0; end = text.indexOf("\n\n", start)) {
      const event = eventOf(text.slice(start, end));
      start = end + 2;
      retry = event.retry ?? retry;
      if (event.data !== undefined) onEvent(event);
    }
    text = text.slice(start);
    if (text.length > MAX_EVENT_LENGTH) throw new Error("an event of the stream is too long");
  }
}

function eventOf(block) {
  const event = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const name = line.slice(0, colon);
    if (name === "data") event.data = event.data === undefined ? value : `${event.data}\n${value}`;
    else if (name === "id") event.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) event.retry = Number(value);
  }
  return event;
}
