/** As many as the kernel follows. */
const mostFollowed = 40;
/** What is remembered of an archive. Beyond it a path through a link is refused by bsdtar, as it follows none. */
const mostLinks = 100_000;
const mostCharacters = 8 * 1024 * 1024;

/**
 * The symbolic links that an archive has made so far, for paths that lead through one: their files belong below its target, as
 * GNU tar and container runtimes store them. Nothing is looked up on the disk but by `below`, which knows the links of the layers
 * below; bsdtar follows no link, so a mistake here could leave an entry out of place, but never outside of the tree.
 */
export class Links {
  /** Undefined where the archive has put something else over a link of the layers below. */
  readonly #targets = new Map<string, string | undefined>();
  readonly #below: (path: string) => string | undefined;
  #characters = 0;
  /** The last path in which no link was. */
  #plain = '';

  readonly #kind: 'archive' | 'layer';

  constructor(kind: 'archive' | 'layer', below: (path: string) => string | undefined = () => undefined) {
    this.#kind = kind;
    this.#below = below;
  }

  /**
   * The path with all links followed but one of its last name. Undefined when no link is in its way, when they go round in circles
   * or lead above the top; in an archive also when one starts from the top, as GNU tar would follow that on the machine that it
   * runs on, and refuses it. Container runtimes take the top of the image for it.
   */
  follow(path: string): string | undefined {
    const parts = partsOf(path);
    // What `..` in an archive's own path means is for bsdtar to say: it refuses it.
    if (parts.includes('..') || parts.length < 2) return undefined;
    if (this.#isPlain(parts.slice(0, -1).join('/'))) return undefined;
    // The next one is the last.
    const rest = parts.reverse();
    let [done, followed] = ['', 0];
    while (rest.length > 1) {
      const part = rest.pop() ?? '';
      if (part === '..') {
        if (done === '') return undefined;
        done = done.slice(0, Math.max(0, done.lastIndexOf('/')));
        continue;
      }
      const here = done === '' ? part : `${done}/${part}`;
      const target = this.target(here);
      if (target === undefined) {
        done = here;
        continue;
      }
      if (++followed > mostFollowed) return undefined;
      if (target.startsWith('/')) {
        if (this.#kind === 'archive') return undefined;
        done = '';
      }
      rest.push(...partsOf(target).reverse());
    }
    return [...partsOf(done), ...rest.reverse()].join('/');
  }

  /**
   * Whether no link is in a path, nor at its end. What it shares with the last one is known: an archive lists one directory after the other, and
   * looking at each part of each path would take hours for deep ones.
   */
  #isPlain(path: string): boolean {
    let known = commonLength(path, this.#plain);
    while (known < path.length) {
      const slash = path.indexOf('/', known + 1);
      const end = slash < 0 ? path.length : slash;
      if (this.target(path.slice(0, end)) !== undefined) return false;
      known = end;
    }
    this.#plain = path;
    return true;
  }

  /** Where the link of this path, in which no link is, leads; undefined when there is none. */
  target(path: string): string | undefined {
    return this.#targets.has(path) ? this.#targets.get(path) : this.#below(path);
  }

  /** Notes what is at a path in which no link is: a link with this target, or anything else, or nothing any more. */
  put(path: string, target?: string): void {
    const key = partsOf(path).join('/');
    if (target !== undefined && `${this.#plain}/`.startsWith(`${key}/`)) this.#plain = '';
    const before = this.#targets.get(key);
    if (this.#targets.delete(key)) this.#characters -= key.length + (before?.length ?? 0);
    if (key === '' || (target === undefined && this.#below(key) === undefined)) return;
    const characters = key.length + (target?.length ?? 0);
    if (this.#targets.size >= mostLinks || this.#characters + characters > mostCharacters) return;
    this.#targets.set(key, target);
    this.#characters += characters;
  }
}

export const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');

/** How many characters two paths share, in whole names. */
function commonLength(one: string, other: string): number {
  let [at, whole] = [0, 0];
  while (at < one.length && at < other.length && one[at] === other[at]) {
    if (one[at] === '/') whole = at;
    at += 1;
  }
  const ends = (path: string) => at === path.length || path[at] === '/';
  return at > 0 && ends(one) && ends(other) ? at : whole;
}
