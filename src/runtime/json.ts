/** How much a JSON text of somebody else may have. */
export interface JsonLimits {
  bytes: number;
  /** Values of all kinds, nested ones too; each takes some ten times its bytes once it is parsed. */
  values: number;
}

/** A text is no JSON, or has more than its limits allow. The message goes on from "it". */
export class JsonError extends Error {
  override readonly name = 'JsonError';
}

/** Deeper than anybody nests; what walks over a value may call itself for each level. */
const mostLevels = 64;

/**
 * Parses JSON that somebody else has written. Its size and the number of its values are checked before anything is made of it, so
 * the memory that it takes is bounded by the limits. Throws a JsonError.
 */
export function parseJson(text: Uint8Array, { bytes, values }: JsonLimits): unknown {
  if (text.length > bytes) throw new JsonError(`has more than ${bytes} bytes`);
  checkStructure(text, values);
  const value = parse(text);
  if (!isWellFormed(value)) throw new JsonError('has half of a character (a lone surrogate)');
  return value;
}

function parse(text: Uint8Array): unknown {
  try {
    // Not with other characters in place of what is no UTF-8: nothing would say that they are not those that were written.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text)) as unknown;
  } catch {
    // What the parser says quotes the text, which may hold a secret.
    throw new JsonError('is no JSON');
  }
}

/** Whether all its texts, and the names of members, are such that every other program reads the same from them. */
function isWellFormed(value: unknown): boolean {
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next === 'string' && !next.isWellFormed()) return false;
    if (typeof next === 'object' && next !== null) for (const entry of Object.entries(next)) pending.push(...entry);
  }
  return true;
}

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const opening = new Set([0x5b, 0x7b]);
const closing = new Set([0x5d, 0x7d]);

/** Counts values by what stands before each but the first: a comma, or the bracket that opens their list. */
function checkStructure(text: Uint8Array, most: number): void {
  let [values, levels, quoted] = [1, 0, false];
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] ?? 0;
    if (quoted) {
      if (byte === backslash) at++;
      else if (byte === quote) quoted = false;
      continue;
    }
    if (byte === quote) quoted = true;
    else if (byte === comma) values++;
    else if (opening.has(byte)) {
      values++;
      levels++;
    } else if (closing.has(byte)) levels--;
    if (values > most) throw new JsonError(`has more than ${most} values`);
    if (levels > mostLevels) throw new JsonError(`is nested deeper than ${mostLevels} levels`);
  }
}
