import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { isAlreadyExists, isConflict, isInvalid, isNotFound } from '../../src/kube/client.ts';
import { configMaps, namespaces, pods } from '../../src/kube/resources.ts';
import { connect, createNamespace } from './environment.ts';

const { connection, client } = connect(inject('kubeconfig'));
let namespace: string;

beforeAll(async () => {
  namespace = await createNamespace(client);
});
afterAll(() => connection.close());

const at = (name: string) => ({ namespace, name });
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('reading and writing', () => {
  test('gives what was created, and undefined for what was not', async () => {
    await client.create(configMaps, { metadata: at('one'), data: { a: '1' } });
    const read = await client.get(configMaps, at('one'));
    expect(read).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', metadata: at('one'), data: { a: '1' } });
    expect(typeof read?.metadata.creationTimestamp).toBe('string');
    expect(await client.get(configMaps, at('two'))).toBeUndefined();
  });

  test('tells a taken name from a lost race', async () => {
    const created = await client.create(configMaps, { metadata: at('race') });
    const again = await failure(client.create(configMaps, { metadata: at('race') }));
    expect([isAlreadyExists(again), isConflict(again)]).toEqual([true, false]);

    await client.update(configMaps, { ...created, data: { a: '1' } });
    const late = await failure(client.update(configMaps, { ...created, data: { a: '2' } }));
    expect([isAlreadyExists(late), isConflict(late)]).toEqual([false, true]);
  });

  test('lists what is selected, and says of each item what it is', async () => {
    const labels = { listed: 'yes' };
    await client.create(configMaps, { metadata: { ...at('labelled'), labels } });
    const listed = await client.list(configMaps, { namespace, labelSelector: 'listed=yes' });
    expect(listed.map(({ kind, metadata }) => [kind, metadata.name])).toEqual([['ConfigMap', 'labelled']]);
  });

  test('refuses fields that do not exist, naming them', async () => {
    const wrong = { metadata: at('wrong'), datum: { a: '1' } };
    const error = await failure(client.apply(configMaps, wrong, { fieldManager: 'test' }));
    expect(String(error)).toContain('datum');
  });

  test('gives the causes of a refusal', async () => {
    const error = await failure(client.create(pods, { metadata: at('empty'), spec: { containers: [] } }));
    expect(isInvalid(error) && error.causes.map(({ field }) => field)).toContain('spec.containers');
  });

  test('patches by merging, and removes what is null', async () => {
    await client.create(configMaps, { metadata: at('merged'), data: { a: '1', b: '2' } });
    const patched = await client.mergePatch(configMaps, at('merged'), { data: { a: null, c: '3' } });
    expect(patched.data).toEqual({ b: '2', c: '3' });
  });

  test('patches by operations when all tests hold, and else tells a lost race', async () => {
    const { metadata } = await client.create(configMaps, { metadata: at('tested'), data: { a: '1' } });
    const whenUid = (uid: string | undefined, value: unknown) =>
      client.jsonPatch(configMaps, at('tested'), [
        { op: 'test', path: '/metadata/uid', value: uid },
        { op: 'add', path: '/data', value },
      ]);
    expect((await whenUid(metadata.uid, { b: '2' })).data).toEqual({ b: '2' });
    const lost = await failure(whenUid('another', { c: '3' }));
    expect([isConflict(lost), String(lost)]).toEqual([true, expect.stringContaining('/metadata/uid')]);
    // What is wrong with the new object is no race, and is said.
    const wrong = await failure(whenUid(metadata.uid, 5));
    expect([isConflict(wrong), isInvalid(wrong)]).toEqual([false, true]);
    expect((await client.get(configMaps, at('tested')))?.data).toEqual({ b: '2' });
  });

  test('checks without storing on a dry run', async () => {
    await client.create(configMaps, { metadata: at('dry') }, { dryRun: true });
    expect(await client.get(configMaps, at('dry'))).toBeUndefined();
  });

  test('gives up after the time limit', async () => {
    // It takes the connection and says nothing.
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const deaf = connect(inject('kubeconfig'), { url });
    const error = await failure(deaf.client.list(configMaps, {}, { timeoutSeconds: 0.2 }));
    expect(String(error)).toMatch(/No answer to GET .*configmaps within 0.2 s/);
    await deaf.connection.close();
    silent.close();
  });

  test('is over with a write before another process may lead', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const leader = connect(inject('kubeconfig'), { url, writeSeconds: () => 0.2 });
    const error = await failure(leader.client.create(configMaps, { metadata: at('late') }));
    expect(String(error)).toMatch(/No answer to POST .*configmaps within 0.2 s/);
    await leader.connection.close();
    silent.close();
  });

  test('ends with its signal', async () => {
    const error = await failure(client.get(configMaps, at('one'), { signal: AbortSignal.abort(new Error('stopped')) }));
    expect(String(error)).toContain('stopped');
  });

  test('writes nothing when it may not, but still reads', async () => {
    const fenced = connect(inject('kubeconfig'), { writeSeconds: () => 0 });
    const error = await failure(fenced.client.create(configMaps, { metadata: at('fenced') }));
    expect(String(error)).toContain('not the leader');
    expect(await fenced.client.get(configMaps, at('fenced'))).toBeUndefined();
    await fenced.connection.close();
  });
});

describe('deleting', () => {
  test('says whether there was anything to delete', async () => {
    await client.create(configMaps, { metadata: at('deleted') });
    expect(await client.delete(configMaps, at('deleted'))).toBe(true);
    expect(await client.delete(configMaps, at('deleted'))).toBe(false);
  });

  test('spares a later object of the same name', async () => {
    const first = await client.create(configMaps, { metadata: at('reborn') });
    await client.delete(configMaps, at('reborn'));
    await client.create(configMaps, { metadata: at('reborn') });
    expect(await client.delete(configMaps, at('reborn'), { uid: first.metadata.uid })).toBe(false);
    expect(await client.get(configMaps, at('reborn'))).toBeDefined();
  });
});

describe('server-side apply', () => {
  const data = (value: string) => ({ metadata: at('applied'), data: { shared: value } });

  test('creates, then takes nothing from another manager unless forced', async () => {
    await client.apply(configMaps, data('first'), { fieldManager: 'one' });
    const error = await failure(client.apply(configMaps, data('second'), { fieldManager: 'two', force: false }));
    expect(isConflict(error) && error.causes.map(({ field }) => field)).toEqual(['.data.shared']);
    expect((await client.get(configMaps, at('applied')))?.data).toEqual({ shared: 'first' });

    await client.apply(configMaps, data('third'), { fieldManager: 'two' });
    expect((await client.get(configMaps, at('applied')))?.data).toEqual({ shared: 'third' });
  });

  test('gives up what its manager no longer sends', async () => {
    const owned = { metadata: at('owned'), data: { a: '1', b: '2' } };
    await client.apply(configMaps, owned, { fieldManager: 'one' });
    await client.apply(configMaps, { metadata: at('owned'), data: { c: '3' } }, { fieldManager: 'two' });
    const after = await client.apply(configMaps, { ...owned, data: { a: '1' } }, { fieldManager: 'one' });
    expect(after.data).toEqual({ a: '1', c: '3' });
  });

  test('writes nothing when nothing changes', async () => {
    const first = await client.apply(configMaps, data('same'), { fieldManager: 'one' });
    const second = await client.apply(configMaps, data('same'), { fieldManager: 'one' });
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  });

  test('writes status apart from the rest, one manager for each condition', async () => {
    const condition = (type: string) => ({
      type,
      status: 'True',
      reason: 'Test',
      message: '',
      lastTransitionTime: '2026-01-02T03:04:05Z',
    });
    const conditions = (type: string) => ({ metadata: { name: namespace }, status: { conditions: [condition(type)] } });
    await client.applyStatus(namespaces, conditions('One'), { fieldManager: 'one' });
    const after = await client.applyStatus(namespaces, conditions('Two'), { fieldManager: 'two' });
    expect(after.status?.conditions?.map(({ type }) => type)).toEqual(['One', 'Two']);
    expect(after.status?.phase).toBe('Active');
  });

  test('does not make an object for a status', async () => {
    const nowhere = { metadata: { name: 'nowhere' }, status: { phase: 'Active' } };
    expect(isNotFound(await failure(client.applyStatus(namespaces, nowhere, { fieldManager: 'one' })))).toBe(true);
  });
});

describe('connections', () => {
  test('are reused by calls one after the other, and few by calls at the same time', async () => {
    const own = connect(inject('kubeconfig'));
    for (let i = 0; i < 100; i++) await own.client.get(configMaps, at('one'));
    // A connection becomes free a moment after its answer is complete, so that two take turns.
    expect(own.connection.connections.made).toBeLessThanOrEqual(2);
    await Promise.all(Array.from({ length: 200 }, () => own.client.get(configMaps, at('one'))));
    expect(own.connection.connections.made).toBeLessThanOrEqual(16);
    await own.connection.close();
    expect(own.connection.connections.open).toBe(0);
  });
});
