import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../kube/kinds.ts';
import type { Resource } from '../../kube/resources.ts';
import { UsageError, defineCommand } from '../command.ts';
import type { KindName } from '../names.ts';
import { parseObjectRef } from '../names.ts';
import type { MonorootObject } from '../scene/scene.ts';
import { awaitObject } from '../write/await.ts';

const resources: Readonly<Record<KindName, Resource<MonorootObject>>> = {
  HostedContainer: hostedContainers,
  ImageDistribution: imageDistributions,
  OSImage: osImages,
  NodeStore: nodeStores,
};

/** Waits for the end of what is asked for, whichever it is. */
export const wait = defineCommand({
  name: ['wait'],
  summary: 'Wait until an object is good, or has failed',
  positionals: ['KIND/NAME', '[NAME]'],
  completes: [['HostedContainer', 'ImageDistribution', 'OSImage', 'NodeStore']],
  options: { timeout: { type: 'string', value: 'TIME', help: 'give up after it, such as 10m; never by default' } },
  description: `kubectl wait waits for one condition, and after a revert until its timeout. This ends at once with 0 when what spec asks for runs well or
is stored, and with 1 when it went back, has halted, or a person must act. A bare name is a HostedContainer.`,
  examples: ['kubectl monoroot wait hctr/shop -n shops --timeout 10m', 'kubectl monoroot wait imgdist/debian-12'],
  run(context, { values, positionals }) {
    const ref = parseObjectRef(positionals);
    if (!ref) throw new UsageError(`${positionals.join(' ')} names no kind of Monoroot; take hc, imgdist, osi or node`);
    const kind = ref.kind ?? 'HostedContainer';
    const name =
      kind === 'HostedContainer' ? { name: ref.name, namespace: context.cluster().namespace } : { name: ref.name };
    return awaitObject(context, resources[kind], name, { timeout: values.timeout });
  },
});
