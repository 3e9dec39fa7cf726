import { expect, test } from 'vitest';
import { imageNameOf, parseObjectRef } from './names.ts';

test.each([
  [['hc/shop'], { kind: 'HostedContainer', name: 'shop' }],
  [['hctr/shop'], { kind: 'HostedContainer', name: 'shop' }],
  [['HostedContainers.monoroot.dev/shop'], { kind: 'HostedContainer', name: 'shop' }],
  [['hc', 'shop'], { kind: 'HostedContainer', name: 'shop' }],
  [['osi/debian-12.v36'], { kind: 'OSImage', name: 'debian-12.v36' }],
  [['osi/debian-12:v36'], { kind: 'OSImage', name: 'debian-12.v36' }],
  [['debian-12:v36'], { kind: 'OSImage', name: 'debian-12.v36' }],
  [['imgdist/debian-12'], { kind: 'ImageDistribution', name: 'debian-12' }],
  [['node/node-1'], { kind: 'NodeStore', name: 'node-1' }],
  [['shop'], { name: 'shop' }],
  [['deployment/shop'], undefined],
])('%j names %j', (words, ref) => {
  expect(parseObjectRef(words)).toEqual(ref);
});

test.each([
  ['debian-12:v1.2', 'debian-12:v1.2'],
  ['debian-12.v1.2', 'debian-12:v1.2'],
  ['osi/debian-12.v36', 'debian-12:v36'],
  ['debian-12', 'debian-12'],
])('%s is the image %s', (text, image) => {
  expect(imageNameOf(text)).toBe(image);
});
