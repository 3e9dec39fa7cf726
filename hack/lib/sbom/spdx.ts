import { createHash } from 'node:crypto';

/** An SPDX 2.3 document, as far as it is read here. */
export interface Spdx {
  SPDXID: string;
  name: string;
  documentNamespace: string;
  creationInfo: { created: string; creators: string[] };
  packages: SpdxPackage[];
  relationships: Relationship[];
  files?: unknown;
}
export interface SpdxPackage {
  name: string;
  SPDXID: string;
  versionInfo?: string;
  filesAnalyzed: boolean;
  packageVerificationCode?: unknown;
  externalRefs?: { referenceCategory: string; referenceType: string; referenceLocator: string }[];
  [field: string]: unknown;
}
interface Relationship {
  spdxElementId: string;
  relatedSpdxElement: string;
  relationshipType: string;
}

/** A package of npm that a bundle has code of. */
export interface BundledPackage {
  name: string;
  version: string;
  license: string;
  /** As in package-lock.json: `sha512-<base64>`. */
  integrity: string;
}

/**
 * What a scanner found in an image, and the packages in its bundles, which no scanner sees. Files are left out, and what differs from run
 * to run: the same image gives the same bytes. `created` is RFC 3339.
 */
export function completed(scan: Spdx, bundled: readonly BundledPackage[], created: string): Spdx {
  const { files: _files, ...rest } = scan;
  const root = scan.relationships.find((it) => it.relationshipType === 'DESCRIBES')?.relatedSpdxElement;
  if (root === undefined) throw new Error('The scan describes nothing');
  const ids = new Set([scan.SPDXID, ...scan.packages.map((it) => it.SPDXID)]);
  const packages = scan.packages.map(({ packageVerificationCode: _code, ...it }) => ({ ...it, filesAnalyzed: false }));
  const kept = scan.relationships.filter((it) => ids.has(it.spdxElementId) && ids.has(it.relatedSpdxElement));
  const contained = bundled.map((it) => ({
    spdxElementId: root,
    relatedSpdxElement: idOf(it),
    relationshipType: 'CONTAINS',
  }));
  const made = {
    ...rest,
    creationInfo: { ...scan.creationInfo, created },
    packages: [...packages, ...bundled.map(packageOf)],
    relationships: [...kept, ...contained],
  };
  const content = createHash('sha256')
    .update(JSON.stringify({ ...made, documentNamespace: '' }))
    .digest('hex');
  return { ...made, documentNamespace: `https://monoroot.dev/spdx/${scan.name}-${content}` };
}

const idOf = ({ name, version }: BundledPackage): string =>
  `SPDXRef-Package-npm-${`${name}-${version}`.replace(/[^A-Za-z0-9.-]+/g, '-')}`;

function packageOf(it: BundledPackage): SpdxPackage {
  const [algorithm = '', value = ''] = it.integrity.split('-', 2);
  return {
    name: it.name,
    SPDXID: idOf(it),
    versionInfo: it.version,
    supplier: 'NOASSERTION',
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    sourceInfo: 'bundled into the programs in /opt/monoroot',
    checksums: [{ algorithm: algorithm.toUpperCase(), checksumValue: Buffer.from(value, 'base64').toString('hex') }],
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: it.license,
    copyrightText: 'NOASSERTION',
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: `pkg:npm/${it.name.replace('@', '%40')}@${it.version}`,
      },
    ],
  };
}

/** What an image must have that its list lacks; the names of packages. */
export const lacking = ({ packages }: Spdx, names: readonly string[]): string[] =>
  names.filter((name) => !packages.some((it) => it.name === name));
