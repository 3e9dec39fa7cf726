import { describe, expect, test } from 'vitest';
import { distribution, node, nodeStore, osImage, stored } from '../../../test/fixtures/builders.ts';
import { asCached } from '../../../test/fixtures/cached.ts';
import { imageLabel } from '../../api/images.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import { onFailure } from './act.ts';
import { planFleet, planNodeStores } from './plan.ts';
import type { Observed } from './observed.ts';
import { ApiError } from '../../runtime/errors.ts';

const image = osImage('os:v1');
const { key, value } = imageLabel({ os: 'os', version: 'v1', digest: image.status?.digest ?? '' });

/** Two nodes that an image is distributed to, with these labels and these stores. */
function fleet(labels: Record<string, string>, stores: readonly NodeStore[]): Observed {
  const byName = new Map(stores.map((store) => [store.metadata.name, store]));
  const labelled = (name: string) => {
    const { metadata, ...rest } = node(name);
    return { ...rest, metadata: { ...metadata, uid: name, labels: { ...metadata.labels, ...labels } } };
  };
  return asCached({
    nodes: [labelled('n1'), labelled('n2')],
    images: [image],
    distributions: [distribution('os:v1')],
    containers: [],
    pods: new Map(),
    now: Date.parse('2026-01-01T00:00:00Z'),
    stores: byName,
    allStores: byName,
  });
}

/** The store of a node that has the image, and is asked for just what is planned. */
function has(name: string): NodeStore {
  const store = nodeStore(name, ['os:v1'], [stored('os:v1', 'Ready')]);
  const owner = { apiVersion: 'v1', kind: 'Node', name, uid: name };
  const made = { ...store, metadata: { ...store.metadata, ownerReferences: [owner] } };
  const images = planFleet(fleet({}, [made])).find((plan) => plan.node.metadata.name === name)?.images ?? [];
  return { ...made, spec: { images } };
}

/** The nodes that are written, and when the next plan is due. */
function plan(labels: Record<string, string>, ...stores: NodeStore[]) {
  const { actions, requeueAfterSeconds } = planNodeStores(fleet(labels, stores));
  return [actions.map((action) => action.plan.node.metadata.name), requeueAfterSeconds];
}

describe('the plan of the fleet writes', () => {
  test('each node without a NodeStore, and is made again while one is getting something', () => {
    expect(plan({})).toEqual([['n1', 'n2'], 60]);
  });

  test('each node that lacks the label of an image that it has', () => {
    expect(plan({}, has('n1'), has('n2'))).toEqual([['n1', 'n2'], undefined]);
  });

  test('only the node that is not as planned', () => {
    const { spec: _spec, ...other } = has('n2');
    expect(plan({ [key]: value }, has('n1'), { ...other, spec: { images: [] } })).toEqual([['n2'], undefined]);
  });

  test('no node when all are as planned', () => {
    expect(plan({ [key]: value }, has('n1'), has('n2'))).toEqual([[], undefined]);
  });
});

describe('a write of a node that fails', () => {
  const refusal = (code: number, reason: string) => new ApiError({ code, reason, message: '' });

  test('is decided again soon when it has lost a race', () => {
    expect(onFailure(refusal(409, 'Conflict'))).toEqual({ requeueAfterSeconds: 1 });
    expect(onFailure(refusal(409, 'AlreadyExists'))).toEqual({ requeueAfterSeconds: 1 });
    expect(onFailure(refusal(404, 'NotFound'))).toEqual({ requeueAfterSeconds: 1 });
  });

  test('keeps no other node from being written', () => {
    expect(onFailure(refusal(500, 'InternalError'))).toBe('Continue');
  });
});
