// An outbox in memory: it outlives a client, and ends with the page.

export function memoryOutbox() {
  const entries = new Map();
  return {
    load: async () => [...entries.values()],
    put: async (entry) => void entries.set(entry.id, entry),
    remove: async (id) => void entries.delete(id),
    forget: async (user) => {
      for (const entry of [...entries.values()]) if (entry.user === user) entries.delete(entry.id);
    },
  };
}
