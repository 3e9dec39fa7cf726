import { hostedContainerDefinition } from '../../../api/hostedcontainer.ts';
import type { HostedContainer, HostedContainerSpec } from '../../../api/hostedcontainer.ts';
import { apiVersion, labels } from '../../../api/names.ts';
import type { StoredImage } from '../../../api/nodestore.ts';
import type { OSImage } from '../../../api/osimage.ts';
import { ownedBy, stageLabels } from './build-job.ts';
import { effectiveDefaults } from '../../../api/defaults.ts';
import type { UsableImage } from '../../../pod/usable-image.ts';
import { imageName } from '../../../api/images.ts';
import { problemOfDirect } from '../../../pod/direct.ts';
import { withMounts } from '../../../pod/mode.ts';
import type { MountMode } from '../../../pod/mode.ts';
import { buildPod } from '../../../pod/pod.ts';
import type { Scaffolds } from '../../../pod/pod.ts';
import type { Pod } from '../../../api/kubernetes/objects.ts';

/** For the scaffold to be pulled and the mount script to run; that is no time of the command. */
const startSeconds = 90;

export interface VerificationPod {
  image: OSImage & { spec: { verification: NonNullable<OSImage['spec']['verification']> } };
  /** What the store of the node says of the image: nothing else is known of one that is not Ready yet. */
  stored: StoredImage;
  node: string;
  name: string;
  namespace: string;
  scaffolds: Scaffolds;
  /** An image that cannot have direct mounts is tested with the others. */
  mounts: MountMode;
}

/**
 * The Pod that tests an image on one node: that of a HostedContainer whose command is the test, so that it passes in what
 * containers will have, and in nothing else. Undefined when the store does not tell what the image looks like.
 */
export function verificationPod({
  image,
  stored,
  node,
  name,
  namespace,
  scaffolds,
  mounts,
}: VerificationPod): Pod | undefined {
  const usable = storedImageOf(image, stored);
  if (!usable) return undefined;
  const { command, timeoutSeconds } = image.spec.verification;
  const onNode = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] };
  const spec = hostedContainerDefinition.spec.parse({
    image: imageName(usable),
    command,
    resources: { requests: { cpu: '100m', memory: '64Mi' } },
    podTemplate: {
      affinity: {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [onNode] } },
      },
      terminationGracePeriodSeconds: 5,
    },
  }) as HostedContainerSpec;
  const container: HostedContainer = { apiVersion, kind: 'HostedContainer', metadata: { name, namespace }, spec };
  const cannot = problemOfDirect(container, usable, scaffolds[usable.layout.kind]) !== undefined;
  const pod = buildPod(withMounts(container, cannot ? 'HostPath' : mounts), usable, scaffolds);
  const { [labels.hostedContainer]: _none, ...others } = pod.metadata.labels ?? {};
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: { ...others, ...stageLabels('verify', image) },
      ownerReferences: [ownedBy(image)],
    },
    spec: { ...pod.spec, restartPolicy: 'Never', activeDeadlineSeconds: timeoutSeconds + startSeconds },
  };
}

function storedImageOf({ spec }: OSImage, stored: StoredImage): UsableImage | undefined {
  if (!stored.layout) return undefined;
  return {
    os: spec.os,
    version: spec.version,
    digest: stored.digest,
    architecture: spec.architecture,
    layout: stored.layout,
    defaults: effectiveDefaults(spec, stored.defaults) ?? {},
    writable: spec.writable,
    hasMountScript: Boolean(spec.mountScript) || (stored.hasMountScript ?? false),
  };
}
