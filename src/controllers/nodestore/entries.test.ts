import { expect, test } from 'vitest';
import { distribution, nodeStore, osImage, stored } from '../../../test/fixtures/builders.ts';
import { asCached } from '../../../test/fixtures/cached.ts';
import { fleet } from '../../../test/fixtures/fleet-plan.ts';
import { imageName } from '../../api/images.ts';
import { planFleet } from './plan.ts';

test('an entry that is as planned is the one of the store, so that a fleet at rest is compared at no cost', () => {
  const names = Array.from({ length: 10 }, (_, i) => `os:v${i}`);
  const there = names.map((name) => stored(name, 'Ready'));
  const f = asCached(
    fleet({
      images: names.map((name) => osImage(name)),
      stores: [nodeStore('n1', names, there)],
      distributions: names.map((name) => distribution(name)),
    }),
  );
  const [first, again] = [planFleet(f), planFleet(f)];
  expect(first[0]?.images.map(imageName)).toEqual(names);
  for (const [i, entry] of (first[0]?.images ?? []).entries()) {
    expect(entry).toBe(f.stores.get('n1')?.spec.images.find((it) => imageName(it) === imageName(entry)));
    expect(again[0]?.images[i]).toBe(entry);
  }
});

test('an entry whose limits change is another one, also where the node has the image', () => {
  const planned = (timeoutSeconds: number) =>
    planFleet(
      asCached(
        fleet({
          stores: [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready')])],
          distributions: [distribution('os:v1', { download: { timeoutSeconds, backoffLimit: 5 } })],
        }),
      ),
    )[0]?.images[0];
  expect([900, 60].map((seconds) => planned(seconds)?.timeoutSeconds)).toEqual([900, 60]);
});
