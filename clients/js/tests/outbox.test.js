import assert from "node:assert/strict";
import { test } from "node:test";

import { memoryOutbox, storageOutbox } from "../ayes.js";
import { Claims } from "../src/outbox/claims.js";
import { FakeLocks, FakeStorage, settled } from "./fakes.js";

const entry = (id, since = 1) => ({ id, type: "vote.cast", args: {}, since });
const ids = (entries) => entries.map(({ id }) => id);

/** `navigator.locks` is `locks` while `work` runs. */
async function withLocks(locks, work) {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  try {
    return await work();
  } finally {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete globalThis.navigator;
  }
}

test("an outbox gives back what was put in, oldest first, without what was taken out", async () => {
  for (const make of [memoryOutbox, () => storageOutbox(new FakeStorage())]) {
    const outbox = make();
    await outbox.load();
    for (const id of ["a", "b", "c"]) await outbox.put(entry(id));
    await outbox.remove("b");
    assert.deepEqual(ids(await outbox.load()), ["a", "c"]);
    outbox.release?.();
  }
});

test("what others keep in the same storage is left alone", async () => {
  const storage = new FakeStorage();
  storage.setItem("theme", "dark");
  storage.setItem("ayes.outbox:broken", "{");
  storage.setItem("ayes.outbox:odd", "null");
  const outbox = storageOutbox(storage);
  await outbox.put(entry("a"));
  assert.deepEqual(ids(await outbox.load()), ["a"]);
  assert.equal(storage.getItem("theme"), "dark");
  outbox.release();
});

test("two pages do not take each other's entries, until one is gone", async () => {
  await withLocks(new FakeLocks(), async () => {
    const storage = new FakeStorage();
    const [first, second] = [storageOutbox(storage), storageOutbox(storage)];
    await first.load();
    await first.put(entry("a"));
    assert.deepEqual(ids(await second.load()), []);
    await second.put(entry("b", 2));
    assert.deepEqual(ids(await first.load()), ["a"]);
    first.release();
    await settled();
    assert.deepEqual(ids(await second.load()), ["a", "b"]);
    // The first comes back, as from the back/forward cache: they are the second's now.
    assert.deepEqual(ids(await first.load()), []);
    first.release();
    second.release();
  });
});

test("without locks everybody takes everything: the same id twice does no harm", async () => {
  const storage = new FakeStorage();
  await withLocks(undefined, async () => {
    const [first, second] = [storageOutbox(storage), storageOutbox(storage)];
    await first.put(entry("a"));
    assert.deepEqual(ids(await second.load()), ["a"]);
  });
});

test("two pages that start at once share what was left between them, each entry once", async () => {
  const locks = new FakeLocks();
  const [first, second] = [new Claims("n", locks), new Claims("n", locks)];
  const left = new Map([["a", "gone"], ["b", "gone"]]);
  const take = (claims) =>
    claims.take(async (isFree) => {
      const mine = [...left].filter(([, owner]) => isFree(owner)).map(([id]) => id);
      await settled();
      for (const id of mine) left.set(id, claims.owner);
      return mine;
    });
  const taken = await Promise.all([take(first), take(second)]);
  assert.deepEqual(taken.flat().sort(), ["a", "b"]);
  first.release();
  second.release();
});
