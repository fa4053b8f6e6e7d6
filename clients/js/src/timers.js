// Named timers: setting one again replaces it.

export class Timers {
  #timers = new Map();

  constructor(clock) {
    this.clock = clock;
  }

  has(name) {
    return this.#timers.has(name);
  }

  set(name, ms, run) {
    this.clear(name);
    const fire = () => {
      this.#timers.delete(name);
      run();
    };
    this.#timers.set(name, this.clock.setTimeout(fire, ms));
  }

  clear(name) {
    if (!this.#timers.has(name)) return;
    this.clock.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  clearAll() {
    for (const name of [...this.#timers.keys()]) this.clear(name);
  }
}
