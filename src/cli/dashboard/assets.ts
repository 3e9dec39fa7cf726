import type { Assets } from '../host.ts';

/** What `hack/lib/page.ts` makes of `src/page`, in programs that are one file each. */
declare const DASHBOARD_PAGE: Assets | undefined;

/** The files of the page; undefined in a program that runs from its sources, which has none. */
export const bundledAssets = (): Assets | undefined =>
  typeof DASHBOARD_PAGE === 'object' ? DASHBOARD_PAGE : undefined;
