// Part of scripts/check-schemas, which puts the documents into the same folder.
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
  console.error('schema: ajv accepts and refuses the wrong messages', validate.errors);
  failed = true;
} else console.log(`schema: ${Object.keys(schema.$defs).length} definitions`);

// With the wire's own names and values, so that each message can be a constant of its type.
const generator = new TypeScriptGenerator({ modelType: 'interface', enumType: 'union', mapType: 'record', rawPropertyNames: true });
const models = await generator.generate(JSON.parse(text));
writeFileSync('asyncapi.ts', models.map(({ result }) => `export ${result}`).join('\n'));
console.log(`asyncapi: ${models.length} types generated`);
const typesOf = new Map();
for (const { modelName, result } of models) {
  const type = /^\s+'type': '([^']+)';/m.exec(result)?.[1];
  if (type) typesOf.set(type, [...(typesOf.get(type) ?? []), `A.${modelName}`]);
}

// The transcripts' messages, as constants of the types that openapi-typescript made.
const SHAPES = { ack: 'Ack', error: 'Error', snapshot: 'Snapshot' };
const said = readFileSync('said.jsonl', 'utf8').trim().split('\n').map((line) => JSON.parse(line));
// Some commands are wrong on purpose, so commands without an ack are left out.
const latest = new Map();
const acked = new Set();
for (const { dir, message } of said) {
  if (dir === 'c') latest.set(message.id, message);
  else if (message.type === 'ack') acked.add(latest.get(message.id));
}
const isMeant = ({ dir, message }) => dir === 's' || acked.has(message);
const write = (file, head, typeOf) => {
  const constants = said.filter(isMeant).map(({ dir, message }, number) => {
    const type = typeOf(message, dir);
    return type && `export const said${number}: ${type} = ${JSON.stringify(message)};`;
  });
  writeFileSync(file, [head, ...constants.filter(Boolean)].join('\n'));
  console.log(`${file}: ${constants.filter(Boolean).length} messages`);
};
write('said.ts', "import type { components } from './api';\ntype S = components['schemas'];", ({ type }, dir) => {
  const shape = dir === 'c' ? 'Command' : SHAPES[type];
  return shape && `S['${shape}']`;
});
write('said-asyncapi.ts', "import type * as A from './asyncapi';", ({ type }) => {
  if (typesOf.has(type)) return typesOf.get(type).join(' | ');
  console.error(`asyncapi: no type was generated for ${type}`);
  failed = true;
  return null;
});

process.exit(failed ? 1 : 0);
