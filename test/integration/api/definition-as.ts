import { customResourceDefinition } from '../../../src/api/crd.ts';
import type { Crd } from '../setup.ts';

/**
 * A copy of the definition of a kind of ours, under another group: the other tests of a run use that of ours. Tests change it into
 * what an earlier version had.
 */
export function definitionAs(
  { plural, group }: { plural: string; group: string },
  kind: Parameters<typeof customResourceDefinition>[0],
): Crd {
  const definition = structuredClone(customResourceDefinition(kind)) as unknown as Crd;
  return { ...definition, metadata: { name: `${plural}.${group}` }, spec: { ...definition.spec, group } };
}
