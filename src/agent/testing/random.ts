/** Random numbers of a seed, the same each time: what a fuzzer finds can be found again. */
export interface Dice {
  /** A whole number from 0 up to, and without, `end`. */
  below: (end: number) => number;
  pick: <T>(list: readonly T[]) => T;
  /** True in one of so many cases. */
  rarely: (oneIn: number) => boolean;
}

/** mulberry32 by Tommy Ettinger. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number) => Math.floor(next() * end);
  return {
    below,
    pick: (list) => {
      const [first] = list;
      if (first === undefined) throw new Error('There is nothing to pick from');
      return list[below(list.length)] ?? first;
    },
    rarely: (oneIn) => below(oneIn) === 0,
  };
}

const oddValues: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 2 ** 53, 1e308, '', 'x', '\u0000', '\ud800', '__proto__', 'x'.repeat(5000)],
  ...[
    [],
    {},
    [null],
    [[]],
    { '': '' },
    { toString: 1 },
    { length: -1 },
    '../..',
    '/',
    '$(A)',
    '{{',
    `sha256:${'0'.repeat(64)}`,
  ],
];

/** Another value of JSON: members gone, doubled, of another type, in the place of others. */
export function changed(value: unknown, { below, pick, rarely }: Dice, depth = 0): unknown {
  if (rarely(depth === 0 ? 20 : 6)) return pick(oddValues);
  if (Array.isArray(value)) {
    const list = value.map((item: unknown) => (rarely(2) ? changed(item, { below, pick, rarely }, depth + 1) : item));
    if (rarely(4) && list.length > 0) list.splice(below(list.length), 1);
    if (rarely(4)) list.push(...(list.length > 0 ? [pick(list)] : []), pick(oddValues));
    if (rarely(30)) return Array.from({ length: below(30_000) }, () => pick(oddValues));
    return list;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(() => !rarely(12));
    const made = members.map(([key, member]): [string, unknown] => [
      rarely(30) ? '__proto__' : key,
      rarely(2) ? changed(member, { below, pick, rarely }, depth + 1) : member,
    ]);
    if (rarely(8)) made.push([`k${below(9)}`, pick(oddValues)]);
    return Object.fromEntries(made);
  }
  return rarely(3) ? pick(oddValues) : value;
}

/** Other bytes: flipped, cut, doubled, put in, numbers at their bounds. */
export function garbled(bytes: Buffer, { below, pick }: Dice): Buffer {
  let made = Buffer.from(bytes);
  for (let times = 1 + below(6); times > 0; times--) {
    const at = below(Math.max(1, made.length));
    const kind = below(6);
    if (kind === 0) made = made.subarray(0, at);
    else if (kind === 1) made = Buffer.concat([made.subarray(0, at), made.subarray(below(at + 1))]);
    else if (kind === 2) {
      made = Buffer.concat([made.subarray(0, at), Buffer.alloc(below(600), below(256)), made.subarray(at)]);
    } else if (made.length > 0) made[at] = pick([0, 1, 0x7f, 0x80, 0xff, 0x2f, 0x2e, below(256)]);
  }
  return made;
}
