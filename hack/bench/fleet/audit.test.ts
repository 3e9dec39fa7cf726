import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loggedEvents, readWrites } from './audit.ts';
import { deployedFlags } from './deployed-flags.ts';

const event = (verb: string, resource: string, query = '') => ({
  stage: 'ResponseComplete',
  verb,
  requestURI: `/apis/monoroot.dev/v1alpha1/${resource}${query}`,
  userAgent: 'monoroot/0.1.0 (operator)',
  objectRef: { resource },
  responseStatus: { code: 200 },
  requestReceivedTimestamp: '2026-11-27T10:00:00.000000Z',
});

function logOf(...events: object[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-audit-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'audit.log');
  writeFileSync(path, events.map((it) => `${JSON.stringify(it)}\n`).join(''));
  return path;
}

test('writes are counted when the log has all events that the API server logged', async () => {
  const path = logOf(
    event('patch', 'hostedcontainers', '?fieldManager=monoroot&dryRun=All'),
    event('update', 'leases'),
  );
  expect(await readWrites(path, 2)).toEqual([
    {
      time: Date.parse('2026-11-27T10:00:00Z'),
      who: 'operator',
      what: 'patch hostedcontainers as monoroot (dry run)',
      isDryRun: true,
      succeeded: true,
    },
  ]);
});

test('a log that was rotated is not counted', async () => {
  await expect(readWrites(logOf(event('patch', 'pods')), 2)).rejects.toThrow('The audit log has 1 of 2 events');
});

test('events are summed over all labels of the metric, and lost ones are an error', () => {
  const metrics = [
    '# TYPE apiserver_audit_event_total counter',
    'apiserver_audit_event_total 12',
    'apiserver_audit_event_total{plugin="log"} 3.0e+03',
    'apiserver_audit_level_total{level="Metadata"} 7',
  ].join('\n');
  expect(loggedEvents(metrics)).toBe(3012);
  expect(() => loggedEvents(`${metrics}\napiserver_audit_error_total{plugin="log"} 4\n`)).toThrow('could not write 4');
});

test('the operator of the bench has the flags of its manifest', () => {
  expect(deployedFlags('          command: [node, --a=1, --b, /opt/monoroot/operator.js]\n')).toEqual(['--a=1', '--b']);
  expect(() => deployedFlags('command: [sh]')).toThrow('no command');
});
