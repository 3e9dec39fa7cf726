/** The views, and the address of each: the page and the server read addresses in the same way. */
export type View =
  | { name: 'fleet' | 'rollouts' | 'images' | 'nodes' }
  | { name: 'rollout' | 'image' | 'node'; object: string }
  | { name: 'container'; namespace: string; object: string }
  | { name: 'history'; os: string | undefined };

/** Where a page changes its ticket for the key. */
export const keyPath = '/api/key';

const lists = { rollouts: 'rollout', images: 'image', nodes: 'node' } as const;
const isList = (word: string): word is keyof typeof lists => Object.hasOwn(lists, word);

/** The view at an address; undefined when there is none. */
export function viewAt(path: string, query: URLSearchParams): View | undefined {
  const [first = '', ...rest] = wordsOf(path);
  const [second, third] = rest;
  if (rest.length > 2) return undefined;
  if (first === '') return rest.length === 0 ? { name: 'fleet' } : undefined;
  if (first === 'history' && rest.length === 0) return { name: 'history', os: query.get('os') ?? undefined };
  if (first === 'containers' && second !== undefined && third !== undefined)
    return { name: 'container', namespace: second, object: third };
  if (!isList(first) || third !== undefined) return undefined;
  return second === undefined ? { name: first } : { name: lists[first], object: second };
}

/** The address of an object. */
export function pathOf({ kind, namespace, name }: { kind: string; namespace?: string; name: string }): string {
  const place =
    { HostedContainer: 'containers', ImageDistribution: 'rollouts', OSImage: 'images', NodeStore: 'nodes' }[kind] ?? '';
  return `/${[place, ...(namespace === undefined ? [] : [namespace]), name].map(encodeURIComponent).join('/')}`;
}

function wordsOf(path: string): string[] {
  try {
    const words = path.split('/').map(decodeURIComponent).slice(1);
    return words[0] !== '' && words.at(-1) === '' ? words.slice(0, -1) : words;
  } catch {
    // No address of ours has such escapes.
    return ['', '', '', ''];
  }
}
