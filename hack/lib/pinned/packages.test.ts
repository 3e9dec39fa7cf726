import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SpdxPackage } from '../sbom/spdx.ts';
import { debianPackages, parsePins, unpinned } from './packages.ts';

const of = (name: string, versionInfo: string, purl: string): SpdxPackage => ({
  name,
  versionInfo,
  SPDXID: name,
  filesAnalyzed: false,
  externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
});
const list = {
  packages: [
    of('zstd', '1.5.4+dfsg2-5', 'pkg:deb/debian/zstd@1.5.4%2Bdfsg2-5?arch=amd64'),
    of('bash', '5.2.15-2+b7', 'pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=arm64'),
    of('busybox', '1.35.0', 'pkg:generic/busybox@1.35.0'),
    of('zod', '4.0.0', 'pkg:npm/zod@4.0.0'),
  ],
};

describe('packages of Debian in an image', () => {
  test('are those of Debian, and busybox; a rebuild is the same version', () => {
    expect([...debianPackages(list)]).toEqual([['zstd', '1.5.4+dfsg2-5'], ['bash', '5.2.15-2'], ['busybox', '1.35.0']]); // prettier-ignore
  });

  test('are pinned, or said with what is', () => {
    const pins = parsePins('# about\nzstd 1.5.4+dfsg2-5\nbash 5.2.15-1\n');
    expect(unpinned(pins, debianPackages(list))).toEqual([
      'bash 5.2.15-2, pinned is 5.2.15-1',
      'busybox 1.35.0, pinned is none',
    ]);
  });

  test('the pins have a version for each', () => {
    const pins = parsePins(readFileSync(join(import.meta.dirname, 'debian.packages'), 'utf8'));
    expect(pins.size).toBeGreaterThan(100);
    for (const version of pins.values()) expect(version).toMatch(/^[0-9][A-Za-z0-9.+:~-]*$/);
  });
});
