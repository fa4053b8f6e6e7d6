// Part of scripts/check-schemas; the documents lie beside it.
import { readFileSync } from 'node:fs';
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

process.exit(failed ? 1 : 0);
