import { describe, expect, test } from 'vitest';
import type { KubeObject } from '../runtime/object.ts';
import type { Reflector } from '../runtime/reflector.ts';
import { Store } from '../runtime/store.ts';
import { DeletionExpectations } from './deleted-objects.ts';

const now = new Date('2026-01-01T00:01:00Z');
const object = (name: string, uid: string, deletionTimestamp?: string): KubeObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, uid, ...(deletionTimestamp !== undefined && { deletionTimestamp }) },
});
const uids = (seen: readonly KubeObject[]) => seen.map(({ metadata }) => metadata.uid);

describe('objects that this operator makes', () => {
  test('are deleted by others when they go without its doing, also without being seen going', () => {
    const deleted = new DeletionExpectations();
    expect(uids(deleted.see('os.v1', [object('build', 'a'), object('verify', 'b')]))).toEqual([]);
    expect(uids(deleted.see('os.v1', [object('verify', 'b', '2026-01-01T00:00:30Z')]))).toEqual(['a', 'b']);
    expect(uids(deleted.see('os.v1', []))).toEqual(['a', 'b']);
  });

  test('until there is another of the name', () => {
    const deleted = new DeletionExpectations();
    deleted.see('os.v1', [object('build', 'a')]);
    deleted.see('os.v1', []);
    expect(uids(deleted.see('os.v1', [object('build', 'b')]))).toEqual([]);
    expect(uids(deleted.see('os.v1', []))).toEqual(['b']);
  });

  test('are not deleted by others when this operator has deleted that very one', () => {
    const deleted = new DeletionExpectations();
    deleted.see('os.v1', [object('build', 'a')]);
    deleted.add('os.v1', { name: 'build', uid: 'a' }, now);
    expect(deleted.deletionTime('os.v1', object('build', 'a'))).toBe(now.toISOString());
    expect(uids(deleted.see('os.v1', []))).toEqual([]);
    deleted.see('os.v1', [object('build', 'b')]);
    expect(deleted.deletionTime('os.v1', object('build', 'b'))).toBeUndefined();
    expect(uids(deleted.see('os.v1', []))).toEqual(['b']);
  });

  test('of one image say nothing of another, and are forgotten with it', () => {
    const deleted = new DeletionExpectations();
    deleted.see('os.v1', [object('build', 'a')]);
    expect(uids(deleted.see('os.v2', []))).toEqual([]);
    deleted.forget('os.v1');
    expect(uids(deleted.see('os.v1', []))).toEqual([]);
  });

  test('are seen as soon as the cache has them, also those that go before a run looks', () => {
    const deleted = new DeletionExpectations();
    const store = new Store<KubeObject>(() => undefined);
    const reflector = {
      name: 'jobs',
      store,
      synced: async () => Promise.resolve(),
    } as unknown as Reflector<KubeObject>;
    store.set(object('earlier', 'e'));
    const keyFor = ({ metadata }: KubeObject) => (metadata.name === 'strange' ? undefined : 'os.v1');
    deleted.source(reflector, keyFor).start(() => undefined);
    for (const [name, uid] of [
      ['build', 'a'],
      ['strange', 's'],
    ] as const) {
      store.set(object(name, uid));
      store.delete(name);
    }
    store.delete('earlier');
    expect(uids(deleted.see('os.v1', []))).toEqual(['e', 'a']);
  });
});
