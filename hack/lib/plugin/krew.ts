import { basename } from 'node:path';
import { dump } from 'js-yaml';
import type { Packed } from './pack.ts';

/** The manifest with which krew installs the plugin: an archive for each platform, by its SHA-256. */
export function krewManifest(
  packed: readonly Pick<Packed, 'platform' | 'archive' | 'sha256'>[],
  { version, baseUrl }: { version: string; baseUrl: string },
): string {
  const platforms = packed.map(({ platform, archive, sha256 }) => {
    const [os, arch] = platform.split('-');
    return {
      selector: { matchLabels: { os, arch } },
      uri: `${baseUrl}/${basename(archive)}`,
      sha256,
      bin: 'kubectl-monoroot',
    };
  });
  return dump(
    {
      apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
      kind: 'Plugin',
      metadata: { name: 'monoroot' },
      spec: {
        version: `v${version}`,
        shortDescription: 'Inspect and control Monoroot images and rollouts',
        description:
          'Shows which versions of an operating system image nodes and containers have,\nwhy an object is as it is, and controls upgrades and rollouts of Monoroot.\n',
        platforms,
      },
    },
    { lineWidth: -1 },
  );
}
