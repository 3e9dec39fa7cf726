import { hostedContainerDefinition } from '../api/hostedcontainer.ts';
import { imageDistributionDefinition } from '../api/imagedistribution.ts';
import { imageObjectName, parseReference } from '../api/images.ts';
import type { KindDefinition } from '../api/meta.ts';
import { group } from '../api/names.ts';
import { nodeStoreDefinition } from '../api/nodestore.ts';
import { osImageDefinition } from '../api/osimage.ts';

/** How people write the names of objects and images. */

export type KindName = 'HostedContainer' | 'ImageDistribution' | 'OSImage' | 'NodeStore';

/** Whose names a shell can offer for an argument. */
export type Completable = KindName | 'Image' | 'Namespace' | 'File';

export interface ObjectRef {
  /** Undefined where only a name was written. */
  kind?: KindName;
  name: string;
}

const definitions: readonly (KindDefinition & { kind: string })[] = [
  hostedContainerDefinition,
  imageDistributionDefinition,
  osImageDefinition,
  nodeStoreDefinition,
];

/** Every way to write a kind, in lower case, as kubectl takes them. `hc` and `os` are what people say. */
const spellings = new Map<string, KindName>([
  ...definitions.flatMap(({ kind, singular, plural, shortNames }) =>
    [kind.toLowerCase(), singular, plural, ...shortNames, `${plural}.${group}`, `${singular}.${group}`].map(
      (word): [string, KindName] => [word, kind as KindName],
    ),
  ),
  ['hc', 'HostedContainer'],
  ['node', 'NodeStore'],
  ['nodes', 'NodeStore'],
]);

/** The kind that a word names, if it names one. */
export const kindNamed = (word: string): KindName | undefined => spellings.get(word.toLowerCase());

/** How kubectl prints a kind before a name, such as `hostedcontainer`. */
export const kindWord = (kind: KindName): string => kind.toLowerCase();

/**
 * Reads `KIND/NAME`, `KIND NAME` (two words), an image in either spelling or a bare name. Undefined when the word before the
 * slash is no kind of ours.
 */
export function parseObjectRef(words: readonly string[]): ObjectRef | undefined {
  const [first = '', second] = words;
  const slash = first.indexOf('/');
  const [kindText, text] =
    second !== undefined
      ? [first, second]
      : slash < 0
        ? [undefined, first]
        : [first.slice(0, slash), first.slice(slash + 1)];
  if (kindText === undefined) {
    return text.includes(':') ? { kind: 'OSImage', name: objectNameOf(text) } : { name: text };
  }
  const kind = kindNamed(kindText);
  if (kind === undefined) return undefined;
  return { kind, name: kind === 'OSImage' ? objectNameOf(text) : text };
}

/** `debian-12.v36` of either spelling of an image. */
export function objectNameOf(text: string): string {
  const { os, version } = parseReference(text);
  return version === undefined ? text : imageObjectName({ os, version });
}

/** `debian-12:v36` of either spelling: an OS has no dot in its name, so the first one ends it. */
export function imageNameOf(text: string): string {
  if (text.includes(':')) return text;
  const word = text.replace(/^[a-z.]+\//i, '');
  const dot = word.indexOf('.');
  return dot < 0 ? word : `${word.slice(0, dot)}:${word.slice(dot + 1)}`;
}
