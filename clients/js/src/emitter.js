// An `EventTarget` whose listeners may be given by `on`, which returns its undoing.

export class Emitter extends EventTarget {
  /** Call `listener(detail)` at each event `type`; return a function that ends it. */
  on(type, listener) {
    const heard = (event) => listener(event.detail);
    this.addEventListener(type, heard);
    return () => this.removeEventListener(type, heard);
  }

  _emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** Call `listener()` at each event of `types`; return a function that ends it. */
  _watch(types, listener) {
    const heard = () => listener();
    for (const type of types) this.addEventListener(type, heard);
    return () => {
      for (const type of types) this.removeEventListener(type, heard);
    };
  }
}
