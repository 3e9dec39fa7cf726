// The Grafana dashboards of deploy/components/monitoring, made by `npm run generate`.
import { choice, dashboard, lines, number } from './panels.ts';

const fleet = dashboard(
  {
    uid: 'monoroot-fleet',
    title: 'Monoroot: fleet',
    description: 'Which versions run, what is stalled, how upgrades end.',
  },
  [choice('os', 'Operating system', 'label_values(monoroot_containers, os)', true)],
  [
    number(
      'Containers',
      { expr: 'sum(monoroot_containers{os=~"$os"})' },
      { description: 'HostedContainers of the operating systems that are chosen.' },
    ),
    number(
      'Not ready',
      { expr: 'sum(monoroot_containers{os=~"$os",state="NotReady"}) or vector(0)' },
      { description: 'Containers that are not Ready and are not being updated.', bad: 1 },
    ),
    number(
      'Wait for a person',
      { expr: 'sum(monoroot_objects_stalled) or vector(0)' },
      { description: 'Objects of all kinds with Stalled=True. Waiting does not help.', bad: 1 },
    ),
    number(
      'Condemned versions',
      { expr: 'sum(monoroot_image_condemned{os=~"$os"}) or vector(0)' },
      { description: 'Versions that a halted rollout has condemned.', bad: 1 },
    ),
    lines(
      'Versions that run',
      [{ expr: 'sum by (os, version) (monoroot_containers{os=~"$os"})', legend: '{{os}}:{{version}}' }],
      { description: 'Containers by the version that they run.', stacked: true },
    ),
    lines('States', [{ expr: 'sum by (state) (monoroot_containers{os=~"$os"})', legend: '{{state}}' }], {
      description: 'Containers by state.',
      stacked: true,
    }),
    lines(
      'Upgrades that ended',
      [
        {
          expr: 'sum by (result, reason) (increase(monoroot_upgrades_total{os=~"$os"}[$__rate_interval]))',
          legend: '{{result}} {{reason}}',
        },
      ],
      { description: 'Attempts by how they ended. A reverted one runs its last known good version again.' },
    ),
    lines(
      'Downtime of an upgrade',
      [
        {
          expr: 'histogram_quantile(0.5, sum by (le) (rate(monoroot_upgrade_downtime_seconds_bucket[1h])))',
          legend: 'median',
        },
        {
          expr: 'histogram_quantile(0.95, sum by (le) (rate(monoroot_upgrade_downtime_seconds_bucket[1h])))',
          legend: '95%',
        },
      ],
      {
        unit: 's',
        description: 'How long containers were not Ready because of an upgrade or a revert, over the last hour.',
      },
    ),
    lines(
      'Stalled objects',
      [{ expr: 'sum by (kind, reason) (monoroot_objects_stalled)', legend: '{{kind}} {{reason}}' }],
      { description: 'Objects that wait for a person, by reason. docs/messages.md says what to do.', stacked: true },
    ),
    lines('Images', [{ expr: 'sum by (reason) (monoroot_images{os=~"$os"})', legend: '{{reason}}' }], {
      description: 'OSImages by the reason of their condition Ready.',
      stacked: true,
    }),
  ],
);

const ofRollout = 'distribution="$distribution"';
const rollout = dashboard(
  {
    uid: 'monoroot-rollout',
    title: 'Monoroot: rollout',
    description: 'One rollout: how far it is, what it waits for, and whether it keeps to its limits.',
  },
  [choice('distribution', 'Distribution', 'label_values(monoroot_rollout_state, distribution)', false)],
  [
    number(
      'State',
      { expr: `monoroot_rollout_state{${ofRollout}} == 1`, legend: '{{state}}' },
      { description: 'The reason of the condition RolledOut.', name: true },
    ),
    number('Wave', { expr: `monoroot_rollout_wave{${ofRollout}}` }, { description: '0 is the canaries.' }),
    number(
      'Soak ends in',
      { expr: `clamp_min(monoroot_rollout_soak_end_timestamp_seconds{${ofRollout}} - time(), 0)` },
      { unit: 's', description: 'How long the containers of this wave must still run well.' },
    ),
    number(
      'Last container moved',
      { expr: `time() - monoroot_rollout_last_progress_timestamp_seconds{${ofRollout}}` },
      { unit: 's', description: 'Time since the rollout last moved a container.' },
    ),
    lines(
      'Unavailable, and the limit',
      [
        { expr: `monoroot_rollout_containers{${ofRollout},state="unavailable"}`, legend: 'unavailable' },
        { expr: `monoroot_rollout_unavailable_limit{${ofRollout}}`, legend: 'limit (maxUnavailable)' },
      ],
      { description: 'The rollout itself never goes over the limit. Containers that break by themselves can.' },
    ),
    lines(
      'Containers',
      [{ expr: `monoroot_rollout_containers{${ofRollout},state!="unavailable"}`, legend: '{{state}}' }],
      { description: 'Containers that follow the default version, and how many of them have been moved.' },
    ),
    lines('Gates', [{ expr: `monoroot_rollout_gate_holds{${ofRollout}}`, legend: '{{gate}}' }], {
      description: '1: the last answer of the gate held.',
    }),
    lines('Nodes', [{ expr: `monoroot_image_nodes{distribution="$distribution"}`, legend: '{{state}}' }], {
      description:
        'Nodes of the distribution by the state of its image. A rollout begins when all that are desired are ready.',
    }),
  ],
);

const nodes = dashboard(
  {
    uid: 'monoroot-nodes',
    title: 'Monoroot: nodes and store',
    description: 'Disks, downloads and verification of the agents.',
  },
  [choice('node', 'Node', 'label_values(monoroot_agent_store_bytes, node)', true)],
  [
    number(
      'Agents',
      { expr: 'count(monoroot_build_info{component="agent"})' },
      { description: 'Agents that report metrics.' },
    ),
    number(
      'Least free disk',
      {
        expr: 'min(monoroot_agent_store_bytes{state="free"} / on (node) monoroot_agent_store_bytes{state="capacity"})',
      },
      {
        unit: 'percentunit',
        description: 'Of the file system of the store, on the fullest node. Agents leave MIN_FREE (15%) free.',
      },
    ),
    number(
      'Images that failed',
      { expr: 'sum(monoroot_agent_images{state="Failed"}) or vector(0)' },
      { description: 'Images that a node gave up for now, counted once a node.', bad: 1 },
    ),
    number(
      'Oldest look',
      { expr: 'max(time() - monoroot_agent_last_verification_timestamp_seconds)' },
      {
        unit: 's',
        description:
          'Time since the images of a node were last compared with their manifests, on the node where that was longest ago.',
      },
    ),
    lines('Store', [{ expr: 'monoroot_agent_store_bytes{node=~"$node",state="used"}', legend: '{{node}}' }], {
      unit: 'bytes',
      description: 'Disk that the images of a node take. What versions share counts once.',
    }),
    lines(
      'Free disk',
      [
        {
          expr: 'monoroot_agent_store_bytes{node=~"$node",state="free"} / on (node) monoroot_agent_store_bytes{node=~"$node",state="capacity"}',
          legend: '{{node}}',
        },
      ],
      { unit: 'percentunit', description: 'Of the file system of the store.' },
    ),
    lines(
      'Images',
      [{ expr: 'sum by (state, reason) (monoroot_agent_images{node=~"$node"})', legend: '{{state}} {{reason}}' }],
      { description: 'Images of all nodes by state.', stacked: true },
    ),
    lines(
      'Downloads',
      [{ expr: 'rate(monoroot_agent_downloaded_bytes_total{node=~"$node"}[$__rate_interval])', legend: '{{node}}' }],
      { unit: 'Bps', description: 'Bytes of archives and layers, also of tries that failed.' },
    ),
    lines(
      'Tries that failed',
      [
        {
          expr: 'sum by (reason) (increase(monoroot_agent_fetch_failures_total{node=~"$node"}[$__rate_interval]))',
          legend: '{{reason}}',
        },
      ],
      { description: 'By reason. docs/api/nodestore.md says what to do about each.' },
    ),
    lines(
      'Time of a fetch',
      [
        {
          expr: 'histogram_quantile(0.95, sum by (le, result) (rate(monoroot_agent_fetch_duration_seconds_bucket{node=~"$node"}[1h])))',
          legend: '95% {{result}}',
        },
      ],
      { unit: 's', description: 'Download, verify, unpack and publish, over the last hour.' },
    ),
    lines(
      'Verifications',
      [
        {
          expr: 'sum by (result) (increase(monoroot_agent_verifications_total{node=~"$node"}[1h]))',
          legend: '{{result}}',
        },
      ],
      {
        description:
          'Images that were compared with their manifest in the last hour. Changed: somebody writes to the store, or the disk fails.',
      },
    ),
    lines(
      'Memory of agents',
      [
        {
          expr: 'process_resident_memory_bytes{node=~"$node"} * on (pod) group_left () monoroot_build_info{component="agent"}',
          legend: '{{node}}',
        },
      ],
      { unit: 'bytes', description: 'Without the programs that an agent starts to unpack.' },
    ),
  ],
);

const operator = dashboard(
  { uid: 'monoroot-operator', title: 'Monoroot: operator', description: 'Whether the operator keeps up.' },
  [],
  [
    number(
      'Leaders',
      { expr: 'sum(leader_election_master_status{name="monoroot-operator"}) or vector(0)' },
      { description: 'Should be 1.' },
    ),
    number(
      'Operators',
      { expr: 'count(monoroot_build_info{component="operator"})' },
      { description: 'Pods of the operator that answer.' },
    ),
    number('Keys that wait', { expr: 'sum(workqueue_depth)' }, { description: 'Should come back to 0.' }),
    number(
      'Policies that do not hold',
      { expr: 'count(precondition_met == 0) or vector(0)' },
      {
        description: 'Admission policies that let through what they must refuse, as operator and agents have tried.',
        bad: 1,
      },
    ),
    lines(
      'Runs',
      [
        {
          expr: 'sum by (controller, result) (rate(controller_runtime_reconcile_total[$__rate_interval]))',
          legend: '{{controller}} {{result}}',
        },
      ],
      { unit: 'ops', description: 'Reconciles a second. Those with the result error are tried again.' },
    ),
    lines(
      'Time of a run',
      [
        {
          expr: 'histogram_quantile(0.99, sum by (le, controller) (rate(controller_runtime_reconcile_time_seconds_bucket[$__rate_interval])))',
          legend: '99% {{controller}}',
        },
      ],
      { unit: 's', description: 'How long a reconcile takes.' },
    ),
    lines('Queues', [{ expr: 'sum by (name) (workqueue_depth)', legend: '{{name}}' }], {
      description: 'Keys that wait.',
    }),
    lines(
      'Time in a queue',
      [
        {
          expr: 'histogram_quantile(0.99, sum by (le, name) (rate(workqueue_queue_duration_seconds_bucket[$__rate_interval])))',
          legend: '99% {{name}}',
        },
      ],
      { unit: 's', description: 'How long a key waits for a worker.' },
    ),
    lines(
      'Calls of the API server',
      [
        {
          expr: 'sum by (method, code) (rate(rest_client_requests_total[$__rate_interval]))',
          legend: '{{method}} {{code}}',
        },
      ],
      { unit: 'reqps', description: 'Of operators and agents. When nothing changes only GETs, and PUTs of the Lease.' },
    ),
    lines(
      'Delay of the event loop',
      [
        {
          expr: 'histogram_quantile(0.999, sum by (pod, le) (rate(monoroot_event_loop_delay_seconds_bucket[$__rate_interval])))',
          legend: '{{pod}}',
        },
        { expr: 'nodejs_eventloop_lag_max_seconds', legend: '{{pod}}, longest since the last scrape' },
      ],
      { unit: 's', description: 'How long a program computes without a break: 99.9th percentile, and the longest.' },
    ),
    lines(
      'Memory of operators',
      [
        {
          expr: 'process_resident_memory_bytes * on (pod) group_left () monoroot_build_info{component="operator"}',
          legend: '{{pod}}',
        },
      ],
      { unit: 'bytes', description: 'The limit of the operator is 512 MiB unless resources say otherwise.' },
    ),
    lines(
      'Lists and watches that ended',
      [
        {
          expr: 'sum by (cause) (increase(reflector_watch_ends_total[$__rate_interval]))',
          legend: 'watch ended: {{cause}}',
        },
        { expr: 'sum(increase(reflector_lists_total[$__rate_interval]))', legend: 'lists' },
      ],
      { description: 'Lists should be rare.' },
    ),
  ],
);

/** Each dashboard as Grafana imports it, by the name of its file. */
export const dashboards = (): ReadonlyMap<string, string> =>
  new Map(
    Object.entries({ fleet, rollout, nodes, operator }).map(([name, it]) => [
      `${name}.json`,
      `${JSON.stringify(it, undefined, 2)}\n`,
    ]),
  );
