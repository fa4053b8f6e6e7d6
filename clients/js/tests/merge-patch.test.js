import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { mergePatch } from "../src/wire/merge-patch.js";

const table = new URL("../../../tests/clients/merge_patches.json", import.meta.url);

for (const { target, patch, result } of JSON.parse(readFileSync(table, "utf8"))) {
  test(`RFC 7396: ${JSON.stringify(target)} with ${JSON.stringify(patch)}`, () => {
    const before = JSON.stringify(target);
    assert.deepEqual(mergePatch(target, patch), result);
    assert.equal(JSON.stringify(target), before);
  });
}
