import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { failedImage } from '../../src/agent/status/image-status.ts';
import { nodeStoreStatus } from '../../src/agent/status/conditions.ts';
import type { DesiredImage } from '../../src/api/nodestore.ts';
import { recordFailure } from '../../src/controllers/hostedcontainer/history.ts';
import { writeStatus } from '../../src/controllers/status.ts';
import { eventSink } from '../../src/kube/events.ts';
import { hostedContainers, nodeStores } from '../../src/kube/kinds.ts';
import { configMaps, events } from '../../src/kube/resources.ts';
import { createEventRecorder } from '../../src/runtime/events.ts';
import { connect, createNamespace, logger } from './environment.ts';

/** Texts that come from programs, archives and servers may have any character, and none may keep us from writing. */

const { connection, client } = connect(inject('kubeconfig'));
const { signal } = new AbortController();
let namespace: string;

beforeAll(async () => {
  namespace = await createNamespace(client);
});
afterAll(() => connection.close());

const everyUnit = Array.from({ length: 0x1_0000 }, (_, code) => String.fromCharCode(code));
const controls = everyUnit.filter((unit) => /\p{C}/u.test(unit) && !/[\ue000-\uf8ff]/.test(unit)).join('');
const invalidUtf8 = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString();
const hostile: [string, string][] = [
  ['every code unit, so that each surrogate is a lone one', everyUnit.join(' ')],
  ['every control character in a row', controls],
  ['characters of two code units up to the last one', '😀🧨\u{1ffff}\u{10ffff}'],
  ['bytes that are no UTF-8', invalidUtf8],
  ['what means something in YAML', `%YAML 1.1\n---\n&a *a !!binary |\n\t- ? : # '"\\ \u2028\u2029\u0085 {[`],
];

describe('a text is stored as it is, and a lone surrogate as U+FFFD', () => {
  test.each(hostile)('%s', async (_name, text) => {
    const metadata = { namespace, name: 'text' };
    await client.delete(configMaps, metadata);
    const applied = await client.apply(configMaps, { metadata, data: { text } }, { fieldManager: 'test' });
    expect(applied.data).toEqual({ text: text.toWellFormed() });
    const updated = await client.update(configMaps, { metadata, data: { update: text } });
    expect(updated.data).toEqual({ update: text.toWellFormed() });
    const merged = await client.mergePatch(configMaps, metadata, { data: { merge: text } });
    expect(merged.data).toMatchObject({ merge: text.toWellFormed() });
    expect(await client.get(configMaps, metadata)).toMatchObject({ data: merged.data });
  });
});

describe('1 MiB of it is cut to what the schema takes', () => {
  const mebibyte = (text: string) => text.repeat(Math.ceil(2 ** 20 / Buffer.byteLength(text)));

  test.each(hostile)('in a failed upgrade: %s', async (_name, text) => {
    const metadata = { namespace, name: 'failed' };
    await client.delete(hostedContainers, metadata);
    const made = await client.create(hostedContainers, { metadata, spec: { image: 'os:v1' } as never });
    const image = { os: 'os', version: 'v1', digest: `sha256:${'0'.repeat(64)}` };
    for (const failure of [
      { message: mebibyte(text), logTail: mebibyte(text) },
      { message: 'It exited', logTail: mebibyte(text) },
    ]) {
      const status = recordFailure({}, image as never, 'print', { reason: 'TooManyExits', ...failure }, new Date());
      const { uid, resourceVersion: _any, ...at } = made.metadata;
      const written = await writeStatus(
        client,
        hostedContainers,
        { metadata: { ...at, uid } as never },
        status,
        signal,
      );
      expect(written.status?.failedImages?.[0]?.message.length).toBeGreaterThan(900);
      expect(written.status?.failedImages?.[0]?.message.isWellFormed()).toBe(true);
    }
  });

  test.each(hostile)('in the status of a node: %s', async (_name, text) => {
    const desired = { os: 'os', version: 'v1', digest: `sha256:${'0'.repeat(64)}`, backoffLimit: 0 } as DesiredImage;
    const tries = { fingerprint: '', attempts: 1, reason: 'CorruptArchive', message: mebibyte(text), retryTime: 0 };
    const name = `${namespace}-node`;
    await client.delete(nodeStores, { name });
    await client.create(nodeStores, { metadata: { name }, spec: { images: [] } });
    const images = [failedImage(desired, tries)];
    const store = { usedBytes: 0, freeBytes: 0 };
    const input = { generation: 1, before: undefined, desired: [desired], images, store, now: new Date() };
    const status = nodeStoreStatus(input);
    const written = await client.applyStatus(nodeStores, { metadata: { name }, status }, { fieldManager: 'test' });
    expect(written.status?.images?.[0]?.message?.length).toBeGreaterThan(900);
  });

  test.each(hostile)('in an event: %s', async (_name, text) => {
    const reporting = { reportingController: 'monoroot.dev/test', reportingInstance: 'test' };
    const recorder = createEventRecorder({ sink: eventSink(client), logger, ...reporting });
    const name = `about-${Buffer.byteLength(text)}`;
    const about = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name } };
    recorder.record(about, { type: 'Warning', reason: 'Tried', note: mebibyte(text) });
    await recorder.flush();
    const stored = await client.list(events, { namespace, fieldSelector: `regarding.name=${name}` });
    expect(stored.map(({ reason }) => reason)).toEqual(['Tried']);
  });
});
