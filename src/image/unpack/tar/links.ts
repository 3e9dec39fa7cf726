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
    let rest = partsOf(path);
    // What `..` in an archive's own path means is for bsdtar to say: it refuses it.
    if (rest.includes('..') || rest.length < 2) return undefined;
    let [done, followed] = [[] as string[], 0];
    while (rest.length > 1) {
      const [part = '', ...after] = rest;
      rest = after;
      if (part === '..') {
        if (done.length === 0) return undefined;
        done = done.slice(0, -1);
        continue;
      }
      const here = [...done, part].join('/');
      const target = this.target(here);
      if (target === undefined) {
        done.push(part);
        continue;
      }
      if (++followed > mostFollowed) return undefined;
      if (target.startsWith('/')) {
        if (this.#kind === 'archive') return undefined;
        done = [];
      }
      rest = [...partsOf(target), ...rest];
    }
    return followed === 0 ? undefined : [...done, ...rest].join('/');
  }

  /** Where the link of this path, in which no link is, leads; undefined when there is none. */
  target(path: string): string | undefined {
    return this.#targets.has(path) ? this.#targets.get(path) : this.#below(path);
  }

  /** Notes what is at a path in which no link is: a link with this target, or anything else, or nothing any more. */
  put(path: string, target?: string): void {
    const key = partsOf(path).join('/');
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
