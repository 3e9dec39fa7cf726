// Makes the templates of charts/monoroot from deploy/ and crds/, so that a chart installs what `kubectl kustomize deploy` gives.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';

/** A place in a manifest of deploy/ that the values of the chart decide. It must be there exactly `times`, or at all; else it is an error. */
interface Value {
  from: string | RegExp;
  to: string;
  times?: number | 'any';
}

const system = 'monoroot-system';
const image = (name: string) => `{{ include "monoroot.image" (list $ .Values.images.${name}) }}`;
const json = (path: string) => `{{ toJson .Values.${path} }}`;
const text = (path: string) => `{{ .Values.${path} | toString | squote }}`;

type Workload = 'operator' | 'agent' | 'web' | 'directMounts';

/** Settings that the workloads share: where images come from, and where Pods may run. */
const workload = (name: Workload): Value[] => [
  { from: 'localhost/monoroot:dev', to: image('monoroot') },
  { from: 'imagePullPolicy: IfNotPresent', to: 'imagePullPolicy: {{ .Values.imagePullPolicy }}' },
  { from: '{ name: LOG_LEVEL, value: info }', to: `{ name: LOG_LEVEL, value: ${text(`${name}.logLevel`)} }` },
  { from: /resources: \{ requests: .*\}/, to: `resources: ${json(`${name}.resources`)}` },
  {
    from: /(\n {6})serviceAccountName:/,
    to: `$1{{- with .Values.imagePullSecrets }}$1imagePullSecrets: {{ toJson . }}$1{{- end }}$1serviceAccountName:`,
  },
  {
    from: /(\n {2}template:\n {4}metadata: \{ labels: \*labels) \}/,
    to: `$1{{ with .Values.${name}.podAnnotations }}, annotations: {{ toJson . }}{{ end }} }`,
  },
];

const priorityClass = (name: 'operator' | 'agent' | 'directMounts'): Value => ({
  from: /priorityClassName: \S+/,
  to: `priorityClassName: ${text(`${name}.priorityClassName`)}`,
});

const linuxNodes = (name: 'agent' | 'web' | 'directMounts'): Value => ({
  from: 'nodeSelector: { kubernetes.io/os: linux }',
  to: `nodeSelector: {{ toJson (merge (dict "kubernetes.io/os" "linux") .Values.${name}.nodeSelector) }}`,
});

/** Whoever leaves the policies out has another engine, or knows what they do. */
const policyCheck = (on: string, off: string) =>
  `{ name: POLICY_CHECK, value: '{{ if .Values.policies.enabled }}${on}{{ else }}${off}{{ end }}' }`;

const values: Record<string, Value[]> = {
  'operator.yaml': [
    ...workload('operator'),
    priorityClass('operator'),
    { from: '{ name: POLICY_CHECK, value: Enforce }', to: policyCheck('Enforce', 'Report') },
    { from: 'replicas: 2', to: 'replicas: {{ .Values.operator.replicas }}' },
    { from: "'localhost/monoroot-scaffold-merged:dev'", to: `'${image('scaffoldMerged')}'` },
    { from: "'localhost/monoroot-scaffold-split:dev'", to: `'${image('scaffoldSplit')}'` },
    { from: "'localhost/monoroot-builder:dev'", to: `'${image('builder')}'` },
    {
      from: "{ name: ADDITIONAL_CAPABILITIES, value: '' }",
      to: '{ name: ADDITIONAL_CAPABILITIES, value: \'{{ join "," .Values.operator.additionalCapabilities }}\' }',
    },
    {
      from: '{ name: DEFAULT_MOUNTS, value: HostPath }',
      to: `{ name: DEFAULT_MOUNTS, value: ${text('operator.defaultMounts')} }`,
    },
    {
      from: "{ name: GATES_LOCAL_ADDRESSES, value: 'false' }",
      to: `{ name: GATES_LOCAL_ADDRESSES, value: ${text('operator.gatesLocalAddresses')} }`,
    },
    {
      from: /(\n {6})terminationGracePeriodSeconds:/,
      to:
        `$1{{- with .Values.operator.nodeSelector }}$1nodeSelector: {{ toJson . }}$1{{- end }}` +
        `$1{{- with .Values.operator.tolerations }}$1tolerations: {{ toJson . }}$1{{- end }}$1terminationGracePeriodSeconds:`,
    },
  ],
  'agent.yaml': [
    ...workload('agent'),
    priorityClass('agent'),
    linuxNodes('agent'),
    { from: '{ name: POLICY_CHECK, value: Report }', to: policyCheck('Report', 'Off') },
    { from: "{ name: MIN_FREE, value: '15%' }", to: `{ name: MIN_FREE, value: ${text('agent.minFree')} }` },
    {
      from: "{ name: LOCAL_SOURCES, value: '' }",
      to: `{ name: LOCAL_SOURCES, value: ${text('agent.localSources')} }`,
    },
    {
      from: "{ name: MAX_CONCURRENT_FETCHES, value: '2' }",
      to: `{ name: MAX_CONCURRENT_FETCHES, value: ${text('agent.maxConcurrentFetches')} }`,
    },
    { from: 'tolerations: [{ operator: Exists }]', to: `tolerations: ${json('agent.tolerations')}` },
  ],
  'direct-mounts.yaml': [
    ...workload('directMounts'),
    priorityClass('directMounts'),
    linuxNodes('directMounts'),
    { from: 'tolerations: [{ operator: Exists }]', to: `tolerations: ${json('directMounts.tolerations')}` },
    {
      from: '/run/containerd/io.containerd.runtime.v2.task/k8s.io }',
      to: `{{ .Values.directMounts.containerdState }}/io.containerd.runtime.v2.task/k8s.io }`,
    },
  ],
  'web.yaml': [
    ...workload('web'),
    linuxNodes('web'),
    {
      from: "{ name: LISTEN_ADDRESS, value: '127.0.0.1' }",
      to: `{ name: LISTEN_ADDRESS, value: ${text('web.listenAddress')} }`,
    },
    { from: "{ name: HOSTS, value: '' }", to: '{ name: HOSTS, value: \'{{ join "," .Values.web.hosts }}\' }' },
    { from: "{ name: CLUSTER_NAME, value: '' }", to: `{ name: CLUSTER_NAME, value: ${text('web.clusterName')} }` },
    {
      from: /(\n {6})terminationGracePeriodSeconds:/,
      to: '$1{{- with .Values.web.tolerations }}$1tolerations: {{ toJson . }}$1{{- end }}$1terminationGracePeriodSeconds:',
    },
  ],
  // Air-gapped clusters have the runbooks elsewhere.
  'rules.yaml': [{ from: 'runbook_url: ', to: 'runbook_url: {{ .Values.monitoring.runbookBaseURL }}', times: 'any' }],
  // The chart cannot label the namespace that it is installed into, but it knows its name.
  'policies.yaml': [
    {
      from: /namespaceObject\.metadata\.\?labels\[\?'monoroot\.dev\/system'\]\.orValue\(''\) == 'true'/,
      to: "namespaceObject.metadata.name == '{{ .Release.Namespace }}'",
      times: 3,
    },
    {
      from: /namespaceObject\.metadata\.\?labels\[\?'monoroot\.dev\/system'\]\.orValue\(''\) != 'true'/,
      to: "namespaceObject.metadata.name != '{{ .Release.Namespace }}'",
    },
  ],
};

/** Manifests that are installed only when a value says so. */
const conditions: Record<string, string> = {
  'user-roles.yaml': 'userRoles.enabled',
  'policies.yaml': 'policies.enabled',
  'network-policy.yaml': 'networkPolicy.enabled',
  'priority-class-quota.yaml': 'priorityClassQuota.enabled',
  'flow-control.yaml': 'flowControl.enabled',
  'direct-mounts.yaml': 'directMounts.enabled',
  'web-rbac.yaml': 'web.enabled',
  'web.yaml': 'web.enabled',
  'pod-monitor.yaml': 'monitoring.enabled',
  'rules.yaml': 'monitoring.enabled',
};
const components = [
  'network-policy/network-policy.yaml',
  'flow-control/flow-control.yaml',
  'priority-class-quota/priority-class-quota.yaml',
  'direct-mounts/direct-mounts.yaml',
  'web/web-rbac.yaml',
  'web/web.yaml',
  'monitoring/pod-monitor.yaml',
  'monitoring/rules.yaml',
];

/**
 * The templates by their names below charts/monoroot/templates. Throws when a manifest no longer has what a value stands for, so that a
 * change of deploy/ cannot leave the chart behind.
 */
export function chartTemplates(root: string, crds: ReadonlyMap<string, string>): Map<string, string> {
  const deploy = join(root, 'deploy');
  const files = [...resources(deploy), ...components.map((name) => join('components', name))];
  const templates = new Map(
    files.map((file) => [templateName(file), template(file, readFileSync(join(deploy, file), 'utf8'))]),
  );
  const definitions = [...crds].filter(([name]) => name !== 'kustomization.yaml').map(([, yaml]) => yaml);
  templates.set('crds.yaml', when('crds.enabled', plain(definitions.join('---\n'))));
  return templates;
}

/** The manifests of a kustomization, but for the namespace: Helm installs into one that is there. */
function resources(directory: string, below = ''): string[] {
  const path = join(directory, below, 'kustomization.yaml');
  const { resources: names = [] } = load(readFileSync(path, 'utf8')) as { resources?: string[] };
  return names
    .filter((name) => name !== '../crds' && join(below, name) !== 'namespace.yaml')
    .flatMap((name) => (name.endsWith('.yaml') ? [join(below, name)] : resources(directory, join(below, name))));
}

/** `verification/namespace.yaml` is `verification-namespace.yaml`; what is in a component of its own name is called after it. */
const templateName = (file: string): string => file.replace(/^components\/[^/]+\//, '').replaceAll('/', '-');

function template(file: string, manifest: string): string {
  const name = templateName(file);
  let result = plain(manifest);
  for (const value of values[name] ?? []) result = replace(file, result, value);
  result = result.replaceAll(`namespace: ${system}`, 'namespace: {{ .Release.Namespace }}');
  if (result.includes(system)) throw new Error(`deploy/${file} has ${system} where the chart cannot replace it`);
  const condition = conditions[name];
  return condition === undefined ? `${notice}\n${result}` : when(condition, result);
}

const notice = '{{- /* Generated from deploy/ by "npm run generate". Do not edit. */ -}}';
const when = (condition: string, manifest: string) =>
  `${notice}\n{{- if .Values.${condition} }}\n${manifest.trimEnd()}\n{{- end }}\n`;

function plain(manifest: string): string {
  // Templates of alerts are for Prometheus.
  const literal = manifest.replaceAll('{{', '{{ "{{" }}');
  // Comments would be kept in every release, and name the namespace of deploy/.
  return literal.replaceAll(/^ *#.*\n/gm, '');
}

function replace(file: string, manifest: string, { from, to, times = 1 }: Value): string {
  const pattern = typeof from === 'string' ? from : new RegExp(from, 'g');
  const found =
    typeof from === 'string' ? manifest.split(from).length - 1 : [...manifest.matchAll(pattern as RegExp)].length;
  if (times === 'any' ? found === 0 : found !== times) {
    throw new Error(
      `deploy/${file} has ${String(from)} ${found} times and not ${times}: change hack/lib/chart.ts with it`,
    );
  }
  return typeof from === 'string' ? manifest.split(from).join(to) : manifest.replace(pattern, to);
}
