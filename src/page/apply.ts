import type { Delta, Model } from '../cli/dashboard/delta.ts';

/** The model after a change. Pieces that did not change stay the same objects. */
export function applied(before: Model, { set, gone }: Delta): Model {
  const after = { ...before, ...set };
  if (gone.length === 0) return after;
  const away = new Set(gone);
  return Object.fromEntries(Object.entries(after).filter(([key]) => !away.has(key)));
}
