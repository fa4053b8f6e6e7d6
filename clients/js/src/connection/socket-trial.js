// A WebSocket that is tried while the client works over HTTP: it takes over once the server has welcomed it.

import { NORMAL } from "../wire/close-codes.js";

/** Longest time from opening the socket to its welcome. Beyond it the trial has failed. */
const TRIAL_TIMEOUT_MS = 15_000;

export class SocketTrial {
  #socket = null;
  #timer;
  #isOver = false;

  /** `open()` makes the socket, `hello()` its first message; one of `onWelcome(socket, data)` and `onFailure()` follows. */
  constructor({ open, hello, clock, onWelcome, onFailure }) {
    this.clock = clock;
    const fail = () => {
      if (this.#isOver) return;
      this.cancel();
      onFailure();
    };
    this.#timer = clock.setTimeout(fail, TRIAL_TIMEOUT_MS);
    try {
      this.#socket = open();
    } catch {
      queueMicrotask(fail);
      return;
    }
    const socket = this.#socket;
    socket.addEventListener("open", () => this.#isOver || socket.send(JSON.stringify(hello())));
    socket.addEventListener("message", ({ data }) => {
      if (this.#isOver) return;
      this.#finish();
      if (isWelcome(data)) {
        onWelcome(socket, data);
      } else {
        socket.close(NORMAL);
        onFailure();
      }
    });
    socket.addEventListener("close", fail);
    socket.addEventListener("error", () => {});
  }

  /** Give the trial up without a word. */
  cancel() {
    if (this.#isOver) return;
    this.#finish();
    try {
      this.#socket?.close(NORMAL);
    } catch {
      // Some WebSockets cannot be closed before they are open.
    }
  }

  #finish() {
    this.#isOver = true;
    this.clock.clearTimeout(this.#timer);
  }
}

function isWelcome(data) {
  try {
    const frame = JSON.parse(data);
    return (Array.isArray(frame) ? frame[0] : frame)?.type === "welcome";
  } catch {
    return false;
  }
}
