/** Paths in a hosted container that are ours. */

/** Where the image's own content of the writable paths is mounted, for `launch` to copy from. */
export const defaultsRoot = '/.monoroot/defaults';
/** Where `launch` makes the directories that stand for links on top of the image. */
export const linksRoot = '/.monoroot/links';
export const mountScriptPath = '/.monoroot/mount.sh';

/** Top-level names that the runtime, an overlay or the customer's data stands on, whatever the image has there. */
export const notFromImage: ReadonlySet<string> = new Set([
  'dev',
  'proc',
  'sys',
  'run',
  'tmp',
  'etc',
  'var',
  'data',
  'sw',
  '.monoroot',
]);
