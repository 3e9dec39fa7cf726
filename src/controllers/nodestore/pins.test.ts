import { expect, test } from 'vitest';
import type { HostedContainer, HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { Store } from '../../runtime/store.ts';
import { container } from '../../../test/fixtures/builders.ts';
import { watch } from '../../runtime/controller.ts';
import { pinsOf, watchPins } from './pins.ts';

const on = (name: string, status: HostedContainerStatus, software: string[] = []): HostedContainer => {
  const spec = { image: 'os:v1', software: software.map((osImage) => ({ name: 'jdk', osImage })) };
  const it = container(spec, status);
  return { ...it, metadata: { ...it.metadata, name, resourceVersion: String(revision++) } };
};
let revision = 1;
const v1 = { nodeName: 'n1', image: 'os:v1', lastKnownGoodImage: 'os:v1' };
const toV2 = { ...v1, image: 'os:v2' };
const v2 = { ...toV2, lastKnownGoodImage: 'os:v2' };

/** Whether the last change asks for a run, after those before it. */
function asks(change: (store: Store<HostedContainer>) => void, ...before: HostedContainer[]): boolean {
  const store = new Store<HostedContainer>((error) => {
    throw error;
  });
  const reflector = { name: 'hostedcontainers', store, synced: () => Promise.resolve() };
  const options = watchPins(store, 'fleet');
  for (const it of before) store.set(it);
  const keys: string[] = [];
  watch(reflector as never, options).start((key) => keys.push(key));
  keys.length = 0;
  change(store);
  return keys.length > 0;
}
const set = (it: HostedContainer) => (store: Store<HostedContainer>) => store.set(it);
const remove = (name: string) => (store: Store<HostedContainer>) => store.delete(`shop/${name}`);

test.each<[string, boolean, ReturnType<typeof set>, HostedContainer[]]>([
  ['a new container has no node yet', false, set(on('a', {})), []],
  ['the first of a node gets there', true, set(on('a', v1)), [on('a', {})]],
  ['another of the same image gets there', false, set(on('b', v1)), [on('a', v1), on('b', {})]],
  ['one on another node gets there', true, set(on('b', { ...v1, nodeName: 'n2' })), [on('a', v1), on('b', {})]],
  ['nothing that pins has changed', false, set(on('a', { ...v1, restarts: 3 })), [on('a', v1)]],
  ['the first goes to another image', true, set(on('a', toV2)), [on('a', v1), on('b', v1)]],
  [
    'the second does, while two hold the earlier one',
    false,
    set(on('b', toV2)),
    [on('a', toV2), on('b', v1), on('c', toV2)],
  ],
  [
    'one of three leaves the earlier image',
    false,
    set(on('a', v2)),
    [on('a', toV2), on('b', v2), on('c', v1), on('d', v1)],
  ],
  ['the last leaves it', true, set(on('a', v2)), [on('a', toV2), on('b', v2), on('c', v2)]],
  ['one moves to another node', true, set(on('a', { ...v1, nodeName: 'n2' })), [on('a', v1), on('b', v1)]],
  ['one of several is deleted', false, remove('c'), [on('a', v1), on('b', v1), on('c', v1)]],
  ['the last is deleted', true, remove('a'), [on('a', v1)]],
  [
    'it is tried on another node, and the one before keeps the way back',
    true,
    set(on('a', { ...toV2, nodeName: 'n2', lastKnownGoodNode: 'n1' })),
    [on('a', { ...v1, lastKnownGoodNode: 'n1' })],
  ],
  [
    'the bytes that it goes back to are others, under the same name',
    true,
    set(on('a', { ...v1, lastKnownGoodDigest: `sha256:${'2'.repeat(64)}` })),
    [on('a', { ...v1, lastKnownGoodDigest: `sha256:${'1'.repeat(64)}` })],
  ],
  ['software is asked for', true, set(on('a', v1, ['jdk:21'])), [on('a', v1)]],
  ['software is given up', true, set(on('a', v1)), [on('a', v1, ['jdk:21'])]],
])('%s', (_case, expected, change, before) => {
  expect(asks(change, ...before)).toBe(expected);
});

test.each<[string, HostedContainerStatus, string[]]>([
  ['nothing before it has a node', {}, []],
  ['what it runs and its last known good on its node', { ...toV2, lastKnownGoodNode: 'n1' }, ['n1 os:v2 os:v1']],
  [
    'the last known good on the node that ran it, while another image is tried elsewhere',
    { ...toV2, nodeName: 'n2', lastKnownGoodNode: 'n1' },
    ['n2 os:v2 os:v1', 'n1 os:v1'],
  ],
  [
    'no more there once the other image is good',
    { ...v2, nodeName: 'n2', lastKnownGoodNode: 'n2' },
    ['n2 os:v2 os:v2'],
  ],
])('a container keeps %s', (_case, status, expected) => {
  const words = ({ node, images, good }: ReturnType<typeof pinsOf>[number]) =>
    [node, ...[...images, ...(good ? [good] : [])].map(({ image }) => image)].join(' ');
  expect(pinsOf(on('a', status)).map(words)).toEqual(expected);
});
