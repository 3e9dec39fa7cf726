/**
 * An object as the body of a request, in characters that every decoder of the API server takes: it reads the body of a
 * server-side apply as YAML, which has a smaller set than JSON. A lone surrogate is no character and becomes U+FFFD.
 */
export function encodeBody(body: object): string {
  return JSON.stringify(body, (_key, value: unknown) => wellFormed(value)).replace(notInYaml, escaped);
}

/**
 * What a reader of YAML 1.1 refuses (DEL, C1, U+FFFE, U+FFFF), takes for a mark of byte order, or for the end of a line, which
 * it would make a space of. In JSON such characters are in strings only, where their escape means the same.
 */
const notInYaml = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  // Names of members are text too: the keys of a ConfigMap, or what an image calls its files.
  const names = Object.keys(value);
  if (names.every((name) => name.isWellFormed())) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name.toWellFormed(), member]));
}
