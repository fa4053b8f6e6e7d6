// An outbox in IndexedDB, with one record for each entry. A write has committed when its promise resolves.

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
        // One transaction, so that an entry removed meanwhile is removed before it or after it, and stays removed.
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
      // An open database may keep the page out of the back/forward cache.
      close();
    },
  };
}

function open(factory, name, onClose) {
  return new Promise((resolve, reject) => {
    if (!factory) throw new Error("there is no IndexedDB here");
    const request = factory.open(name, 1);
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

/** Resolve once the transaction has committed. */
function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}
