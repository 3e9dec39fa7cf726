import type { KubeObject } from '../../runtime/object.ts';

interface ManagedFields {
  manager?: string;
  fieldsV1?: Record<string, unknown>;
}

/** Field managers that set back what differs from where they read it, and what people call them. */
const tools: Readonly<Record<string, string>> = {
  'kustomize-controller': 'Flux (kustomize-controller)',
  'helm-controller': 'Flux (helm-controller)',
  flux: 'Flux',
  'argocd-controller': 'Argo CD',
  'argocd-application-controller': 'Argo CD',
  helm: 'Helm',
};

/**
 * Names the GitOps tools that own one of the fields, such as `spec.image`, of an object: what a person writes there they set back. Fields
 * are given as paths below the object.
 */
export function gitOpsOwners(object: KubeObject, fields: readonly string[]): { tool: string; field: string }[] {
  const { managedFields = [] } = object.metadata as { managedFields?: ManagedFields[] };
  return managedFields.flatMap(({ manager = '', fieldsV1 = {} }) => {
    const tool = Object.hasOwn(tools, manager) ? tools[manager] : undefined;
    const field = fields.find((it) => owns(fieldsV1, it.split('.')));
    return tool === undefined || field === undefined ? [] : [{ tool, field }];
  });
}

function owns(fields: unknown, [first, ...rest]: readonly string[]): boolean {
  if (first === undefined) return true;
  if (typeof fields !== 'object' || fields === null) return false;
  const below = (fields as Record<string, unknown>)[`f:${first}`];
  return below !== undefined && owns(below, rest);
}

/** The paths of all values in a patch: `spec.image` of `{spec: {image: 'x'}}`. */
export function fieldsOf(patch: object, above: readonly string[] = []): string[] {
  return Object.entries(patch).flatMap(([name, value]: [string, unknown]) => {
    const path = [...above, name];
    return typeof value === 'object' && value !== null ? fieldsOf(value, path) : [path.join('.')];
  });
}
