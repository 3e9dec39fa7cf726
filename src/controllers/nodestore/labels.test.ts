import { describe, expect, test } from 'vitest';
import { container, node, sha256Of } from '../../../test/fixtures/builders.ts';
import { asCached } from '../../../test/fixtures/cached.ts';
import { imageLabel } from '../../api/images.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import { matchesNodeSelector } from '../../api/kubernetes/selectors.ts';
import { runningRequirement } from '../../pod/placement.ts';
import { buildPod } from '../../pod/pod.ts';
import type { Node, Pod } from '../../api/kubernetes/objects.ts';
import { concernsLabels, currentLabels, runningLabels } from './labels.ts';

const image: UsableImage = {
  ...{ os: 'os', version: 'v1', digest: `sha256:${sha256Of('os:v1')}`, architecture: 'amd64' },
  ...{ layout: { kind: 'merged', directories: ['usr'] }, defaults: {}, writable: [], hasMountScript: false },
};
const web = container({ image: 'os:v1' });
const label = { [imageLabel(image).key]: imageLabel(image).value };
const scaffolds = { merged: 'm', split: 's' };
/** A Pod on n1, as the cache has it. */
const bound = (nonce: string | undefined, change: Partial<Pod> = {}): Pod => {
  const pod = buildPod(web, image, scaffolds, nonce);
  return asCached({ pod: { ...pod, ...change, spec: { ...pod.spec, nodeName: 'n1' } }, now: 0 }).pod;
};
const own = { [`running.monoroot.dev/${web.metadata.uid ?? ''}`]: 'one' };
const withLabels = (labels: Record<string, string>): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n1', labels },
});
/** What a kubelet asks when it starts again, of the Pods that it finds. */
const survives = (pod: Pod, it: Node) => matchesNodeSelector(it, runningRequirement(pod)?.affinity);

describe('a Pod that runs on a node', () => {
  test('needs no label of its own while the node has that of its image', () => {
    expect(runningLabels(node('n1'), label, [bound('one')])).toEqual({});
  });

  test('gets one when that of its image goes, and meets its requirements by it', () => {
    const labels = runningLabels(node('n1', ['os:v1']), {}, [bound('one')]);
    expect(labels).toEqual(own);
    expect(survives(bound('one'), withLabels({}))).toBe(false);
    expect(survives(bound('one'), withLabels(labels))).toBe(true);
  });

  test('brings no other Pod there by it, not even the next one of its container', () => {
    const labels = runningLabels(node('n1', ['os:v1']), {}, [bound('one')]);
    expect(survives(bound('two'), withLabels(labels))).toBe(false);
    const another = buildPod({ ...web, metadata: { ...web.metadata, uid: 'other' } }, image, scaffolds, 'one');
    expect(survives(another, withLabels(labels))).toBe(false);
  });

  test('gets one also when a label that its owner asked for has gone', () => {
    const term = { matchExpressions: [{ key: 'zone', operator: 'In' as const, values: ['a'] }] };
    const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } };
    const zoned = container({ image: 'os:v1', podTemplate: { automountServiceAccountToken: false, affinity: { nodeAffinity: required } } }); // prettier-ignore
    const pod = buildPod(zoned, image, scaffolds, 'one');
    expect(runningLabels(node('n1', [], {}, { zone: 'a' }), label, [pod])).toEqual({});
    expect(runningLabels(node('n1', [], {}, { zone: 'b' }), label, [pod])).toEqual(own);
  });

  test('needs none any more when it has ended', () => {
    expect(runningLabels(node('n1'), {}, [bound('one', { status: { phase: 'Failed' } })])).toEqual({});
  });

  test('has none to get when an earlier version of the operator made it, or it is no Pod of a container', () => {
    const job = { ...bound('one'), metadata: { name: 'build' } };
    expect(runningLabels(node('n1'), {}, [bound(undefined), job])).toEqual({});
  });
});

test('a look at all nodes is asked for by Pods whose label must come, and by those that have one', () => {
  const pod = bound('one');
  expect(concernsLabels(pod, withLabels(label))).toBe(false);
  expect(concernsLabels(pod, withLabels({}))).toBe(true);
  expect(concernsLabels(pod, withLabels({ ...label, ...own }))).toBe(true);
  expect(concernsLabels(pod, undefined)).toBe(false);
});

test("labels of images and of running Pods are the operator's, others are not", () => {
  expect(currentLabels(withLabels({ ...label, ...own, zone: 'a' }))).toEqual({ ...label, ...own });
});
