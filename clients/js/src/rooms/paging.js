// Lists that come in pages.

/** Entries of one page: the most that the server gives. */
const PAGE_SIZE = 200;

/** Yield what the list `type` has; `ask(args)` asks for one page. */
export async function* pages(ask, type, args) {
  const cursor = type === "events.list" ? "after" : "before";
  let following = {};
  for (;;) {
    const page = await ask({ limit: PAGE_SIZE, ...args, ...following });
    yield* page[page.type];
    if (page.next === undefined) return;
    following = { [cursor]: page.next };
  }
}
