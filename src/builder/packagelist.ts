import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { because, BuildError } from './failure.ts';
import { timeOf } from './image.ts';
import type { TreeStep } from './ports.ts';

/** The list of packages, and of the files that they own, as SPDX in JSON. */
export interface PackageList {
  text: string;
  packages: number;
}

const document = z.looseObject({
  creationInfo: z.looseObject({}),
  packages: z.array(z.looseObject({ SPDXID: z.string() })),
  files: z.array(z.looseObject({ SPDXID: z.string() })).default([]),
  relationships: z
    .array(z.looseObject({ spdxElementId: z.string(), relatedSpdxElement: z.string(), relationshipType: z.string() }))
    .default([]),
});

/** Lists what is in the tree, with syft. The same tree gives the same text. */
export async function listPackages({ root, recipe, ports }: TreeStep): Promise<PackageList> {
  const { work, programs, tools } = ports;
  const file = join(work, 'spdx.json');
  const name = ['--source-name', recipe.os, '--source-version', recipe.version];
  const env = { HOME: work, SYFT_CHECK_FOR_APP_UPDATE: 'false' };
  const advice = 'look at the log of the build';
  await programs
    .run([tools.syft, 'scan', `dir:${root}`, ...name, '--quiet', '--output', `spdx-json=${file}`], { env })
    .catch(because('PackageListFailed', 'The packages cannot be listed', advice));
  return settle(await readFile(file, 'utf8'), recipe);
}

/** Takes out what no two lists have in common: time, order and a random name. */
export function settle(text: string, { os, version, build }: TreeStep['recipe']): PackageList {
  const parsed = document.safeParse(JSON.parse(text));
  if (!parsed.success) {
    throw new BuildError(
      'PackageListFailed',
      `syft wrote no SPDX: ${z.prettifyError(parsed.error)}; look at the image of the builder`,
    );
  }
  const { creationInfo, packages, files, relationships, ...rest } = parsed.data;
  const sorted = {
    ...rest,
    documentNamespace: '',
    creationInfo: { ...creationInfo, created: timeOf(build.sourceDateEpoch) },
    packages: sortBy(packages, (it) => it.SPDXID),
    files: sortBy(files, (it) => it.SPDXID),
    relationships: sortBy(relationships, (it) =>
      [it.spdxElementId, it.relationshipType, it.relatedSpdxElement].join(' '),
    ),
  };
  const hash = createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 32);
  const named = { ...sorted, documentNamespace: `https://monoroot.dev/spdx/${os}-${version}-${hash}` };
  // The root itself is in the list, too.
  const count = packages.filter(({ SPDXID }) => !SPDXID.startsWith('SPDXRef-DocumentRoot')).length;
  return { text: `${JSON.stringify(named)}\n`, packages: count };
}

function sortBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  const keyed = items.map((item) => ({ key: key(item), item }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ item }) => item);
}
