import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { parseQuantity } from '../../api/kubernetes/quantity.ts';
import { parseReference } from '../../api/images.ts';
import type { OSImage } from '../../api/osimage.ts';
import { memoryProblem } from '../../pod/validate.ts';
import { isSuspended } from '../../pod/suspended.ts';
import type { KubeObject } from '../../runtime/object.ts';
import type { ClusterFacts, LimitRange, ResourceQuota } from './facts.ts';
import { ok, reading, seeing, some, warning } from './rule.ts';
import type { Finding, Rule } from './rule.ts';

/** What namespaces with containers allow their Pods. */
export const quotas: Rule = {
  id: 'quotas',
  isBefore: false,
  find: (facts) => seeing(facts, ['hostedcontainers'], () => findQuotas(facts)),
};

const findQuotas = ({ quotas: all, limitRanges, scene }: ClusterFacts): Omit<Finding, 'id'> =>
  reading(all, (found) =>
    reading(limitRanges, (ranges) => {
      const byNamespace = Map.groupBy(scene.containers, ({ metadata }) => metadata.namespace ?? '');
      const problems = [...byNamespace].flatMap(([namespace, containers]) => {
        const of = { namespace, containers: containers.filter((it) => !isSuspended(it)), images: scene.osImages };
        const within = <T extends KubeObject>(objects: readonly T[]) =>
          objects.filter(({ metadata }) => metadata.namespace === namespace);
        return problemsOf({ ...of, quotas: within(found), ranges: within(ranges) });
      });
      return problems.length > 0
        ? warning(problems.join('; '), 'kubectl describe resourcequota,limitrange -n NAMESPACE')
        : ok(`No quota or LimitRange is in the way of containers, in ${byNamespace.size} namespaces`);
    }),
  );

interface Namespace {
  namespace: string;
  containers: readonly HostedContainer[];
  images: readonly OSImage[];
  quotas: readonly ResourceQuota[];
  ranges: readonly LimitRange[];
}

const problemsOf = (of: Namespace): string[] => rules.flatMap((rule) => rule(of));

/** A quota that is full lets a container be upgraded in its own place; one that is exceeded lets none start again. */
const exceeded = ({ namespace, quotas: all }: Namespace): string[] =>
  all.flatMap(({ metadata, status }) =>
    Object.entries(status?.hard ?? {}).flatMap(([resource, hard]) => {
      const used = status?.used?.[resource];
      const [most, is] = [parseQuantity(hard), used === undefined ? undefined : parseQuantity(used)];
      if (most === undefined || is === undefined || !isOfPods(resource)) return [];
      const what = `quota ${metadata.name} of ${namespace} has ${used ?? ''} of ${hard} ${resource}`;
      if (is > most) return [`${what}: no container can be upgraded or started there`];
      return is === most ? [`${what}: no further container starts there`] : [];
    }),
  );

const isOfPods = (resource: string): boolean => /^(pods|count\/pods|((requests|limits)\.)?(cpu|memory))$/.test(resource); // prettier-ignore

/** A quota of memory or cpu refuses Pods that do not say what they need. */
const unsaid = ({ namespace, containers, quotas: all, ranges }: Namespace): string[] => {
  const limited = all.filter(({ spec }) => !spec?.scopes && !spec?.scopeSelector);
  const asked = new Set(limited.flatMap(({ spec }) => Object.keys(spec?.hard ?? {})));
  const given = ranges.flatMap(({ spec }) => spec.limits.filter(({ type }) => type === 'Container'));
  return [...asked].flatMap((key) => {
    const [, kind = 'requests', resource] = /^(?:(requests|limits)\.)?(memory|cpu)$/.exec(key) ?? [];
    if (resource === undefined) return [];
    const says = ({ limits, requests }: Amounts) =>
      limits?.[resource] !== undefined || (kind === 'requests' && requests?.[resource] !== undefined);
    if (given.some((it) => says({ limits: it.default, requests: it.defaultRequest }))) return [];
    const without = containers.filter(({ spec }) => !says((spec.resources ?? {}) as Amounts));
    return without.length === 0
      ? []
      : [`a quota of ${namespace} wants ${kind}.${resource} of each Pod, which ${some(namesOf(without))} does not say`];
  });
};

interface Amounts {
  limits?: Record<string, unknown> | undefined;
  requests?: Record<string, unknown> | undefined;
}

/** The limit that a LimitRange gives a container may be less than its overlays take. */
const smallDefault = ({ namespace, containers, images, ranges }: Namespace): string[] =>
  ranges.flatMap(({ metadata, spec }) =>
    spec.limits.flatMap(({ type, default: given }) => {
      const memory = type === 'Container' ? given?.['memory'] : undefined;
      if (memory === undefined) return [];
      const small = containers.filter((it) => it.spec.resources?.limits?.memory === undefined && isTooSmall(it, images, memory)); // prettier-ignore
      return small.length === 0
        ? []
        : [`LimitRange ${metadata.name} of ${namespace} gives ${some(namesOf(small))} ${memory} of memory, which its overlays can fill`]; // prettier-ignore
    }),
  );

function isTooSmall(container: HostedContainer, images: readonly OSImage[], memory: string): boolean {
  const { os, version } = parseReference(container.status?.image ?? container.spec.image);
  const image = images.find(({ spec }) => spec.os === os && spec.version === version);
  const limited = { ...container, spec: { ...container.spec, resources: { limits: { memory } } } };
  if (!image) return false;
  const layout = image.status?.layout ?? { kind: 'merged' as const, directories: [] };
  return memoryProblem(limited, { writable: image.spec.writable, layout }) !== undefined;
}

/** A LimitRange refuses a Pod that asks for more than its maximum. */
const aboveMaximum = ({ namespace, containers, ranges }: Namespace): string[] =>
  ranges.flatMap(({ metadata, spec }) =>
    spec.limits.flatMap(({ type, max = {} }) =>
      Object.entries(type === 'Container' || type === 'Pod' ? max : {}).flatMap(([resource, most]) => {
        const above = containers.filter(({ spec: { resources } }) => {
          const asked = resources?.limits?.[resource];
          return asked !== undefined && (parseQuantity(asked) ?? 0) > (parseQuantity(most) ?? Infinity);
        });
        return above.length === 0
          ? []
          : [`LimitRange ${metadata.name} of ${namespace} allows ${most} of ${resource}, and ${some(namesOf(above))} asks for more`]; // prettier-ignore
      }),
    ),
  );

const namesOf = (containers: readonly HostedContainer[]) => containers.map(({ metadata }) => metadata.name);

const rules: readonly ((of: Namespace) => string[])[] = [exceeded, unsaid, smallDefault, aboveMaximum];
