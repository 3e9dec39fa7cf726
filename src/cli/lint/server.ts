import type { Client } from '../../kube/client.ts';
import { fieldManagers } from '../../api/names.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../kube/kinds.ts';
import type { Resource } from '../../kube/resources.ts';
import type { Applied } from '../../kube/types.ts';
import { ApiError } from '../../runtime/errors.ts';
import type { KubeObject } from '../../runtime/object.ts';
import { CommandError } from '../command.ts';
import { lineOf } from './documents.ts';
import type { Document } from './documents.ts';
import { labelOf } from './lint.ts';
import type { LintFinding } from './lint.ts';
import type { Path } from './schema.ts';

const resources: readonly Resource<KubeObject>[] = [osImages, imageDistributions, hostedContainers, nodeStores];

/**
 * What the API server says to each of these objects of ours: it applies them without storing anything, so definitions, rules in CEL, admission
 * policies and webhooks all have their say, also about what is there already. `namespace`: of those that name none.
 */
export async function serverFindings(
  client: Client,
  documents: readonly Document[],
  namespace: string,
): Promise<LintFinding[]> {
  const findings: LintFinding[] = [];
  for (const document of documents) findings.push(...(await ask(client, document, namespace)));
  return findings;
}

async function ask(client: Client, document: Document, namespace: string): Promise<LintFinding[]> {
  const resource = resources.find(({ kind }) => kind === document.value['kind']);
  const { metadata, status: _status, ...rest } = document.value as { metadata?: KubeObject['metadata'] } & Record<string, unknown>; // prettier-ignore
  if (!resource || typeof metadata?.name !== 'string') return [];
  const within = resource.namespaced ? { namespace: metadata.namespace ?? namespace } : {};
  const object = { ...rest, metadata: { ...metadata, ...within } } as unknown as Applied<KubeObject>;
  try {
    await client.apply(resource, object, { fieldManager: fieldManagers.plugin, dryRun: true });
    return [];
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return findingsOf(error, document, resource);
  }
}

function findingsOf(error: ApiError, document: Document, { kind, plural }: Resource<KubeObject>): LintFinding[] {
  const found = (id: string, severity: LintFinding['severity'], path: Path, message: string): LintFinding => ({
    id,
    severity,
    file: document.file,
    line: lineOf(document, path),
    object: labelOf(document.value),
    message,
  });
  const { code, message, causes } = error;
  if (/ValidatingAdmissionPolicy|admission webhook/.test(message)) return [found('policy', 'Error', [], message)];
  if (code === 403)
    return [found('not-asked', 'Warning', [], `you may not patch ${plural}, so the API server was not asked: ${message}`)]; // prettier-ignore
  if (code === 404 && message.startsWith('namespaces '))
    return [found('not-asked', 'Warning', ['metadata', 'namespace'], `${message}, so the API server was not asked: create the namespace first`)]; // prettier-ignore
  if (code === 404)
    throw new CommandError(`The cluster has no kind ${kind}: Monoroot is not installed there; kubectl monoroot check tells more`); // prettier-ignore
  if (code >= 500 || code === 429 || code === 401) throw error;
  const named = causes.filter(({ field }) => field !== undefined && field !== '');
  return named.length === 0
    ? [found('server', 'Error', [], message)]
    : named.map((it) => found('server', 'Error', pathOf(it.field ?? ''), `${it.field ?? ''}: ${it.message ?? ''}`));
}

/** `spec.windows[0].schedule` as keys and indices. */
const pathOf = (field: string): Path =>
  [...field.matchAll(/([^.[\]]+)/g)].map(([part]) => (/^\d+$/.test(part) ? Number(part) : part));
