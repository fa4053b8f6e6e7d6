// An outbox in IndexedDB, with one record for each entry. A write has committed when its promise resolves.

import { Claims, inOrder } from "./claims.js";

const STORE = "entries";

export function indexedDbOutbox(name = "ayes-outbox", factory) {
  const claims = new Claims(name);
  const database = new Database(name, factory);
  let order = 0;
  const recordOf = (entry) => {
    order += 1;
    return { id: entry.id, entry, owner: claims.owner, order };
  };
  return {
    load: () =>
      claims.take(async (isFree) => {
        let mine = [];
        // One transaction, so that an entry removed meanwhile is removed before it or after it, and stays removed.
        await database.run((store) => {
          store.getAll().onsuccess = ({ target }) => {
            mine = inOrder(target.result).filter(({ owner }) => isFree(owner));
            for (const { entry } of mine) store.put(recordOf(entry));
          };
        });
        return mine.map(({ entry }) => entry);
      }),
    put: (entry) => database.run((store) => store.put(recordOf(entry))),
    remove: (id) => database.run((store) => store.delete(id)),
    forget: (user) =>
      database.run((store) => {
        store.getAll().onsuccess = ({ target }) => {
          for (const { id, entry } of target.result) if (entry.user === user) store.delete(id);
        };
      }),
    release: () => {
      claims.release();
      // An open database may keep the page out of the back/forward cache.
      database.close();
    },
  };
}

/** One database of the browser, opened when it is used and again after it was lost. */
class Database {
  /** The promise of the open database, or `null`. */
  #opening = null;

  constructor(name, factory) {
    Object.assign(this, { name, factory });
  }

  /**
   * Run `work(store)` in a transaction, and resolve once it has committed. Browsers close the databases of a page in
   * the background, and the page finds out at its next use. So a failure is tried once more on a database that was
   * opened again.
   */
  async run(work) {
    const opening = this.#open();
    try {
      await transact(await opening, work);
    } catch {
      if (this.#opening === opening) this.close();
      await transact(await this.#open(), work);
    }
  }

  close() {
    this.#opening?.then((database) => database.close()).catch(() => {});
    this.#opening = null;
  }

  #open() {
    if (this.#opening) return this.#opening;
    const opening = open(this.factory, this.name, () => this.#forget(opening));
    opening.catch(() => this.#forget(opening));
    this.#opening = opening;
    return opening;
  }

  #forget(opening) {
    if (this.#opening === opening) this.#opening = null;
  }
}

function open(factory, name, onClose) {
  return new Promise((resolve, reject) => {
    // Read here, since a browser that blocks storage may throw already for this property.
    const databases = factory ?? globalThis.indexedDB;
    if (!databases) throw new Error("there is no IndexedDB here");
    const request = databases.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const database = request.result;
      database.onclose = onClose;
      database.onversionchange = () => {
        database.close();
        onClose();
      };
      resolve(database);
    };
  });
}

/** Run `work(store)` in one transaction; resolve once it has committed. */
function transact(database, work) {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, "readwrite");
    transaction.oncomplete = () => resolve();
    const fail = () => reject(transaction.error ?? new Error("the browser gave the transaction up"));
    transaction.onabort = transaction.onerror = fail;
    work(transaction.objectStore(STORE));
  });
}
