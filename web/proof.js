// Check a published journal (`ayes export EVENT --public`), and one's own ballot in it, without the server.
// docs/protocol.md, "The journal's hash chain", has the format.

/** Digests of a header, in its order; the last five are of patches. */
const LABELS = ["user", "id", "payload", "answer", "member", "admin", "applicant", "you", "everyone"];
const PATCHES = LABELS.slice(4);
/** Labels that a receipt says. */
const OWN = ["user", "id", "payload"];
const PUBLIC_VERSION = 3;
/** Lines checked at once: enough to keep the hashing busy, and few enough to show progress. */
const LINES_AT_ONCE = 256;
const FIRST = "0".repeat(64);

const encoder = new TextEncoder();

/**
 * Why a journal or a ballot is not proved. `code`: `no_crypto` (no WebCrypto: the page is not on https),
 * `no_export`, `not_public`, `damaged`, `line_missing`, `chain_broken`, `line_changed`, `cut_short`; of the
 * receipt `other_event`, `not_there`, `other_hash`, `other_words`. `line`: the line's `seq`, if it is one line.
 */
export class ProofError extends Error {
  constructor(code, line) {
    super(line === undefined ? code : `${code} at line ${line}`);
    Object.assign(this, { code, line });
  }
}

/**
 * Check every line of `source` (a text or a Blob), and, if given, that the ballot of `receipt` is one of them.
 * `progress(lines)` is called as it goes.
 *
 * Returns `{event, epoch, lines, secret, hash, ballot}`: `secret` lines are known by their digests alone; `ballot`
 * is `{seq, at, hash, command}`, the ballot as the journal has it, or `null` without a receipt.
 * Throws a `ProofError`.
 */
export async function prove(source, { receipt = null, progress = () => {} } = {}) {
  if (!globalThis.crypto?.subtle) throw new ProofError("no_crypto");
  let head = null;
  let end = null;
  let ballot = null;
  const proved = { lines: 0, secret: 0, hash: FIRST };
  for await (const batch of batches(source)) {
    if (head === null) head = headOf(batch.shift());
    if (end !== null && batch.length > 0) throw new ProofError("damaged");
    if (batch.at(-1)?.end !== undefined) end = batch.pop();
    const hashes = await Promise.all(batch.map(hashOf));
    for (const [index, line] of batch.entries()) {
      follow(proved, line, hashes[index]);
      if (receipt !== null && line.seq === receipt.seq) ballot = await ballotOf(line, receipt);
    }
    progress(proved.lines);
  }
  if (head === null) throw new ProofError("no_export");
  if (end === null || end.end !== proved.lines || end.hash !== proved.hash) throw new ProofError("cut_short");
  if (receipt !== null && receipt.event !== head.event) throw new ProofError("other_event");
  if (receipt !== null && ballot === null) throw new ProofError("not_there", receipt.seq);
  return { event: head.event, epoch: head.epoch, ...proved, ballot };
}

function headOf(head) {
  if (head?.type !== "ayes.export") throw new ProofError("no_export");
  if (head.version !== PUBLIC_VERSION) throw new ProofError("not_public");
  return head;
}

/** `line` must be the next one, continue the chain, and have the hash that was made of it. */
function follow(proved, line, hash) {
  const seq = proved.lines + 1;
  if (line.seq !== seq) throw new ProofError("line_missing", seq);
  if (line.prev_hash !== proved.hash) throw new ProofError("chain_broken", seq);
  if (line.hash !== hash) throw new ProofError("line_changed", seq);
  proved.lines = seq;
  proved.hash = hash;
  if (line.digests !== undefined) proved.secret += 1;
}

/** The receipt's ballot in `line`, which was checked. */
async function ballotOf(line, receipt) {
  if (line.hash !== receipt.hash) throw new ProofError("other_hash", line.seq);
  const digests = await digestsOf(line);
  const salt = bytes(receipt.salt);
  for (const label of OWN) {
    if (digests[label] !== (await digest(salt, label, receipt[label]))) throw new ProofError("other_words", line.seq);
  }
  return { seq: line.seq, at: line.at, hash: line.hash, command: JSON.parse(receipt.payload) };
}

async function hashOf(line) {
  try {
    const { seq, at, command } = line;
    const digests = await digestsOf(line);
    const header = { seq, at, command };
    for (const label of LABELS) if (digests[label] !== undefined) header[label] = digests[label];
    return await sha256(bytes(line.prev_hash), encoder.encode(JSON.stringify(header)));
  } catch (cause) {
    throw Object.assign(new ProofError("damaged", line?.seq), { cause });
  }
}

/** The digests of a line: as it says them, or made of what it says. */
async function digestsOf(line) {
  if (line.digests !== undefined) return line.digests;
  const texts = { user: line.user, id: line.id, payload: line.payload, answer: line.answer };
  for (const [label, text] of members(line.patches)) {
    if (!PATCHES.includes(label)) throw new TypeError(`a patch for ${label}`);
    texts[label] = text;
  }
  const salt = bytes(line.salt);
  const made = Object.entries(texts).map(async ([label, text]) => [label, await digest(salt, label, text)]);
  return Object.fromEntries(await Promise.all(made));
}

function digest(salt, label, text) {
  if (typeof text !== "string") throw new TypeError(`no ${label}`);
  return sha256(salt, encoder.encode(`${label}\0${text}`));
}

/** SHA-256 over the parts, as hex. */
async function sha256(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytes(hex) {
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new TypeError("no hex");
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** The members of a JSON object, each value to the letter: digests are made of these very characters. */
function* members(text) {
  JSON.parse(text);
  let at = 0;
  const skip = (pattern) => {
    pattern.lastIndex = at;
    at += pattern.exec(text)?.[0].length ?? 0;
  };
  const blank = () => skip(/[ \t\n\r]*/y);
  const value = () => {
    const from = at;
    let depth = 0;
    do {
      if (text[at] === '"') skip(/"(?:[^"\\]|\\.)*"/y);
      else {
        if (text[at] === "{" || text[at] === "[") depth += 1;
        if (text[at] === "}" || text[at] === "]") depth -= 1;
        if (/[{}[\],:\s]/.test(text[at])) at += 1;
        else skip(/[^{}[\],:\s"]+/y);
      }
    } while (depth > 0);
    return text.slice(from, at);
  };
  blank();
  at += 1;
  for (blank(); text[at] === '"'; blank()) {
    const key = JSON.parse(value());
    blank();
    at += 1;
    blank();
    yield [key, value()];
    blank();
    if (text[at] === ",") at += 1;
  }
}

/** The lines of `source`, decoded, some at a time. */
async function* batches(source) {
  let batch = [];
  for await (const line of lines(source)) {
    if (line.trim() === "") continue;
    try {
      batch.push(JSON.parse(line));
    } catch (cause) {
      throw Object.assign(new ProofError("damaged"), { cause });
    }
    if (batch.length === LINES_AT_ONCE) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

async function* lines(source) {
  if (typeof source === "string") {
    yield* source.split("\n");
    return;
  }
  let rest = "";
  const reader = source.stream().pipeThrough(new TextDecoderStream("utf-8", { fatal: true })).getReader();
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (cause) {
      throw Object.assign(new ProofError("damaged"), { cause });
    }
    if (part.done) break;
    const pieces = (rest + part.value).split("\n");
    rest = pieces.pop();
    yield* pieces;
  }
  yield rest;
}
