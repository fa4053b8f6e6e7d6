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
  const run = async (mode, work) => {
    const transaction = (await database()).transaction(STORE, mode);
    return finished(transaction, work(transaction.objectStore(STORE)));
  };
  return {
    load: () =>
      claims.take(async (isFree) => {
        const all = await run("readonly", (store) => store.getAll());
        const mine = inOrder(all).filter(({ owner }) => isFree(owner));
        await run("readwrite", (store) => {
          for (const { entry } of mine) store.put(recordOf(entry));
        });
        return mine.map(({ entry }) => entry);
      }),
    put: (entry) => run("readwrite", (store) => void store.put(recordOf(entry))),
    remove: (id) => run("readwrite", (store) => void store.delete(id)),
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

/** The request's result, once the transaction is durable. */
function finished(transaction, request) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}
