// An outbox in a `Storage` such as `localStorage`, with one item for each entry, so that two pages never overwrite
// each other's.

import { Claims, inOrder } from "./claims.js";

export function storageOutbox(storage, key = "ayes.outbox") {
  const claims = new Claims(key);
  let order = 0;
  const keyOf = (id) => `${key}:${id}`;
  const write = (entry) => {
    order += 1;
    storage.setItem(keyOf(entry.id), JSON.stringify({ entry, owner: claims.owner, order }));
  };
  return {
    load: () =>
      claims.take(async (isFree) => {
        const mine = inOrder(records(storage, `${key}:`)).filter(({ owner }) => isFree(owner));
        for (const { entry } of mine) write(entry);
        return mine.map(({ entry }) => entry);
      }),
    put: async (entry) => write(entry),
    remove: async (id) => storage.removeItem(keyOf(id)),
    forget: async (user) => {
      for (const { entry } of records(storage, `${key}:`)) if (entry.user === user) storage.removeItem(keyOf(entry.id));
    },
    release: () => claims.release(),
  };
}

function records(storage, prefix) {
  const found = [];
  for (let index = 0; index < storage.length; index += 1) {
    const key = storage.key(index);
    if (!key?.startsWith(prefix)) continue;
    try {
      const record = JSON.parse(storage.getItem(key));
      if (typeof record?.entry?.id === "string") found.push(record);
    } catch {
      // Another program's item, or a truncated one: it holds no command.
    }
  }
  return found;
}
