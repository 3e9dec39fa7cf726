import type { InspectedPackage } from '../../api/inspection.ts';
import { UsageError } from '../command.ts';
import { compareVersions } from './versions.ts';

/** A package, and which versions of it are meant; all of them without an operator. */
export interface PackageQuery {
  name: string;
  operator?: '<' | '<=' | '=' | '>=' | '>';
  version?: string;
}

/** Reads `openssl`, `openssl<3.0.15`, `libssl3>=3.0.11-1`. */
export function parseQuery(text: string): PackageQuery {
  const [, name, operator, version] = /^([A-Za-z0-9][A-Za-z0-9+._-]*?)(?:(<=|>=|<|>|=)([^<>=\s]+))?$/.exec(text) ?? [];
  if (name === undefined) {
    throw new UsageError(
      `${text} is no package: it must be NAME, or NAME with <, <=, =, >= or > and a version, in quotes`,
    );
  }
  return operator === undefined || version === undefined
    ? { name }
    : { name, operator: operator as '<' | '<=' | '=' | '>=' | '>', version };
}

/** Packages that the query means. */
export const matching = (packages: readonly InspectedPackage[], { name, operator, version }: PackageQuery) =>
  packages.filter(
    (it) => it.name === name && (version === undefined || holds(compareVersions(it.version, version), operator)),
  );

function holds(order: number, operator: PackageQuery['operator']): boolean {
  switch (operator) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>=':
      return order >= 0;
    case '>':
      return order > 0;
    case '=':
    case undefined:
      return order === 0;
  }
}
