import type { Build } from '../api/build.ts';

/** Where images that are built in the cluster are pushed. */

interface Version {
  os: string;
  version: string;
}

/** `<repository>/testing/<os>:<version>`: what no container may use yet. */
export const testingReference = (build: Pick<Build, 'repository'>, { os, version }: Version): string =>
  `${build.repository}/testing/${os}:${version}`;

/** `<repository>/production/<os>:<version>`: what has passed its verification. */
export const productionReference = (build: Pick<Build, 'repository'>, { os, version }: Version): string =>
  `${build.repository}/production/${os}:${version}`;
