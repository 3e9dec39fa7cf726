/** What a page shows, in pieces that change one by one: what is said once, and a piece for each row of a long list. */
export type Model = Readonly<Record<string, unknown>>;

/** What leads from one model to the next. */
export interface Delta {
  set: Record<string, unknown>;
  gone: string[];
}

/** The difference of two models; undefined when there is none. A piece that is the same object is the same. */
export function deltaOf(before: Model, after: Model): Delta | undefined {
  const set: Record<string, unknown> = {};
  for (const [key, piece] of Object.entries(after)) {
    const old = before[key];
    if (old !== piece && JSON.stringify(old) !== JSON.stringify(piece)) set[key] = piece;
  }
  const gone = Object.keys(before).filter((key) => !(key in after));
  return Object.keys(set).length === 0 && gone.length === 0 ? undefined : { set, gone };
}
