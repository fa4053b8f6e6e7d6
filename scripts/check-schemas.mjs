// Part of scripts/check-schemas; the documents lie beside it.
import { readFileSync, writeFileSync } from 'node:fs';
import { TypeScriptGenerator } from '@asyncapi/modelina';
import { Parser } from '@asyncapi/parser';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const ERROR = 0;
let failed = false;

const text = readFileSync('asyncapi.json', 'utf8');
const { document, diagnostics } = await new Parser().parse(text);
for (const found of diagnostics.filter((each) => each.severity === ERROR)) {
  console.error(`asyncapi: ${found.path.join('.')}: ${found.message}`);
  failed = true;
}
if (!document) failed = true;
else console.log(`asyncapi: ${document.operations().all().length} operations`);

const schema = JSON.parse(readFileSync('json_schema.json', 'utf8'));
const ajv = new Ajv.default({ strict: true, strictRequired: false, strictTypes: false });
addFormats.default(ajv);
const validate = ajv.compile(schema);
const valid = { type: 'ping', ref: 7 };
const invalid = { type: 'vote.cast', id: 'short' };
if (!validate(valid) || validate(invalid)) {
  console.error('schema: ajv does not take it as meant', validate.errors);
  failed = true;
} else console.log(`schema: ${Object.keys(schema.$defs).length} definitions`);

const generator = new TypeScriptGenerator({ modelType: 'interface' });
const models = await generator.generate(JSON.parse(text));
writeFileSync('asyncapi.ts', models.map(({ result }) => `export ${result}`).join('\n'));
console.log(`asyncapi: ${models.length} types generated`);

// What the transcripts say, as constants of the types that openapi-typescript made.
const SHAPES = { ack: 'Ack', error: 'Error', snapshot: 'Snapshot' };
const said = readFileSync('said.jsonl', 'utf8').trim().split('\n').map((line) => JSON.parse(line));
// Some commands that are refused are wrong on purpose: those are left out that no ack follows.
const latest = new Map();
const acked = new Set();
for (const { dir, message } of said) {
  if (dir === 'c') latest.set(message.id, message);
  else if (message.type === 'ack') acked.add(latest.get(message.id));
}
const constants = said.flatMap(({ dir, message }, number) => {
  if (dir === 'c' && !acked.has(message)) return [];
  const shape = dir === 'c' ? 'Command' : SHAPES[message.type];
  return shape ? [`export const said${number}: S['${shape}'] = ${JSON.stringify(message)};`] : [];
});
const head = "import type { components } from './api';\ntype S = components['schemas'];\n";
writeFileSync('said.ts', head + constants.join('\n'));
console.log(`typescript: ${constants.length} messages`);

process.exit(failed ? 1 : 0);
