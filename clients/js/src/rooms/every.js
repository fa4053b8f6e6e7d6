// A room at intervals.

/** Yield `room` after each `interval` ms, until `look(room)` is true or the room is closed. */
export async function* every(room, interval, { look, clock, signal }) {
  // The wall clock may be set meanwhile: no wait is longer than an interval.
  let spent = 0;
  for (;;) {
    try {
      await room.until(look, { timeout: interval - spent, signal });
      return;
    } catch (error) {
      if (signal?.aborted || error?.name !== "TimeoutError") {
        if (error?.code === "room_closed") return;
        throw error;
      }
    }
    const since = clock.now();
    yield room;
    spent = Math.min(Math.max(clock.now() - since, 0), interval);
  }
}
