import type { Spdx, SpdxPackage } from '../sbom/spdx.ts';

/** Versions by the names of packages. */
export type Versions = ReadonlyMap<string, string>;

/** Reads lines of a name and a version. */
export const parsePins = (text: string): Versions =>
  new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(' ', 2) as [string, string]),
  );

/** Packages of Debian in a list, and busybox, which the scaffolds have without its package. */
export function debianPackages({ packages }: Pick<Spdx, 'packages'>): Versions {
  const found = packages.filter((it) => isOfDebian(it) || it.name === 'busybox');
  return new Map(found.map(({ name, versionInfo = '' }) => [name, withoutRebuild(versionInfo)]));
}

const isOfDebian = ({ externalRefs = [] }: SpdxPackage): boolean =>
  externalRefs.some(({ referenceLocator }) => referenceLocator.startsWith('pkg:deb/debian/'));

/** Debian rebuilds a package for some architectures alone. */
const withoutRebuild = (version: string): string => version.replace(/\+b[0-9]+$/, '');

/** What an image has that is not pinned, one line each. */
export const unpinned = (pins: Versions, found: Versions): string[] =>
  [...found].flatMap(([name, version]) => {
    const pinned = pins.get(name);
    return pinned === version ? [] : [`${name} ${version}, pinned is ${pinned ?? 'none'}`];
  });
