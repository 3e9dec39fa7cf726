import { describe, expect, test } from 'vitest';
import { distribution, node, nodeStore, osImage, stored } from '../../../test/fixtures/builders.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { annotations } from '../../api/names.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { expectValidStatus } from '../../runtime/status.ts';
import { defaultVersion } from '../default-version.ts';
import { planImageDistribution } from './plan.ts';

/** A cluster of one node reduced to what decides the default version: distributions, their archives, and condemnations. */
class Cluster {
  readonly distributions = new Map<string, ImageDistribution>();
  readonly arrived = new Set<string>();
  readonly condemned = new Set<string>();
  now = new Date('2026-01-01T00:00:00Z');
  /** Each default version that there has been, in turn. */
  readonly defaults: string[] = [];

  apply(version: string, spec: Partial<ImageDistribution['spec']> = {}): this {
    const made = distribution(`os:${version}`, { activate: { newContainers: true }, ...spec });
    const before = this.distributions.get(version);
    this.distributions.set(version, { ...made, ...(before?.status && { status: before.status }) });
    return this;
  }

  edit(name: string, spec: Partial<ImageDistribution['spec']>): void {
    const before = this.get(name);
    const generation = (before.metadata.generation ?? 1) + 1;
    const metadata = { ...before.metadata, generation };
    this.distributions.set(name, { ...before, metadata, spec: { ...before.spec, ...spec } });
  }

  arrive(...versions: string[]): this {
    for (const version of versions) this.arrived.add(version);
    return this;
  }

  /** The controller looks at each, in this order, until nothing changes any more. */
  settle(order: readonly string[] = [...this.distributions.keys()]): string | undefined {
    for (let i = 0; i < 5; i++) for (const name of order) this.#look(name);
    return this.current();
  }

  current = (): string | undefined => defaultVersion('os', [...this.distributions.values()]);

  condition(name: string, type: string): string {
    const found = findCondition(this.get(name).status?.conditions, type);
    return `${found?.status ?? ''}/${found?.reason ?? ''}`;
  }

  get(name: string): ImageDistribution {
    const found = this.distributions.get(name);
    if (!found) throw new Error(`There is no ${name}`);
    return found;
  }

  #look(name: string): void {
    const it = this.distributions.get(name);
    if (!it) return;
    this.now = new Date(this.now.getTime() + 1000);
    const image = it.spec.image;
    const find = (os: string, version: string) => {
      const made = osImage(`${os}:${version}`);
      const condemned = this.condemned.has(version) ? { [annotations.condemned]: 'bad' } : {};
      return { ...made, metadata: { ...made.metadata, annotations: condemned } };
    };
    const have = [...this.arrived].map((version) => `os:${version}`);
    const store = nodeStore(
      'n1',
      [...new Set([...have, image])],
      have.map((it) => stored(it, 'Ready')),
    );
    const [os = '', version = ''] = image.split(':');
    const { status } = planImageDistribution({
      distribution: it,
      image: find(os, version),
      find,
      nodes: [node('n1')],
      stores: new Map([['n1', store]]),
      now: this.now,
      fleet: { distributions: [...this.distributions.values()], containers: [], window: { open: true }, answers: [] },
    });
    expectValidStatus({ ...it, status });
    this.distributions.set(name, { ...it, status });
    const current = this.current();
    if (current !== undefined && this.defaults.at(-1) !== current) this.defaults.push(current);
  }
}

const orders = <T>(items: readonly T[]): T[][] =>
  items.length < 2
    ? [[...items]]
    : items.flatMap((it) => orders(items.filter((other) => other !== it)).map((rest) => [it, ...rest]));
const versions = ['v1', 'v2', 'v10'];

describe('a cluster that is rebuilt from Git', () => {
  const arrivals = orders(versions).map((order) => [order.join(' '), order] as const);

  test.each(arrivals)('has the same default when the archives arrive as %s, and never another', (_name, order) => {
    for (const looks of orders(versions)) {
      const cluster = new Cluster();
      for (const version of versions) cluster.apply(version);
      cluster.settle(looks);
      for (const version of order) cluster.arrive(version).settle(looks);
      expect(cluster.current()).toBe('v10');
      expect(cluster.defaults).toEqual(['v10']);
    }
  });

  test.each(arrivals)('has the same default when the objects arrive as %s', (_name, order) => {
    const cluster = new Cluster().arrive(...versions);
    for (const version of order) cluster.apply(version).settle();
    expect(cluster.current()).toBe('v10');
    expect(cluster.condition('v1', 'Activated')).toBe('False/Superseded');
    expect(cluster.condition('v1', 'Ready')).toBe('True/AllNodes');
    expect(cluster.condition('v10', 'Activated')).toBe('True/NewContainers');
  });

  test('does not wait for a version that only a person can bring, or that is paused', () => {
    const cluster = new Cluster().apply('v1').apply('v2').arrive('v1');
    expect(cluster.settle()).toBeUndefined();
    expect(cluster.condition('v1', 'Activated')).toBe('False/WaitingForOther');
    expect(cluster.condition('v1', 'Reconciling')).toBe('True/WaitingForOther');
    cluster.edit('v2', { parallelism: 0 });
    expect(cluster.settle()).toBe('v1');
  });

  test('does not wait for a version that is condemned', () => {
    const cluster = new Cluster().apply('v1').apply('v2').arrive('v1');
    cluster.condemned.add('v2');
    expect(cluster.settle()).toBe('v1');
  });
});

describe('a cluster that runs', () => {
  const running = () => {
    const cluster = new Cluster().apply('v1').arrive('v1');
    cluster.settle();
    return cluster;
  };

  test('keeps its default while a version above it is on its way', () => {
    const cluster = running().apply('v2');
    expect(cluster.settle()).toBe('v1');
    expect(cluster.arrive('v2').settle()).toBe('v2');
  });

  test('keeps its default when a version below it arrives', () => {
    const cluster = running().apply('v0').arrive('v0');
    expect(cluster.settle()).toBe('v1');
    expect(cluster.condition('v0', 'Activated')).toBe('False/Superseded');
  });

  test('goes back to the version below when the one above does not ask to be it any more', () => {
    const cluster = running().apply('v2').arrive('v2');
    cluster.settle();
    cluster.edit('v2', { activate: { newContainers: false } });
    expect(cluster.settle()).toBe('v1');
    expect(cluster.condition('v1', 'Activated')).toBe('True/NewContainers');
  });

  test('does not go back to a version whose condemnation is lifted, over one above it', () => {
    const cluster = running().apply('v2').arrive('v2');
    cluster.settle();
    cluster.condemned.add('v2');
    expect(cluster.settle()).toBe('v1');
    cluster.apply('v3').arrive('v3');
    expect(cluster.settle()).toBe('v3');
    cluster.condemned.delete('v2');
    expect(cluster.settle()).toBe('v3');
    expect(cluster.defaults).toEqual(['v1', 'v2', 'v1', 'v3']);
  });

  test('with one distribution that is edited, has what that names, in whatever order its versions are called', () => {
    const cluster = running();
    cluster.edit('v1', { image: 'os:v0' });
    cluster.arrive('v0');
    expect(cluster.settle()).toBe('v0');
    cluster.condemned.add('v1');
    cluster.settle();
    cluster.condemned.delete('v1');
    expect(cluster.settle()).toBe('v0');
  });
});
