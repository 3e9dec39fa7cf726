import { describe, expect, test } from 'vitest';
import { completed, lacking } from './spdx.ts';
import type { Spdx } from './spdx.ts';

const scan = (uuid: string): Spdx => ({
  SPDXID: 'SPDXRef-DOCUMENT',
  name: 'monoroot',
  documentNamespace: `https://example.com/${uuid}`,
  creationInfo: { created: uuid, creators: ['Tool: syft'] },
  files: [{ SPDXID: 'SPDXRef-File-1' }],
  packages: [
    { name: 'libc6', SPDXID: 'SPDXRef-Package-deb-libc6', filesAnalyzed: false },
    { name: 'monoroot', SPDXID: 'SPDXRef-Image', filesAnalyzed: true, packageVerificationCode: { value: 'x' } },
  ],
  relationships: [
    { spdxElementId: 'SPDXRef-Image', relatedSpdxElement: 'SPDXRef-File-1', relationshipType: 'CONTAINS' },
    { spdxElementId: 'SPDXRef-Image', relatedSpdxElement: 'SPDXRef-Package-deb-libc6', relationshipType: 'CONTAINS' },
    { spdxElementId: 'SPDXRef-DOCUMENT', relatedSpdxElement: 'SPDXRef-Image', relationshipType: 'DESCRIBES' },
  ],
});
const integrity = `sha512-${Buffer.from('bytes').toString('base64')}`;
const bundled = [
  { name: 'zod', version: '4.0.0', license: 'MIT', integrity },
  { name: '@kubernetes/client-node', version: '2.0.0', license: 'Apache-2.0', integrity },
];
const created = '2026-01-01T00:00:00Z';

describe('the list of what is in an image', () => {
  test('has what is bundled, with version, licence, checksum and purl, as contained in the image', () => {
    const { packages, relationships } = completed(scan('a'), bundled, created);
    expect(packages.map(({ name }) => name)).toEqual(['libc6', 'monoroot', 'zod', '@kubernetes/client-node']);
    expect(packages.at(-1)).toMatchObject({
      SPDXID: 'SPDXRef-Package-npm--kubernetes-client-node-2.0.0',
      licenseDeclared: 'Apache-2.0',
      checksums: [{ algorithm: 'SHA512', checksumValue: Buffer.from('bytes').toString('hex') }],
      externalRefs: [{ referenceLocator: 'pkg:npm/%40kubernetes/client-node@2.0.0' }],
    });
    expect(relationships).toContainEqual({
      spdxElementId: 'SPDXRef-Image',
      relatedSpdxElement: 'SPDXRef-Package-npm-zod-4.0.0',
      relationshipType: 'CONTAINS',
    });
  });

  test('has no files, and nothing that refers to one', () => {
    const text = JSON.stringify(completed(scan('a'), bundled, created));
    expect(text).not.toMatch(/SPDXRef-File|packageVerificationCode|"filesAnalyzed":true/);
  });

  test('is the same for the same image, and has another name for another', () => {
    const [first, again] = [completed(scan('a'), bundled, created), completed(scan('b'), bundled, created)];
    expect(again).toEqual(first);
    expect(completed(scan('a'), [], created).documentNamespace).not.toBe(first.documentNamespace);
  });

  test('tells what it lacks', () => {
    expect(lacking(completed(scan('a'), bundled, created), ['libc6', 'zod', 'node'])).toEqual(['node']);
  });
});
