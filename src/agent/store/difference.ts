import { nameOf, withoutDigest } from './manifest.ts';

const mostTold = 3;
const longestPath = 200;
const hasDigest = (line: string) => line.includes(' sha256digest=');

/** What is found when two lists are compared: the first three differences in words, and how many there are. */
export class Difference {
  readonly #told: string[] = [];
  #count = 0;
  #last = '';

  get isNone(): boolean {
    return this.#count === 0;
  }

  /** A sentence, or undefined when there is no difference. */
  get told(): string | undefined {
    if (this.#count === 0) return undefined;
    const more = this.#count > mostTold ? `; and ${this.#count - mostTold} more` : '';
    return this.#told.join('; ') + more;
  }

  /** Hands on the second of two manifests, and compares it with the first meanwhile. Both are sorted by name. */
  async *watch(
    expected: AsyncGenerator<string>,
    actual: AsyncGenerator<string>,
    { digests }: { digests: boolean },
  ): AsyncGenerator<string> {
    for await (const [was, is] of inStep(expected, actual, nameOf)) {
      if (is !== undefined) yield is;
      if (was === undefined) this.#add(is ?? '', 'was added');
      else if (is === undefined) this.#add(was, 'is missing');
      else {
        // A file that is not read has no digest, before or now.
        const whole = digests && hasDigest(was) && hasDigest(is);
        const [before, now] = whole ? [was, is] : [withoutDigest(was), withoutDigest(is)];
        if (before !== now) this.#add(is, `has another ${changed(before, now).join(', ')}`);
      }
    }
  }

  /** Compares two lists of attributes, both sorted. */
  async addAttributes(expected: AsyncGenerator<string>, actual: AsyncGenerator<string>): Promise<void> {
    for await (const [was, is] of inStep(expected, actual, (line) => line)) {
      const line = was ?? is ?? '';
      if (was === is || this.#last === nameOf(line)) continue;
      this.#last = nameOf(line);
      this.#add(line, 'has other extended attributes');
    }
  }

  #add(line: string, what: string): void {
    this.#count += 1;
    if (this.#told.length < mostTold) this.#told.push(`${shown(nameOf(line))} ${what}`);
  }
}

/** What two sorted lists have for each key: in one of them, or in both. Only one item of each is in memory. */
async function* inStep(
  expected: AsyncGenerator<string>,
  actual: AsyncGenerator<string>,
  keyOf: (item: string) => string,
): AsyncGenerator<[was: string | undefined, is: string | undefined]> {
  try {
    let [one, other] = [await expected.next(), await actual.next()];
    while (one.done !== true || other.done !== true) {
      const was = one.done === true ? undefined : one.value;
      const is = other.done === true ? undefined : other.value;
      const order = was === undefined ? 1 : is === undefined ? -1 : compared(keyOf(was), keyOf(is));
      yield [order <= 0 ? was : undefined, order >= 0 ? is : undefined];
      if (order <= 0) one = await expected.next();
      if (order >= 0) other = await actual.next();
    }
  } finally {
    await Promise.allSettled([expected.return(undefined), actual.return(undefined)]);
  }
}

const compared = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

const factsOf = (line: string) =>
  new Map(line.split(' ').slice(1).map((fact) => [fact.split('=', 1)[0] ?? '', fact.slice(fact.indexOf('=') + 1)])); // prettier-ignore

function changed(before: string, now: string): string[] {
  const [was, is] = [factsOf(before), factsOf(now)];
  const names = [...new Set([...was.keys(), ...is.keys()])].filter((name) => was.get(name) !== is.get(name));
  return names.map((name) => {
    if (name === 'sha256digest') return 'content';
    return `${name} (${is.get(name) ?? 'none'} instead of ${was.get(name) ?? 'none'})`;
  });
}

/** Relative to the entry, in printable characters. */
export const shown = (path: string): string =>
  path
    .replace(/^\.\//, '')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, longestPath);
