import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dashboards } from '../../hack/lib/dashboards/dashboards.ts';
import { ownMetrics } from '../../hack/lib/metrics-page.ts';

// The alerts of deploy/components/monitoring with the promtool of Prometheus: each fires when it should, and not otherwise.
const root = join(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'monoroot-alerts-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook_url: string };
}
const { spec } = load(readFileSync(join(root, 'deploy/components/monitoring/rules.yaml'), 'utf8')) as {
  spec: { groups: { rules: Rule[] }[] };
};
const rules = spec.groups.flatMap((group) => group.rules);

const promtool = (...args: string[]) =>
  execFileSync(join(root, 'hack/lib/prometheus'), ['promtool', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

beforeAll(() => {
  writeFileSync(join(scratch, 'rules.yaml'), JSON.stringify(spec));
});

/** Series by name, with a value for each minute as promtool writes them. */
type Series = Record<string, string>;
interface Case {
  what: string;
  series: Series;
  /** Labels of the alerts that fire after so many minutes; none when it must not. */
  fires: Record<string, string>[];
  minutes?: number;
}

/** Runs promtool, which throws with what was seen instead. */
function check(alert: string, { series, fires, minutes = 60 }: Case): void {
  const { severity } = rules.find((it) => it.alert === alert)?.labels ?? {};
  const labelsOf = (labels: Record<string, string>) =>
    Object.entries({ alertname: alert, alertstate: 'firing', severity: severity ?? '', ...labels })
      .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
      .join(', ');
  const file = {
    rule_files: ['rules.yaml'],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          {
            expr: `ALERTS{alertname="${alert}", alertstate="firing"}`,
            eval_time: `${minutes}m`,
            exp_samples: fires.map((labels) => ({ labels: `ALERTS{${labelsOf(labels)}}`, value: 1 })),
          },
        ],
      },
    ],
  };
  writeFileSync(join(scratch, 'test.yaml'), JSON.stringify(file));
  promtool('test', 'rules', join(scratch, 'test.yaml'));
}

const agent = (name: string, labels = '') => `${name}{node="n1",pod="agent-1"${labels && `,${labels}`}}`;
const rollout = (state: string) => `monoroot_rollout_state{distribution="os",state="${state}"}`;
const os = { distribution: 'os' };
const estimated = 'monoroot_rollout_estimated_completion_timestamp_seconds{distribution="os",image="os:v2"}';
const late = { distribution: 'os', image: 'os:v2' };
const n1 = { node: 'n1', pod: 'agent-1' };

const cases: Record<string, Case[]> = {
  MonorootOperatorAbsent: [
    {
      what: 'no operator leads',
      series: { 'leader_election_master_status{name="monoroot-operator",pod="a"}': '0x60' },
      fires: [{}],
    },
    { what: 'nothing reports', series: {}, fires: [{}] },
    {
      what: 'one of two leads',
      series: {
        'leader_election_master_status{name="monoroot-operator",pod="a"}': '0x60',
        'leader_election_master_status{name="monoroot-operator",pod="b"}': '1x60',
      },
      fires: [],
    },
    {
      what: 'a change of leader takes a minute',
      series: { 'leader_election_master_status{name="monoroot-operator",pod="a"}': '1x58 0 0' },
      fires: [],
    },
  ],
  MonorootNoStandby: [
    { what: 'one runs', series: { 'monoroot_build_info{component="operator",pod="a"}': '1x60' }, fires: [{}] },
    {
      what: 'two run',
      series: {
        'monoroot_build_info{component="operator",pod="a"}': '1x60',
        'monoroot_build_info{component="operator",pod="b"}': '1x60',
      },
      fires: [],
    },
  ],
  MonorootAgentDown: [
    {
      what: 'two of three answer',
      series: {
        'monoroot_nodestores{ready="True"}': '2x60',
        'monoroot_nodestores{ready="Unknown"}': '1x60',
        'monoroot_build_info{component="agent",pod="a"}': '1x60',
        'monoroot_build_info{component="agent",pod="b"}': '1x60',
      },
      fires: [{}],
    },
    {
      what: 'all answer',
      series: { 'monoroot_nodestores{ready="True"}': '1x60', 'monoroot_build_info{component="agent",pod="a"}': '1x60' },
      fires: [],
    },
  ],
  MonorootObjectStalled: [
    {
      what: 'a container waits for a person',
      series: { 'monoroot_objects_stalled{kind="HostedContainer",reason="FailedBefore",pod="a"}': '2x60' },
      fires: [{ kind: 'HostedContainer', reason: 'FailedBefore' }],
    },
    {
      what: 'it has just begun',
      series: { 'monoroot_objects_stalled{kind="OSImage",reason="X"}': '_x55 1x5' },
      fires: [],
    },
  ],
  MonorootRolloutHalted: [
    { what: 'it halts', series: { [rollout('RolloutHalted')]: '1x60' }, fires: [os] },
    { what: 'it goes on', series: { [rollout('RollingOut')]: '1x60' }, fires: [] },
  ],
  MonorootRolloutNoProgress: [
    {
      what: 'nothing is moved for two hours',
      series: {
        [rollout('RollingOut')]: '1x120',
        'monoroot_rollout_last_progress_timestamp_seconds{distribution="os"}': '0x120',
      },
      fires: [os],
      minutes: 120,
    },
    {
      what: 'it is paused',
      series: {
        [rollout('Paused')]: '1x120',
        'monoroot_rollout_last_progress_timestamp_seconds{distribution="os"}': '0x120',
      },
      fires: [],
      minutes: 120,
    },
    {
      what: 'it soaks for long',
      series: {
        [rollout('RollingOut')]: '1x120',
        'monoroot_rollout_last_progress_timestamp_seconds{distribution="os"}': '0x120',
        'monoroot_rollout_soak_end_timestamp_seconds{distribution="os"}': '86400x120',
      },
      fires: [],
      minutes: 120,
    },
    {
      what: 'it moves',
      series: {
        [rollout('RollingOut')]: '1x120',
        'monoroot_rollout_last_progress_timestamp_seconds{distribution="os"}': '0+60x120',
      },
      fires: [],
      minutes: 120,
    },
  ],
  MonorootRolloutLate: [
    {
      what: 'it has not ended half an hour after its time',
      series: { [estimated]: '3600x150' },
      fires: [late],
      minutes: 120,
    },
    {
      what: 'it will end three hours later than was expected',
      series: { [estimated]: '36000x30 46800x90' },
      fires: [late],
      minutes: 70,
    },
    {
      what: 'it will end as was expected, a little later',
      series: { [estimated]: '36000x30 39600x90' },
      fires: [],
      minutes: 70,
    },
    { what: 'it has ended', series: { [estimated]: '3600x50 _x100' }, fires: [], minutes: 120 },
    {
      what: 'the next rollout ends later than the one before',
      series: { [estimated]: '3600x50 _x100', [estimated.replace('v2', 'v3')]: '_x60 36000x60' },
      fires: [],
      minutes: 100,
    },
  ],
  MonorootUnavailableOverLimit: [
    {
      what: 'more are down than may be',
      series: {
        [rollout('RollingOut')]: '1x60',
        'monoroot_rollout_containers{distribution="os",state="unavailable"}': '5x60',
        'monoroot_rollout_unavailable_limit{distribution="os"}': '4x60',
      },
      fires: [os],
    },
    {
      what: 'as many as may be are down',
      series: {
        [rollout('RollingOut')]: '1x60',
        'monoroot_rollout_containers{distribution="os",state="unavailable"}': '4x60',
        'monoroot_rollout_unavailable_limit{distribution="os"}': '4x60',
      },
      fires: [],
    },
    {
      what: 'no rollout goes on',
      series: {
        [rollout('RolledOut')]: '1x60',
        'monoroot_rollout_containers{distribution="os",state="unavailable"}': '5x60',
        'monoroot_rollout_unavailable_limit{distribution="os"}': '4x60',
      },
      fires: [],
    },
  ],
  MonorootUpgradesFailing: [
    {
      what: 'five fail in ten minutes',
      series: {
        'monoroot_upgrades_total{os="os",version="v2",result="Failed",reason="CrashLooping"}': '0x40 1 2 3 4 5 5x15',
      },
      fires: [{ os: 'os', version: 'v2', reason: 'CrashLooping' }],
    },
    {
      what: 'they succeed',
      series: { 'monoroot_upgrades_total{os="os",version="v2",result="Succeeded",reason=""}': '0+1x60' },
      fires: [],
    },
    {
      what: 'one fails',
      series: { 'monoroot_upgrades_total{os="os",version="v2",result="Failed",reason="CrashLooping"}': '0x40 1x20' },
      fires: [],
    },
  ],
  MonorootFetchFailing: [
    {
      what: 'an image was given up',
      series: { [agent('monoroot_agent_images', 'state="Failed",reason="DigestMismatch"')]: '1x60' },
      fires: [{ reason: 'DigestMismatch' }],
    },
    {
      what: 'it is tried again',
      series: { [agent('monoroot_agent_images', 'state="Pending",reason="DigestMismatch"')]: '1x60' },
      fires: [],
    },
    {
      what: 'a tree has changed',
      series: { [agent('monoroot_agent_images', 'state="Failed",reason="TreeChanged"')]: '1x60' },
      fires: [],
    },
  ],
  MonorootStoreNearlyFull: [
    {
      what: 'a twentieth is free',
      series: {
        [agent('monoroot_agent_store_bytes', 'state="free"')]: '5x60',
        [agent('monoroot_agent_store_bytes', 'state="capacity"')]: '100x60',
      },
      fires: [n1],
    },
    {
      what: 'half is free',
      series: {
        [agent('monoroot_agent_store_bytes', 'state="free"')]: '50x60',
        [agent('monoroot_agent_store_bytes', 'state="capacity"')]: '100x60',
      },
      fires: [],
    },
  ],
  MonorootTreeChanged: [
    {
      what: 'a tree has changed',
      series: { [agent('monoroot_agent_images', 'state="Failed",reason="TreeChanged"')]: '1x60' },
      fires: [n1],
    },
    {
      what: 'all are as they were',
      series: { [agent('monoroot_agent_images', 'state="Ready",reason=""')]: '4x60' },
      fires: [],
    },
  ],
  MonorootVerificationStale: [
    {
      what: 'the last look is five hours old',
      series: {
        [agent('monoroot_agent_last_verification_timestamp_seconds')]: '60x300',
        [agent('process_start_time_seconds')]: '0x300',
        [agent('monoroot_agent_images', 'state="Ready",reason=""')]: '1x300',
      },
      fires: [n1],
      minutes: 300,
    },
    {
      what: 'it never looked since its start',
      series: {
        [agent('monoroot_agent_last_verification_timestamp_seconds')]: '0x300',
        [agent('process_start_time_seconds')]: '60x300',
        [agent('monoroot_agent_images', 'state="Ready",reason=""')]: '1x300',
      },
      fires: [n1],
      minutes: 300,
    },
    {
      what: 'it has just started',
      series: {
        [agent('monoroot_agent_last_verification_timestamp_seconds')]: '0x300',
        [agent('process_start_time_seconds')]: '17000x300',
        [agent('monoroot_agent_images', 'state="Ready",reason=""')]: '1x300',
      },
      fires: [],
      minutes: 300,
    },
    {
      what: 'there is nothing to look at',
      series: {
        [agent('monoroot_agent_last_verification_timestamp_seconds')]: '0x300',
        [agent('process_start_time_seconds')]: '60x300',
      },
      fires: [],
      minutes: 300,
    },
  ],
  MonorootSignatureRefused: [
    {
      what: 'a signature is missing',
      series: { [agent('monoroot_agent_images', 'state="Pending",reason="SignatureMissing"')]: '1x60' },
      fires: [{ reason: 'SignatureMissing' }],
    },
    {
      what: 'all are signed',
      series: { [agent('monoroot_agent_images', 'state="Ready",reason=""')]: '1x60' },
      fires: [],
    },
  ],
  MonorootReconcileErrors: [
    {
      what: 'runs fail',
      series: {
        'controller_runtime_reconcile_errors_total{controller="osimage",pod="a"}': '0+60x60',
        'monoroot_build_info{component="operator",pod="a"}': '1x60',
      },
      fires: [{ controller: 'osimage' }],
    },
    {
      what: 'those of another operator fail',
      series: {
        'controller_runtime_reconcile_errors_total{controller="osimage",pod="b"}': '0+60x60',
        'monoroot_build_info{component="operator",pod="a"}': '1x60',
      },
      fires: [],
    },
    {
      what: 'a race is lost now and then',
      series: {
        'controller_runtime_reconcile_errors_total{controller="osimage",pod="a"}': '0+1x60',
        'monoroot_build_info{component="operator",pod="a"}': '1x60',
      },
      fires: [],
    },
  ],
};

describe.each(Object.entries(cases))('%s', (alert, list) => {
  test.each(list.map((it): [string, string, Case] => [it.fires.length > 0 ? 'fires' : 'is silent', it.what, it]))(
    '%s when %s',
    (_does, _what, it) => {
      check(alert, it);
    },
  );
});

test('every alert is tested, begins with Monoroot and has its page', () => {
  expect(Object.keys(cases).toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
  for (const { alert, annotations } of rules) {
    expect(alert).toMatch(/^Monoroot[A-Z]/);
    expect(annotations.runbook_url).toBe(`docs/runbooks/${alert}.md`);
    const page = existsSync(join(root, annotations.runbook_url))
      ? readFileSync(join(root, annotations.runbook_url), 'utf8')
      : '';
    expect([...page.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual([
      'Meaning',
      'Impact',
      'Diagnosis',
      'Mitigation',
    ]);
  }
});

test('every alert asks for metrics that there are', async () => {
  const { operator, agent: ofAgent } = await ownMetrics();
  const known = new Set([...operator, ...ofAgent].map(({ name }) => name));
  const others = [
    'leader_election_master_status',
    'controller_runtime_reconcile_errors_total',
    'process_start_time_seconds',
  ];
  for (const { alert, expr } of rules) {
    const asked = [...expr.matchAll(/\b[a-z]+(_[a-z]+){2,}\b/g)].map(([name]) => name);
    expect(asked.length, alert).toBeGreaterThan(0);
    for (const name of asked) expect(known.has(name) || others.includes(name), `${alert}: ${name}`).toBe(true);
  }
});

test('promtool has nothing against the rules', () => {
  expect(promtool('check', 'rules', join(scratch, 'rules.yaml'))).toContain(`${rules.length} rules found`);
});

test('promtool can read every query of the dashboards', () => {
  const queries = [...dashboards().values()].flatMap((text) =>
    (JSON.parse(text) as { panels: { targets: { expr: string }[] }[] }).panels.flatMap(({ targets }) =>
      targets.map(({ expr }) =>
        expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(os|node|distribution)\b/g, 'x'),
      ),
    ),
  );
  const records = queries.map((expr, index) => ({ record: `query:${index}`, expr }));
  writeFileSync(join(scratch, 'queries.yaml'), JSON.stringify({ groups: [{ name: 'dashboards', rules: records }] }));
  expect(promtool('check', 'rules', join(scratch, 'queries.yaml'))).toContain(`${queries.length} rules found`);
});
