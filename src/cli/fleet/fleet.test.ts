import { expect, test } from 'vitest';
import { container, distribution, nodeStore, osImage, stored } from '../../../test/fixtures/builders.ts';
import { silentScreen } from '../terminal.ts';
import { renderFleet } from './render.ts';
import { summarizeFleet } from './summarize.ts';
import type { FleetObjects } from './summarize.ts';

const now = new Date('2026-01-01T12:00:00Z');
const none: FleetObjects = { osImages: [], distributions: [], nodeStores: [], containers: [] };
const failed = (image: string) => ({
  image,
  digest: `sha256:${'0'.repeat(64)}`,
  fingerprint: 'f',
  reason: 'CrashLooping',
  message: 'm',
  time: '2026-01-01T00:00:00Z',
  attempts: 1,
});

function chosen(name: string, changes: { condemned?: string } = {}) {
  const image = osImage(name);
  const { condemned } = changes;
  return {
    ...image,
    metadata: {
      ...image.metadata,
      ...(condemned !== undefined && { annotations: { 'monoroot.dev/condemned': condemned } }),
    },
    status: { ...image.status, defaultVersion: condemned === undefined },
  };
}

test('versions by number, with nodes, containers, the default and the condemned', () => {
  const objects: FleetObjects = {
    osImages: [chosen('os:v10', { condemned: '2 of 2 canaries\nwere reverted' }), chosen('os:v9')],
    distributions: [
      distribution(
        'os:v10',
        {},
        {
          observedGeneration: 1,
          nodes: { desired: 2, ready: 1, active: 1, failed: 0 },
          conditions: [
            {
              type: 'Ready',
              status: 'False',
              reason: 'InProgress',
              message: '1 of 2',
              lastTransitionTime: '2026-01-01T00:00:00Z',
            },
          ],
        },
      ),
    ],
    nodeStores: [
      nodeStore(
        'n1',
        ['os:v9', 'os:v10'],
        [stored('os:v9', 'Ready'), stored('os:v10', 'Ready'), stored('os:v8', 'Ready')],
      ),
      nodeStore('n2', ['os:v9', 'os:v10'], [stored('os:v9', 'Ready'), stored('os:v10', 'Fetching')]),
    ],
    containers: [
      container({ image: 'os' }, { image: 'os:v9' }),
      container({ image: 'os' }, { image: 'os:v9', targetImage: 'os:v10' }),
      container({ image: 'os' }, { image: 'os:v9', failedImages: [failed('os:v10'), failed('os:v10')] }),
      container({ image: 'os' }),
    ],
  };
  expect(renderFleet(summarizeFleet(objects, now), silentScreen)).toEqual([
    'os, default v9',
    '  VERSION  NODES   RUNNING  TARGET  FAILED',
    '  v8       1 kept  0        0       0       no OSImage',
    '  v9       2/2     3        0       0       default',
    '  v10      1/2     0        1       1       condemned: 2 of 2 canaries were reverted',
    '  DISTRIBUTION  IMAGE   NODES  UPDATED  REVERTED  STATE',
    '  os-v10        os:v10  1/2    -        -         waiting: 1 of 2',
  ]);
});

test('several operating systems one after the other; nothing at all is nothing', () => {
  const images = [osImage('b:1'), osImage('a:1')];
  const lines = renderFleet(summarizeFleet({ ...none, osImages: images }, now), silentScreen);
  expect(lines.filter((line) => !line.startsWith(' '))).toEqual(['a, no default version', '', 'b, no default version']);
  expect(summarizeFleet(none, now)).toEqual([]);
});
