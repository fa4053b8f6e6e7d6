// The client of an Ayes server. See README.md, and ayes.d.ts for every name and shape.
export { Client } from "./src/client.js";
export { AyesError } from "./src/error.js";
export { newId } from "./src/ids.js";
export { mergePatch } from "./src/wire/merge-patch.js";
export { indexedDbOutbox } from "./src/outbox/indexed-db.js";
export { memoryOutbox } from "./src/outbox/memory.js";
export { storageOutbox } from "./src/outbox/storage.js";
export { Room } from "./src/rooms/room.js";
export { needed, quorum, termsOf } from "./src/rooms/tally.js";
