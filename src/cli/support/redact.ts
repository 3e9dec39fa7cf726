/** Takes out of objects and logs what may be a secret, before they leave the cluster. */

const taken = '(left out)';

/** Texts of users that may hold anything: what containers run with, and files and commands of images. */
const secretFields = new Set(['mountScript', 'content', 'run', 'args', 'command', 'query']);

/** An object without managed fields, annotations of others, values of variables, scripts, and ends of logs. */
export function redactObject(value: unknown, key = ''): unknown {
  if (typeof value === 'string') return redactText(value);
  if (Array.isArray(value)) {
    if (secretFields.has(key)) return [`${taken}: ${value.length}`];
    return value.map((item: unknown) => redactObject(item, key));
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
      if (name === 'managedFields') return [];
      if (name === 'annotations') return [[name, ownAnnotations(inner)]];
      const isValueOfVariable = name === 'value' && 'name' in value && typeof inner === 'string';
      if (isValueOfVariable || (secretFields.has(name) && typeof inner === 'string')) return [[name, taken]];
      return [[name, redactObject(inner, name)]];
    }),
  );
}

const ownAnnotations = (annotations: unknown) =>
  Object.fromEntries(
    Object.entries((annotations ?? {}) as Record<string, string>).map(([name, value]) =>
      name.startsWith('monoroot.dev/') ? [name, redactText(value)] : [name, taken],
    ),
  );

/** A text without the ends of logs, credentials in URLs, queries of URLs, and headers of logins. */
export function redactText(text: string): string {
  return text
    .replaceAll(/(last (?:log )?lines?:)[^]*/gi, `$1 ${taken}`)
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@"]+@/gi, `$1${taken}@`)
    .replaceAll(/(https?:\/\/[^\s"?]+\?)[^\s"]*/gi, `$1${taken}`)
    .replaceAll(/\b(bearer|basic)\s+[\w+/=.-]{8,}/gi, `$1 ${taken}`)
    .replaceAll(/((?:password|passwd|token|secret|authorization)["']?\s*[:=]\s*["']?)[^\s"',}]+/gi, `$1${taken}`);
}
