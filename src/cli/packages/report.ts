import { z } from 'zod';
import { CommandError } from '../command.ts';

/** A weakness of one version of a package, as a scanner found it. */
export interface Vulnerability {
  id: string;
  severity: string;
  package: string;
  /** The version that was scanned. */
  version: string;
  /** The first version without it; undefined when there is none yet. */
  fixedVersion?: string;
}

/** What somebody who knows the image says: this package of it does not have the weakness. */
export interface Exemption {
  id: string;
  /** Undefined: no package of the image. */
  package?: string;
}

export interface Report {
  vulnerabilities: Vulnerability[];
  exemptions: Exemption[];
}

const grype = z.object({
  matches: z.array(
    z.object({
      vulnerability: z.object({
        id: z.string(),
        severity: z.string().default('Unknown'),
        fix: z.object({ versions: z.array(z.string()).nullish() }).nullish(),
      }),
      artifact: z.object({ name: z.string(), version: z.string() }),
    }),
  ),
});

const trivy = z.object({
  SchemaVersion: z.number(),
  Results: z
    .array(
      z.object({
        Vulnerabilities: z
          .array(
            z.object({
              VulnerabilityID: z.string(),
              PkgName: z.string(),
              InstalledVersion: z.string(),
              FixedVersion: z.string().optional(),
              Severity: z.string().default('UNKNOWN'),
            }),
          )
          .nullish(),
      }),
    )
    .nullish(),
});

const openVex = z.object({
  '@context': z.string().startsWith('https://openvex.dev/'),
  statements: z.array(
    z.object({
      vulnerability: z.union([z.string(), z.object({ name: z.string() })]),
      products: z
        .array(
          z.union([
            z.string(),
            z.object({
              '@id': z.string().optional(),
              subcomponents: z.array(z.object({ '@id': z.string() })).optional(),
            }),
          ]),
        )
        .optional(),
      status: z.string(),
    }),
  ),
});

/** Reads the JSON of grype, of trivy, or an OpenVEX document. Throws an error for users when it is none of them. */
export function readReport(file: string, text: string): Report {
  const value = parse(file, text);
  const [ofGrype, ofTrivy, vex] = [grype.safeParse(value), trivy.safeParse(value), openVex.safeParse(value)];
  if (ofGrype.success) return { vulnerabilities: ofGrype.data.matches.map(fromGrype), exemptions: [] };
  if (ofTrivy.success) return { vulnerabilities: fromTrivy(ofTrivy.data), exemptions: [] };
  if (vex.success) return { vulnerabilities: [], exemptions: vex.data.statements.flatMap(fromVex) };
  throw new CommandError(
    `${file} is no report that is known here: it must be what grype -o json or trivy --format json writes, or OpenVEX`,
  );
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandError(`${file} is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function fromGrype({ vulnerability, artifact }: z.output<typeof grype>['matches'][number]): Vulnerability {
  const { id, severity, fix } = vulnerability;
  return withFix({ id, severity, package: artifact.name, version: artifact.version }, fix?.versions?.[0]);
}

const fromTrivy = ({ Results: results }: z.output<typeof trivy>): Vulnerability[] =>
  (results ?? [])
    .flatMap(({ Vulnerabilities: found }) => found ?? [])
    .map((it) =>
      withFix(
        { id: it.VulnerabilityID, severity: it.Severity, package: it.PkgName, version: it.InstalledVersion },
        // Where several branches were fixed there are several; the first is of the branch that is installed.
        it.FixedVersion?.split(',')[0]?.trim(),
      ),
    );

/** Words for severities are those of grype. */
const withFix = (found: Vulnerability, fixedVersion: string | undefined): Vulnerability => ({
  ...found,
  severity: found.severity.slice(0, 1).toUpperCase() + found.severity.slice(1).toLowerCase(),
  ...(fixedVersion !== undefined && fixedVersion !== '' && { fixedVersion }),
});

function fromVex({
  vulnerability,
  products = [],
  status,
}: z.output<typeof openVex>['statements'][number]): Exemption[] {
  if (status !== 'not_affected' && status !== 'fixed') return [];
  const id = typeof vulnerability === 'string' ? vulnerability : vulnerability.name;
  const urls = products.flatMap((it) => typeof it === 'string' ? [it] : (it.subcomponents?.map((part) => part['@id']) ?? it['@id'] ?? [])); // prettier-ignore
  const packages = urls.flatMap((url) => packageOf(url) ?? []);
  return packages.length > 0 ? packages.map((name) => ({ id, package: name })) : [{ id }];
}

/** `openssl` of `pkg:deb/debian/openssl@3.0.11?arch=amd64`; undefined of what is no package of a system, such as the image itself. */
function packageOf(url: string): string | undefined {
  const [, name] = /^pkg:(?:deb|apk|rpm)\/(?:[^@?#]*\/)?([^/@?#]+)/.exec(url) ?? [];
  return name === undefined ? undefined : decodeURIComponent(name);
}
