import type { Report, Vulnerability } from '../packages/report.ts';
import { compareVersions } from '../packages/versions.ts';
import { printable, table } from '../terminal.ts';
import type { Screen } from '../terminal.ts';
import type { PackageChange } from './compare.ts';

/** What becomes of a known weakness from one image to the other. */
export interface VulnerabilityChange {
  id: string;
  severity: string;
  package: string;
  before?: string;
  after?: string;
  fixedVersion?: string;
  change: 'Fixed' | 'New' | 'Remains';
}

const ranks = ['Critical', 'High', 'Medium', 'Low', 'Negligible'];
const rank = ({ severity }: { severity: string }) =>
  ranks.includes(severity) ? ranks.indexOf(severity) : ranks.length;

/**
 * The weaknesses that the reports know of packages that changed, the worst first. A version has one when it was scanned and found to have it, or when it is
 * earlier than the version that fixes it. Where none fixes it, every version has it.
 */
export function vulnerabilityChanges(
  packages: readonly PackageChange[],
  reports: readonly Report[],
): VulnerabilityChange[] {
  const exemptions = reports.flatMap((it) => it.exemptions);
  const isExempt = ({ id, package: name }: Vulnerability) =>
    exemptions.some((it) => it.id === id && (it.package ?? name) === name);
  const known = reports.flatMap(({ vulnerabilities }) => vulnerabilities).filter((it) => !isExempt(it));
  const byPackage = Map.groupBy(known, (it) => it.package);
  const changes = packages.flatMap((changed) => {
    const byId = Map.groupBy(byPackage.get(changed.name) ?? [], ({ id }) => id);
    return [...byId.values()].flatMap((all) => changeOf(changed, all) ?? []);
  });
  return changes.sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
}

function changeOf(
  { name, before, after }: PackageChange,
  all: readonly Vulnerability[],
): VulnerabilityChange | undefined {
  const [first] = all;
  const [was, is] = [has(before, all), has(after, all)];
  if (!first || (!was && !is)) return undefined;
  const fixedVersion = all.find((it) => it.fixedVersion !== undefined)?.fixedVersion;
  return {
    id: first.id,
    severity: first.severity,
    package: name,
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
    ...(fixedVersion !== undefined && { fixedVersion }),
    change: was && is ? 'Remains' : was ? 'Fixed' : 'New',
  };
}

function has(version: string | undefined, all: readonly Vulnerability[]): boolean {
  if (version === undefined) return false;
  // One package for several architectures: `1.0 (amd64), 1.1 (i386)`.
  const versions = version.split(', ').map((it) => it.replace(/ \([^)]*\)$/, ''));
  return versions.some((one) => {
    if (all.some((it) => compareVersions(it.version, one) === 0)) return true;
    return all.every(({ fixedVersion }) => fixedVersion === undefined || compareVersions(one, fixedVersion) < 0);
  });
}

const signs = { Fixed: ['-', 'green'], New: ['+', 'red'], Remains: ['=', 'yellow'] } as const;

/** For a person, line by line. */
export function renderVulnerabilities(
  changes: readonly VulnerabilityChange[],
  { paint }: Pick<Screen, 'paint'>,
): string[] {
  const count = (change: VulnerabilityChange['change']) => changes.filter((it) => it.change === change).length;
  const rows = changes.map(({ id, severity, package: name, before, after, fixedVersion, change }) => {
    const [sign, colour] = signs[change];
    const versions = before !== undefined && after !== undefined ? `${before} -> ${after}` : (after ?? before ?? '');
    const fix = fixedVersion === undefined ? 'no fix is known' : `fixed in ${fixedVersion}`;
    return [
      `  ${paint(colour, sign)} ${printable(id)}`,
      printable(severity),
      printable(`${name} ${versions}`),
      printable(fix),
    ];
  });
  return [
    `Vulnerabilities of packages that changed: ${count('Fixed')} fixed, ${count('New')} new, ${count('Remains')} remain`,
    ...table(rows),
  ];
}
