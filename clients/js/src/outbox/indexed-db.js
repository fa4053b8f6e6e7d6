// An outbox in IndexedDB: one record an entry. A write is there before its promise resolves.

import { Claims, inOrder } from "./claims.js";

const STORE = "entries";

export function indexedDbOutbox(name = "ayes-outbox", factory = globalThis.indexedDB) {
  const claims = new Claims(name);
  let order = 0;
  let opening = null;
  const recordOf = (entry) => {
    order += 1;
    return { id: entry.id, entry, owner: claims.owner, order };
  };
  const close = () => {
    opening?.then((database) => database.close()).catch(() => {});
    opening = null;
  };
  const database = () => {
    opening ??= open(factory, name, () => (opening = null));
    opening.catch(() => (opening = null));
    return opening;
  };
  const run = async (work) => {
    const transaction = (await database()).transaction(STORE, "readwrite");
    work(transaction.objectStore(STORE));
    await finished(transaction);
  };
  return {
    load: () =>
      claims.take(async (isFree) => {
        let mine = [];
        // One transaction: what is answered meanwhile is taken out before it or after it, and stays out.
        await run((store) => {
          store.getAll().onsuccess = ({ target }) => {
            mine = inOrder(target.result).filter(({ owner }) => isFree(owner));
            for (const { entry } of mine) store.put(recordOf(entry));
          };
        });
        return mine.map(({ entry }) => entry);
      }),
    put: (entry) => run((store) => store.put(recordOf(entry))),
    remove: (id) => run((store) => store.delete(id)),
    release: () => {
      claims.release();
      // An open database keeps a page from being put aside whole.
      close();
    },
  };
}

function open(factory, name, onGone) {
  return new Promise((resolve, reject) => {
    if (!factory) throw new Error("there is no IndexedDB here");
    const request = factory.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const database = request.result;
      database.onclose = onGone;
      database.onversionchange = () => {
        database.close();
        onGone();
      };
      resolve(database);
    };
  });
}

/** Resolves once the transaction is complete. */
function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}
