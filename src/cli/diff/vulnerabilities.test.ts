import { describe, expect, test } from 'vitest';
import { silentScreen } from '../terminal.ts';
import { readReport } from '../packages/report.ts';
import { renderVulnerabilities, vulnerabilityChanges } from './vulnerabilities.ts';

type Row = [id: string, severity: string, name: string, version: string, fixed?: string];

/** As `grype -o json` writes it, in short. */
const grype = (...rows: Row[]) =>
  JSON.stringify({
    matches: rows.map(([id, severity, name, version, fixed]) => ({
      vulnerability: { id, severity, fix: { versions: fixed === undefined ? [] : [fixed], state: 'fixed' } },
      relatedVulnerabilities: [],
      artifact: { name, version, type: 'deb', purl: `pkg:deb/debian/${name}@${version}` },
    })),
    descriptor: { name: 'grype', version: '0.99.0' },
  });
/** As `trivy image --format json` writes it. */
const trivy = (...rows: Row[]) =>
  JSON.stringify({
    SchemaVersion: 2,
    ArtifactName: 'debian-12:v35',
    Results: [
      {
        Target: 'debian-12:v35 (debian 12.4)',
        Class: 'os-pkgs',
        Vulnerabilities: rows.map(([id, severity, name, version, fixed]) => ({
          VulnerabilityID: id,
          PkgName: name,
          InstalledVersion: version,
          ...(fixed !== undefined && { FixedVersion: fixed }),
          Severity: severity.toUpperCase(),
        })),
      },
      { Target: 'app', Class: 'lang-pkgs' },
    ],
  });
const vex = (status: string, product: string, id = 'CVE-1') =>
  JSON.stringify({
    '@context': 'https://openvex.dev/ns/v0.2.0',
    '@id': 'https://example.com/vex-1',
    statements: [{ vulnerability: { name: id }, products: [{ '@id': product }], status }],
  });

const packages = [
  { name: 'openssl', before: '3.0.11-1', after: '3.0.15-1' },
  { name: 'less', after: '590-2' },
  { name: 'gpgv', before: '2.2.40-1' },
];
const changes = (...texts: string[]) =>
  vulnerabilityChanges(
    packages,
    texts.map((text) => readReport('r.json', text)),
  ).map(({ change, id, severity }) => `${change} ${id} ${severity}`);

describe.each([
  ['grype', grype],
  ['trivy', trivy],
])('a report of %s', (_name, write) => {
  test.each<[string, Row[], string[]]>([
    ['a fix that the new version has', [['CVE-1', 'High', 'openssl', '3.0.11-1', '3.0.14-1']], ['Fixed CVE-1 High']],
    ['a fix that comes later', [['CVE-1', 'High', 'openssl', '3.0.11-1', '3.0.16-1']], ['Remains CVE-1 High']],
    ['no fix', [['CVE-1', 'Low', 'openssl', '3.0.11-1']], ['Remains CVE-1 Low']],
    ['what only the new version has', [['CVE-1', 'Low', 'openssl', '3.0.15-1', '3.0.10-1']], ['New CVE-1 Low']],
    ['a package that comes', [['CVE-1', 'Low', 'less', '590-2']], ['New CVE-1 Low']],
    ['a package that goes', [['CVE-1', 'Low', 'gpgv', '2.2.40-1']], ['Fixed CVE-1 Low']],
    ['a package that is the same in both', [['CVE-1', 'Low', 'bash', '5.2']], []],
    [
      'several, the worst first',
      [
        ['CVE-1', 'Low', 'less', '590-2'],
        ['CVE-3', 'Critical', 'less', '590-2'],
        ['CVE-2', 'Critical', 'gpgv', '2.2.40-1'],
      ],
      ['Fixed CVE-2 Critical', 'New CVE-3 Critical', 'New CVE-1 Low'],
    ],
  ])('tells of %s', (_case, rows, expected) => {
    expect(changes(write(...rows))).toEqual(expected);
  });

  test('of both images: what was scanned counts, whatever the versions are', () => {
    const before = write(['CVE-1', 'High', 'openssl', '3.0.11-1', '3.0.12-1']);
    const after = write(['CVE-1', 'High', 'openssl', '3.0.15-1', '3.0.12-1']);
    expect(changes(before, after)).toEqual(['Remains CVE-1 High']);
  });
});

test.each([
  ['not_affected', 'pkg:deb/debian/openssl@3.0.11-1?arch=amd64', []],
  ['fixed', 'pkg:deb/debian/openssl', []],
  ['not_affected', 'pkg:oci/debian-12', []],
  ['not_affected', 'pkg:deb/debian/less', ['Remains CVE-1 High']],
  ['affected', 'pkg:deb/debian/openssl', ['Remains CVE-1 High']],
])('OpenVEX that says %s of %s leaves %j', (status, product, expected) => {
  const report = grype(['CVE-1', 'High', 'openssl', '3.0.11-1']);
  expect(changes(report, vex(status, product))).toEqual(expected);
});

test.each([
  ['{}', /grype -o json/],
  ['{"matches": [{"vulnerability": 1}]}', /grype -o json/],
  ['matches:', /is no JSON/],
])('%s is refused, with what it must be', (text, told) => {
  expect(() => readReport('r.json', text)).toThrow(told);
});

test('a person reads what changed, and in which version it is fixed', () => {
  const report = readReport('r.json', grype(['CVE-1', 'High', 'openssl', '3.0.11-1', '3.0.14-1'], ['CVE-2', 'Low', 'less', '590-2\u001b[31m'], ['CVE-3', 'Low', 'less', '590-2'])); // prettier-ignore
  expect(renderVulnerabilities(vulnerabilityChanges(packages, [report]), silentScreen)).toEqual([
    'Vulnerabilities of packages that changed: 1 fixed, 2 new, 0 remain',
    '  - CVE-1  High  openssl 3.0.11-1 -> 3.0.15-1  fixed in 3.0.14-1',
    '  + CVE-2  Low   less 590-2                    no fix is known',
    '  + CVE-3  Low   less 590-2                    no fix is known',
  ]);
});
