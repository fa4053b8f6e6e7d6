// An outbox in memory: what it holds outlives a client, and goes with the page.

export function memoryOutbox() {
  const entries = new Map();
  return {
    load: async () => [...entries.values()],
    put: async (entry) => void entries.set(entry.id, entry),
    remove: async (id) => void entries.delete(id),
  };
}
