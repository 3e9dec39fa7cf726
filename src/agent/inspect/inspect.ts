import { join } from 'node:path';
import type { InspectedFile, InspectionLine } from '../../api/inspection.ts';
import { readImageFile } from '../store/image-file.ts';
import { readAttributes } from '../store/attributes.ts';
import { hasDigests, nameOf, readManifest } from '../store/manifest.ts';
import { unescaped } from '../store/names.ts';
import { imageName } from '../../api/images.ts';
import { readPackages } from './packages.ts';

/** Tells all about an entry of the store, without changing anything; throws when it is no whole image. */
export async function* inspectEntry(entry: string): AsyncGenerator<InspectionLine> {
  const image = await readImageFile(entry);
  const { packages, owners, records, notes } = await readPackages(join(entry, 'root'));
  const contents = await hasDigests(entry);
  yield { kind: 'image', image: imageName(image), digest: image.digest, contents, records, notes };
  for (const one of packages) yield { kind: 'package', ...one };
  const attributes = new Map<string, string[]>();
  for await (const line of readAttributes(entry)) {
    const name = nameOf(line);
    const path = pathOf(name);
    attributes.set(path, [...(attributes.get(path) ?? []), line.slice(name.length + 1)]);
  }
  for await (const line of readManifest(entry)) {
    const file = fileOf(line);
    if (!file || file.path === 'image.json') continue;
    const [own, owner] = [attributes.get(file.path), owners.get(file.path)];
    yield { ...file, ...(own && { attributes: own }), ...(owner !== undefined && { package: owner }) };
  }
  yield { kind: 'end' };
}

const types = new Set<string | undefined>(['file', 'dir', 'link', 'char', 'block', 'fifo', 'socket']);

/** Reads a line of a manifest; undefined when it is none. */
function fileOf(line: string): InspectedFile | undefined {
  const [path = '', ...words] = line.split(' ');
  const facts = new Map(words.map((word) => word.split(/=(.*)/s, 2) as [string, string]));
  const type = facts.get('type');
  if (!types.has(type)) return undefined;
  const [size, target, device, sha256] = ['size', 'link', 'device', 'sha256digest'].map((name) => facts.get(name));
  return {
    kind: 'file',
    path: pathOf(path),
    type: type as InspectedFile['type'],
    mode: (facts.get('mode') ?? '').padStart(4, '0'),
    uid: Number(facts.get('uid')),
    gid: Number(facts.get('gid')),
    ...(size !== undefined && { size: Number(size) }),
    ...(target !== undefined && { target: readable(target) }),
    ...(device !== undefined && { device }),
    ...(sha256 !== undefined && { sha256 }),
    time: facts.get('time') ?? '',
  };
}

/** `./root/etc/passwd` is /etc/passwd, `./mount.sh` is mount.sh. */
const pathOf = (path: string) => readable(path.replace(/^\.\/root$/, '/').replace(/^\.\/(root(?=\/))?/, ''));

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A name as text where it is UTF-8 without control characters, else as the manifest has it: no terminal should obey it. */
function readable(escaped: string): string {
  if (!escaped.includes('\\')) return escaped;
  try {
    const text = utf8.decode(Buffer.from(unescaped(escaped), 'latin1'));
    return /\p{C}|[\u2028\u2029]/u.test(text) ? escaped : text;
  } catch {
    return escaped;
  }
}
