// Proves each journal of the cases on standard input, and prints what was found or why not.

import { prove } from "../../web/proof.js";

const input = [];
for await (const part of process.stdin) input.push(part);
const found = [];
for (const { text, receipt } of JSON.parse(Buffer.concat(input).toString())) {
  const asText = await attempt(text, receipt);
  const asFile = await attempt(new Blob([text]), receipt);
  if (JSON.stringify(asText) !== JSON.stringify(asFile)) throw new Error(JSON.stringify([asText, asFile]));
  found.push(asText);
}
console.log(JSON.stringify(found));

function attempt(source, receipt) {
  return prove(source, { receipt }).catch(({ code, line }) => ({ code, line }));
}
