import { afterAll, expect, inject, test } from 'vitest';
import { eventSink } from '../../src/kube/events.ts';
import { configMaps, events, namespaces } from '../../src/kube/resources.ts';
import { createEventRecorder } from '../../src/runtime/events.ts';
import { connect, createNamespace, logger } from './environment.ts';

const { connection, client } = connect(inject('kubeconfig'));
afterAll(() => connection.close());

const recorder = createEventRecorder({
  sink: eventSink(client),
  reportingController: 'monoroot.dev/test',
  reportingInstance: 'test-0',
  logger,
});

test('stores an event about an object once, however often it is reported', async () => {
  const namespace = await createNamespace(client);
  const object = await client.create(configMaps, { metadata: { namespace, name: 'subject' } });
  const notice = { type: 'Warning', reason: 'TestFailed', note: 'The test failed; fix it' } as const;
  for (let i = 0; i < 5; i++) recorder.record(object, notice);
  recorder.record(object, { ...notice, note: 'The test failed again; fix it' });
  await recorder.flush();
  const stored = await client.list(events, { namespace });
  expect(stored.map(({ note }) => note).sort()).toEqual(['The test failed again; fix it', 'The test failed; fix it']);
  expect(stored[0]).toMatchObject({
    type: 'Warning',
    reason: 'TestFailed',
    action: 'TestFailed',
    regarding: { kind: 'ConfigMap', name: 'subject', namespace, uid: object.metadata.uid },
    reportingController: 'monoroot.dev/test',
    reportingInstance: 'test-0',
  });
});

test('stores events about what lives in no namespace, with as long a note as the server takes', async () => {
  const name = await createNamespace(client, 'subject');
  const object = await client.get(namespaces, { name });
  if (!object) throw new Error('The namespace is gone');
  recorder.record(object, { type: 'Normal', reason: 'TestPassed', note: 'ü'.repeat(2000) });
  await recorder.flush();
  const stored = await client.list(events, { namespace: 'default', fieldSelector: `regarding.name=${name}` });
  expect(stored).toHaveLength(1);
  expect(stored[0]?.note).toMatch(/^ü{510}…$/);
});

test('does not fail when an event cannot be stored', async () => {
  const nowhere = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'nowhere', name: 'subject' } };
  recorder.record(nowhere, { type: 'Normal', reason: 'TestPassed', note: 'No one will read this' });
  await expect(recorder.flush()).resolves.toBeUndefined();
});
