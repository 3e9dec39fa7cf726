import { dump } from 'js-yaml';
import { labels } from '../../../src/api/names.ts';

/** What kwok makes of nodes and Pods, in place of kubelets. */

/** Limits of a delay that is chosen at random, in milliseconds. */
export interface Delay {
  least: number;
  most: number;
}

export interface Life {
  /** From a node being chosen to Ready. */
  start: Delay;
  /** From being asked to stop to being gone. */
  stop: Delay;
  /** `<os>.<version>` whose containers exit again and again and never become Ready. */
  bad: string;
}

/** As many exits as a container may make that was upgraded; the default of `spec.upgrade.maxRestarts`. */
const exits = 3;

const delay = ({ least, most }: Delay) => ({ durationMilliseconds: least, jitterDurationMilliseconds: most });
const deleted = (operator: 'Exists' | 'DoesNotExist') => ({ key: '.metadata.deletionTimestamp', operator });
const isBad = (operator: 'In' | 'NotIn', image: string) => ({
  key: `.metadata.labels["${labels.image}"]`,
  operator,
  values: [image],
});
const pending = { key: '.status.phase', operator: 'In', values: ['Pending'] };

/** A configuration file of kwok. */
export function kwokConfiguration({ start, stop, bad }: Life): string {
  const stages = [
    stage('node-initialize', 'Node', {
      selector: [{ key: '.status.phase', operator: 'NotIn', values: ['Running'] }],
      next: { statusTemplate: nodeStatus },
    }),
    stage('pod-ready', 'Pod', {
      selector: [deleted('DoesNotExist'), pending, isBad('NotIn', bad)],
      delay: delay(start),
      next: { statusTemplate: podStatus(true) },
    }),
    stage('pod-crash', 'Pod', {
      selector: [deleted('DoesNotExist'), pending, isBad('In', bad)],
      delay: delay(start),
      next: { statusTemplate: podStatus(false) },
    }),
    stage('pod-delete', 'Pod', { selector: [deleted('Exists')], delay: delay(stop), next: { delete: true } }),
  ];
  const configuration = {
    apiVersion: 'config.kwok.x-k8s.io/v1alpha1',
    kind: 'KwokConfiguration',
    options: { podPlayStageParallelism: 16, nodePlayStageParallelism: 16 },
  };
  return [configuration, ...stages].map((document) => dump(document)).join('---\n');
}

interface StageSpec {
  selector: object[];
  delay?: object;
  next: object;
}

function stage(name: string, kind: 'Node' | 'Pod', { selector, ...rest }: StageSpec): object {
  const resourceRef = { apiGroup: 'v1', kind };
  const spec = { resourceRef, selector: { matchExpressions: selector }, ...rest };
  return { apiVersion: 'kwok.x-k8s.io/v1alpha1', kind: 'Stage', metadata: { name }, spec };
}

const nodeStatus = `
{{ $now := Now }}
conditions:
- type: Ready
  status: "True"
  reason: KubeletReady
  message: kwok
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
capacity: { cpu: "64", memory: 256Gi, pods: "110" }
allocatable: { cpu: "64", memory: 256Gi, pods: "110" }
phase: Running
`;

const podStatus = (good: boolean): string => `
{{ $now := Now }}
conditions:
- { type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }} }
- { type: Ready, status: "${good ? 'True' : 'False'}", lastTransitionTime: {{ $now | Quote }} }
- { type: ContainersReady, status: "${good ? 'True' : 'False'}", lastTransitionTime: {{ $now | Quote }} }
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
${good ? running : crashing}
{{ end }}
podIP: {{ PodIPWith .spec.nodeName false ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) | Quote }}
phase: Running
startTime: {{ $now | Quote }}
`;

const running = `  ready: true
  restartCount: 0
  started: true
  state: { running: { startedAt: {{ $now | Quote }} } }`;

const crashing = `  ready: false
  restartCount: ${exits}
  started: false
  state: { waiting: { reason: CrashLoopBackOff, message: restarting failed container } }
  lastState:
    terminated:
      exitCode: 1
      reason: Error
      message: "nginx: unexpected end of file"
      startedAt: {{ $now | Quote }}
      finishedAt: {{ $now | Quote }}`;
