import { fieldManagers } from '../../api/names.ts';
import type { Client } from '../../kube/client.ts';
import type { Resource } from '../../kube/resources.ts';
import { isConflict } from '../../runtime/errors.ts';
import type { KubeObject, ObjectName } from '../../runtime/object.ts';
import { CommandError } from '../command.ts';
import type { Context } from '../command.ts';
import { fieldsOf, gitOpsOwners } from './owners.ts';

/** For commands that write, as kubectl has it. */
export const dryRunOption = {
  'dry-run': {
    type: 'string',
    value: 'MODE',
    choices: ['none', 'client', 'server'],
    help: 'client: print what would be sent; server: have it checked, and store nothing',
  },
} as const;

export type DryRun = 'client' | 'server' | undefined;

/** The value of --dry-run. */
export const dryRunOf = (value: string | undefined): DryRun =>
  value === 'client' || value === 'server' ? value : undefined;

/** What kubectl writes behind the name of an object that was not changed. */
export const dryRunNote = (dryRun: DryRun): string =>
  dryRun === undefined ? '' : dryRun === 'client' ? ' (dry run)' : ' (server dry run)';

const attempts = 5;

/**
 * Changes an object as `decide` says of what it is now: a merge patch, or undefined to leave it alone. When somebody else changes it
 * meanwhile it is read and decided again. Warns of a GitOps tool that owns a field of the patch. Gives what it was, and what it became.
 */
export async function changeObject<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  name: ObjectName,
  decide: (object: T) => object | undefined,
  { err, out, dryRun }: Pick<Context, 'err' | 'out'> & { dryRun: DryRun },
): Promise<{ before: T; after: T; changed: boolean }> {
  for (let attempt = 1; ; attempt++) {
    const before = await client.get(resource, name);
    if (!before) throw new CommandError(missing(resource, name));
    const patch = decide(before);
    if (!patch) return { before, after: before, changed: false };
    if (attempt === 1) warn(before, patch, err);
    if (dryRun === 'client') {
      out.line(JSON.stringify(patch));
      return { before, after: before, changed: true };
    }
    const { resourceVersion } = before.metadata;
    const whole = {
      ...patch,
      metadata: { ...('metadata' in patch ? (patch.metadata as object) : {}), resourceVersion },
    };
    try {
      const options = { fieldManager: fieldManagers.plugin, dryRun: dryRun === 'server' };
      return { before, after: await client.mergePatch(resource, name, whole, options), changed: true };
    } catch (error) {
      if (!isConflict(error) || attempt === attempts) throw error;
    }
  }
}

function missing({ kind, plural }: Resource<KubeObject>, { namespace, name }: ObjectName): string {
  const where = namespace === undefined ? '' : ` in namespace ${namespace}; another one with -n, or`;
  const list = kind === 'ImageDistribution' ? 'imgdist' : plural;
  return `There is no ${kind} ${name}${where === '' ? ';' : where} kubectl get ${list} lists them`;
}

function warn(object: KubeObject, patch: object, err: Context['err']): void {
  for (const { tool, field } of gitOpsOwners(object, fieldsOf(patch))) {
    err.line(
      `${err.paint('yellow', 'Warning:')} ${tool} owns ${field} of ${object.kind} ${object.metadata.name} and sets it back: make the change where it reads it, too`,
    );
  }
}
