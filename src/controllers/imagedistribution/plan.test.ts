import { describe, expect, test } from 'vitest';
import {
  builtImage,
  container,
  distribution,
  node,
  nodeStore,
  osImage,
  stored,
} from '../../../test/fixtures/builders.ts';
import { asCached } from '../../../test/fixtures/cached.ts';
import type { ImageDistribution, ImageDistributionStatus } from '../../api/imagedistribution.ts';
import type { NodeStore, StoredImage } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { expectValidStatus, sameStatus } from '../../runtime/status.ts';
import { planImageDistribution } from './plan.ts';
import type { Observed } from './observed.ts';

const now = new Date('2026-02-03T04:05:06Z');
type State = StoredImage['state'] | 'asked' | 'none';

/** The stores of nodes n1, n2, …, one of each state; `none` has not been asked yet, `asked` has not answered. */
const storesIn = (...states: State[]): Map<string, NodeStore> =>
  new Map(
    states.map((state, i) => {
      const name = `n${i + 1}`;
      if (state === 'none') return [name, nodeStore(name, [])];
      return [
        name,
        nodeStore(
          name,
          ['os:v1'],
          state === 'asked'
            ? []
            : [stored('os:v1', state, state === 'Failed' ? { reason: 'NoSpace', message: 'disk is full' } : {})],
        ),
      ];
    }),
  );
function plan(o: Partial<Observed> & { states?: State[] } = {}): ImageDistributionStatus {
  const { states = ['Ready', 'Ready'], ...observed } = o;
  const it = observed.distribution ?? distribution('os:v1');
  const nodes = states.map((_, i) => node(`n${i + 1}`));
  const { status } = planImageDistribution(
    asCached({
      distribution: it,
      image: osImage('os:v1'),
      find: (os, version) => osImage(`${os}:${version}`),
      fleet: { distributions: [it], containers: [], window: { open: true }, answers: [] },
      nodes,
      stores: storesIn(...states),
      now,
      ...observed,
    }),
  );
  expectValidStatus({ ...it, status });
  return status;
}
const condition = (status: ImageDistributionStatus, type: string) => {
  const found = findCondition(status.conditions, type);
  return `${found?.status ?? 'absent'}/${found?.reason ?? ''}`;
};
const all = (status: ImageDistributionStatus) =>
  Object.fromEntries(
    ['Distributed', 'Activated', 'Ready', 'Reconciling', 'Stalled', 'RolledOut', 'RolloutHalted'].map((type) => [
      type,
      condition(status, type),
    ]),
  );
const activating = (status?: ImageDistributionStatus) =>
  distribution('os:v1', { activate: { newContainers: true } }, status);

describe('conditions', () => {
  test.each<[string, Parameters<typeof plan>[0], Record<string, string>]>([
    [
      'all nodes have it',
      {},
      {
        Distributed: 'True',
        Activated: 'False/NotRequested',
        Ready: 'True',
        Reconciling: 'False/Settled',
        Stalled: 'False/Settled',
      },
    ],
    [
      'one node is fetching it',
      { states: ['Ready', 'Fetching'] },
      {
        Distributed: 'False/InProgress',
        Ready: 'False/InProgress',
        Reconciling: 'True/InProgress',
        Stalled: 'False/Settled',
      },
    ],
    [
      'a node failed: a person must look, whatever the others do',
      { states: ['Failed', 'Fetching', 'Ready'] },
      {
        Distributed: 'False/NodesFailed',
        Ready: 'False/NodesFailed',
        Reconciling: 'False/Settled',
        Stalled: 'True/NodesFailed',
      },
    ],
    [
      'its image does not exist: nothing happens until a person creates it',
      { image: undefined },
      {
        Distributed: 'False/UnknownImage',
        Ready: 'False/UnknownImage',
        Stalled: 'True/UnknownImage',
        Reconciling: 'False/Settled',
      },
    ],
    [
      'it selects no node',
      { states: [] },
      { Distributed: 'False/NoNodes', Ready: 'False/NoNodes', Stalled: 'True/NoNodes', Reconciling: 'False/Settled' },
    ],
    [
      'it is paused in the middle by a number',
      { states: ['Ready', 'none'], distribution: distribution('os:v1', { parallelism: 0 }) },
      { Distributed: 'False/Paused', Ready: 'True/Paused', Reconciling: 'False/Settled', Stalled: 'False/Settled' },
    ],
    [
      'it is paused in the middle by a percentage',
      { states: ['Ready', 'none'], distribution: distribution('os:v1', { parallelism: '0%' }) },
      { Distributed: 'False/Paused' },
    ],
    [
      'it is paused when all have it',
      { distribution: distribution('os:v1', { parallelism: 0 }) },
      { Distributed: 'True', Ready: 'True' },
    ],
    [
      'it should be the default and is not everywhere yet',
      { states: ['Ready', 'Fetching'], distribution: activating() },
      { Activated: 'False/WaitingForNodes', Ready: 'False/InProgress', Reconciling: 'True/InProgress' },
    ],
    [
      'it should be the default and is everywhere',
      { distribution: activating() },
      { Activated: 'True/NewContainers', Ready: 'True', Reconciling: 'False/Settled', Stalled: 'False/Settled' },
    ],
  ])('%s', (_name, observed, expected) => {
    const seen = all(plan(observed));
    for (const [type, value] of Object.entries(expected))
      expect(`${type} ${seen[type] ?? ''}`).toContain(`${type} ${value}`);
  });

  test('messages say what happened, to what, and what to do', () => {
    const message = (type: string, observed: Parameters<typeof plan>[0]) =>
      findCondition(plan(observed).conditions, type)?.message;
    expect(message('Ready', { image: undefined })).toBe('There is no OSImage os.v1: create it');
    expect(message('Stalled', { states: ['Ready', 'Failed'] })).toBe(
      '1 of 2 nodes could not get it. n2: NoSpace: disk is full',
    );
    expect(
      message('Ready', { states: ['Ready', 'none'], distribution: distribution('os:v1', { parallelism: 0 }) }),
    ).toContain('1 of 2 nodes have it; paused by spec.parallelism 0');
  });
});

describe('counts', () => {
  test.each<[State[], object]>([
    [['Ready', 'Fetching', 'Failed', 'none'], { desired: 4, ready: 1, active: 1, failed: 1, unreachable: 0 }],
    [['Pending', 'asked', 'Deleting'], { desired: 3, ready: 0, active: 3, failed: 0, unreachable: 0 }],
    [[], { desired: 0, ready: 0, active: 0, failed: 0, unreachable: 0 }],
  ])('%j', (states, nodes) => {
    expect(plan({ states }).nodes).toEqual(nodes);
  });

  test('at most 20 failed nodes are named, all are counted', () => {
    const status = plan({ states: Array<State>(30).fill('Failed') });
    expect(status.nodes?.failed).toBe(30);
    expect(status.failedNodes).toHaveLength(20);
    expect(status.failedNodes?.[0]).toEqual({ node: 'n1', reason: 'NoSpace', message: 'disk is full' });
  });

  test('a node that recovered is named no more', () => {
    const failed = plan({ states: ['Failed'] });
    expect(plan({ states: ['Ready'], distribution: distribution('os:v1', {}, failed) }).failedNodes).toEqual([]);
  });

  test('an image that does not exist has no nodes', () => {
    expect(plan({ image: undefined }).nodes).toEqual({ desired: 0, ready: 0, active: 0, failed: 0, unreachable: 0 });
  });
});

describe('activation', () => {
  const active = { activeImage: 'os:v1', activationTime: '2026-01-01T00:00:00Z' };

  test('happens at the moment when all nodes have it', () => {
    expect(plan({ distribution: activating(), states: ['Ready', 'Fetching'] }).activationTime).toBeUndefined();
    expect(plan({ distribution: activating() })).toMatchObject({
      activeImage: 'os:v1',
      activationTime: expect.stringMatching(/^2026-02-03T04:05:06(\.000)?Z$/) as string,
    });
  });

  test.each<[string, State[]]>([
    ['a new node comes that has it not yet', ['Ready', 'none']],
    ['a node fails', ['Ready', 'Failed']],
    ['all nodes go', []],
  ])('stays, with its time, when %s', (_name, states) => {
    expect(plan({ distribution: activating(active), states })).toMatchObject(active);
  });

  test('ends when it is not asked for any more', () => {
    const status = plan({ distribution: distribution('os:v1', {}, active) });
    expect(status.activeImage).toBeUndefined();
    expect(status.activationTime).toBeUndefined();
    expect(condition(status, 'Activated')).toBe('False/NotRequested');
  });

  test('of an edited distribution begins again with the new image', () => {
    const edited: ImageDistribution = {
      ...activating({ activeImage: 'os:v0', activationTime: '2026-01-01T00:00:00Z' }),
    };
    expect(plan({ distribution: edited, states: ['Fetching'] }).activeImage).toBe('os:v0');
    const done = plan({ distribution: edited });
    expect(done.activeImage).toBe('os:v1');
    expect(done.activationTime).not.toBe('2026-01-01T00:00:00Z');
  });

  describe('goes back when the image is condemned', () => {
    const condemned =
      (...names: string[]) =>
      (os: string, version: string) => {
        const image = osImage(`${os}:${version}`);
        const annotations = names.includes(version) ? { 'monoroot.dev/condemned': 'bad' } : {};
        return { ...image, metadata: { ...image.metadata, annotations } };
      };
    const activationTime = '2026-01-01T00:00:00Z';

    test.each<[string, string[], ImageDistributionStatus, string | undefined]>([
      ['to the one before', ['v1'], { activeImage: 'os:v1', previousActiveImage: 'os:v0', activationTime }, 'os:v0'],
      ['and stays there', ['v1'], { activeImage: 'os:v0', activationTime }, 'os:v0'],
      ['to nothing when there was none', ['v1'], { activeImage: 'os:v1', activationTime }, undefined],
      [
        'to nothing when that is condemned too',
        ['v0', 'v1'],
        { activeImage: 'os:v1', previousActiveImage: 'os:v0', activationTime },
        undefined,
      ],
      ['not to that of another OS', ['v1'], { activeImage: 'other:v0', activationTime }, undefined],
    ])('%s', (_name, bad, before, expected) => {
      const find = condemned(...bad);
      const status = plan({ distribution: activating(before), image: find('os', 'v1'), find });
      expect(status.activeImage).toBe(expected);
      expect(condition(status, 'Activated')).toBe('False/ImageCondemned');
      expect(condition(status, 'Stalled')).toBe('True/ImageCondemned');
    });

    test('and comes again when that is lifted, with the one before remembered', () => {
      const status = plan({ distribution: activating({ activeImage: 'os:v0', activationTime }) });
      expect(status).toMatchObject({ activeImage: 'os:v1', previousActiveImage: 'os:v0' });
      expect(status.activationTime).not.toBe(activationTime);
    });
  });

  test('does not happen on no node at all', () => {
    expect(plan({ distribution: activating(), states: [] }).activeImage).toBeUndefined();
  });
});

test('planning again changes nothing', () => {
  const first = plan({ distribution: activating(), states: ['Ready', 'Ready'] });
  const second = plan({ distribution: activating(first), now: new Date('2027-01-01T00:00:00Z') });
  expect(sameStatus(first, second)).toBe(true);
});

test.each(['selector', 'nodeSelector'])('an empty %s that was stored before is for a person to correct', (field) => {
  const nodes = [node('n1', ['os:v1']), node('n2')];
  const status = plan({ distribution: distribution('os:v1', { [field]: {} }), nodes });
  expect(status.nodes).toMatchObject({ desired: 1, ready: 1 });
  expect(all(status)).toMatchObject({
    Distributed: 'False/EmptySelector',
    Ready: 'False/EmptySelector',
    Stalled: 'True/EmptySelector',
    Reconciling: 'False/Settled',
  });
  expect(findCondition(status.conditions, 'Distributed')?.message).toBe(
    `spec.${field} is empty, which selects no further node: 1 nodes that have the image keep it. Name labels in spec.selector, or remove spec.${field} to select all nodes`,
  );
});

describe('nodes that do not answer', () => {
  const away = (name: string) =>
    node(name, [], { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] });

  test('are counted for themselves, and named when nothing else is missing', () => {
    const status = plan({ states: ['Ready', 'Fetching'], nodes: [node('n1'), away('n2')] });
    expect(status.nodes).toEqual({ desired: 2, ready: 1, active: 0, failed: 0, unreachable: 1 });
    expect(all(status)).toMatchObject({ Distributed: 'False/NodesUnreachable', Reconciling: 'True/NodesUnreachable' });
    expect(findCondition(status.conditions, 'Distributed')?.message).toBe(
      '1 of 2 nodes have it; 1 do not answer, such as n2: they get it when they are back; delete Nodes that are gone for good',
    );
  });

  test('are reported while others are on their way', () => {
    const status = plan({ states: ['Fetching', 'none'], nodes: [node('n1'), away('n2')] });
    expect(condition(status, 'Distributed')).toBe('False/InProgress');
    expect(findCondition(status.conditions, 'Distributed')?.message).toBe(
      '0 of 2 nodes have it; 1 do not answer, such as n2',
    );
  });

  test('and have it all the same are nodes that have it', () => {
    expect(condition(plan({ nodes: [node('n1'), away('n2')] }), 'Distributed')).toBe('True/AllNodes');
  });
});

describe('what an agent says of an earlier generation', () => {
  const lagging = () => {
    const stores = storesIn('Ready', 'Ready');
    const { metadata, ...store } = stores.get('n2') ?? nodeStore('n2', []);
    return stores.set('n2', { ...store, metadata: { ...metadata, generation: 2 } });
  };

  test('is no proof that it has the image now', () => {
    const status = plan({ stores: lagging() });
    expect(status.nodes).toMatchObject({ ready: 1, active: 1 });
    expect(condition(status, 'Distributed')).toBe('False/InProgress');
  });

  test('is enough once all had it: something else is changed there', () => {
    const done = plan();
    expect(condition(plan({ distribution: distribution('os:v1', {}, done), stores: lagging() }), 'Distributed')).toBe(
      'True/AllNodes',
    );
    const edited = { ...distribution('os:v1', {}, done), metadata: { name: 'os-v1', generation: 2 } };
    expect(condition(plan({ distribution: edited, stores: lagging() }), 'Distributed')).toBe('False/InProgress');
  });
});

describe('progress', () => {
  const downloading = (...bytes: [number, number?][]) =>
    new Map(
      bytes.map(([downloadedBytes, totalBytes], i) => {
        const image = stored('os:v1', 'Fetching', { downloadedBytes, ...(totalBytes !== undefined && { totalBytes }) });
        return [`n${i + 1}`, nodeStore(`n${i + 1}`, ['os:v1'], [image])];
      }),
    );
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  const at = (date: Date) => ({ time: date.toISOString() });
  const first = plan({ stores: downloading([1, 10], [2, 10]) });
  const later = (seconds: number, stores: Map<string, NodeStore>) =>
    plan({ distribution: distribution('os:v1', {}, first), stores, now: after(seconds) }).progress;

  test('is that of the nodes that are downloading, together', () => {
    expect(first.progress).toEqual({ downloadedBytes: 3, totalBytes: 20, ...at(now) });
    expect(plan({ states: ['Ready', 'asked', 'Failed'] }).progress).toBeUndefined();
  });

  test('has a total only where all servers tell', () => {
    expect(plan({ stores: downloading([1, 10], [2]) }).progress).toEqual({ downloadedBytes: 3, ...at(now) });
  });

  test('changes every ten seconds at most, and not at all when nothing comes', () => {
    expect(later(9, downloading([5, 10], [5, 10]))).toEqual(first.progress);
    expect(later(10, downloading([5, 10], [5, 10]))).toEqual({ downloadedBytes: 10, totalBytes: 20, ...at(after(10)) });
    expect(later(60, downloading([1, 10], [2, 10]))).toEqual(first.progress);
  });

  test('ends at once', () => expect(later(1, storesIn('Ready', 'Ready'))).toBeUndefined());
});

describe('the images before', () => {
  test('are remembered when spec names another one', () => {
    const first = plan({ distribution: distribution('os:v0'), image: osImage('os:v0') });
    expect(first).toMatchObject({ image: 'os:v0', previousImages: [] });
    const second = plan({ distribution: distribution('os:v1', {}, first) });
    expect(second).toMatchObject({ image: 'os:v1', previousImages: ['os:v0'] });
    expect(plan({ distribution: distribution('os:v1', {}, second) })).toMatchObject({ previousImages: ['os:v0'] });
  });

  test('are not joined by one that does not exist', () => {
    const first = plan({ distribution: distribution('os:v0'), image: osImage('os:v0') });
    const wrong = plan({ distribution: distribution('os:v9', {}, first), image: undefined });
    expect(wrong).toMatchObject({ image: 'os:v0', previousImages: ['os:v0'] });
    expect(plan({ distribution: distribution('os:v1', {}, wrong) })).toMatchObject({ previousImages: ['os:v0'] });
  });
});

describe('an image that may not be distributed yet', () => {
  const stuck = (image: OSImage, isStuck: boolean): OSImage => ({
    ...image,
    status: {
      conditions: [
        {
          ...{ type: 'Stalled', status: isStuck ? 'True' : 'False', reason: 'R', message: 'm' },
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    },
  });
  const tested = osImage('os:v1', { spec: { verification: { command: ['/test'], timeoutSeconds: 1 } } });

  test.each<[string, OSImage, string]>([
    ['is not built', builtImage('os:v1'), 'ImageNotBuilt'],
    ['is not tested', tested, 'ImageNotVerified'],
  ])('because it %s is waited for, by name', (_name, image, reason) => {
    const waiting = plan({ image: stuck(image, false), distribution: activating() });
    expect(all(waiting)).toMatchObject({
      Distributed: `False/${reason}`,
      Activated: 'False/WaitingForNodes',
      Ready: `False/${reason}`,
      Reconciling: `True/${reason}`,
      Stalled: 'False/Settled',
    });
    expect(findCondition(waiting.conditions, 'Distributed')?.message).toContain('OSImage os.v1');
    expect(waiting.nodes).toMatchObject({ desired: 0 });
    expect(all(plan({ image: stuck(image, true) }))).toMatchObject({
      Stalled: `True/${reason}`,
      Reconciling: 'False/Settled',
    });
  });
});

describe('existing containers', () => {
  const existing = { activate: { newContainers: true, existingContainers: {} } } as unknown as Partial<
    ImageDistribution['spec']
  >;
  const active = { activeImage: 'os:v1', activationTime: '2026-01-01T00:00:00Z' };
  const rollout = { image: 'os:v1', startTime: '2026-01-01T00:00:00Z', wave: 1, retryToken: '' };
  const halt = { haltTime: '2026-01-01T01:00:00Z', haltReason: 'TooManyFailures', haltMessage: '2 of 6 failed' };
  const follower = container({ image: 'os' }, { assignedImage: 'os:v0', lastKnownGoodImage: 'os:v0' });
  const seen = (it: ImageDistribution, others: ImageDistribution[] = []): Parameters<typeof plan>[0] => ({
    distribution: it,
    fleet: { distributions: [it, ...others], containers: [follower], window: { open: true }, answers: [] },
  });

  test.each<[string, Parameters<typeof plan>[0], Record<string, string>]>([
    [
      'are on their way',
      seen(distribution('os:v1', existing, { ...active, rollout })),
      {
        Ready: 'False/RollingOut',
        RolledOut: 'False/RollingOut',
        Reconciling: 'True/RollingOut',
        RolloutHalted: 'False/NotHalted',
        Stalled: 'False/Settled',
      },
    ],
    [
      'are paused, as a person wants it',
      seen(
        distribution('os:v1', { activate: { newContainers: true, existingContainers: { paused: true } } } as never, {
          ...active,
          rollout,
        }),
      ),
      {
        Ready: 'True/Paused',
        RolledOut: 'False/Paused',
        Reconciling: 'False/Settled',
        Stalled: 'False/Settled',
      },
    ],
    [
      'wait for a window, as a person wants it',
      {
        ...seen(distribution('os:v1', existing, { ...active, rollout })),
        fleet: {
          distributions: [],
          containers: [follower],
          window: { open: false, changeTime: new Date(0) },
          answers: [],
        },
      },
      {
        Ready: 'True/OutsideWindow',
        RolledOut: 'False/OutsideWindow',
        Reconciling: 'False/Settled',
        Stalled: 'False/Settled',
      },
    ],
    [
      'wait for a window that cannot open',
      {
        ...seen(distribution('os:v1', existing, { ...active, rollout })),
        fleet: {
          distributions: [],
          containers: [follower],
          window: { open: false, problem: 'no such zone' },
          answers: [],
        },
      },
      { Ready: 'False/InvalidWindow', Reconciling: 'False/Settled', Stalled: 'True/InvalidWindow' },
    ],
    [
      'wait for a person after a halt',
      seen(distribution('os:v1', existing, { ...active, rollout: { ...rollout, ...halt } })),
      {
        Ready: 'False/RolloutHalted',
        RolloutHalted: 'True/TooManyFailures',
        Stalled: 'True/RolloutHalted',
        Reconciling: 'False/Settled',
      },
    ],
    [
      'are for another distribution to move: nothing is missing here',
      seen(distribution('os:v1', existing, active), [
        {
          ...distribution(
            'os:v9',
            { activate: { newContainers: true } },
            { activeImage: 'os:v9', activationTime: '2026-01-02T00:00:00Z' },
          ),
        },
      ]),
      { Ready: 'True/AllNodes', RolledOut: 'False/Superseded', Stalled: 'False/Settled', Reconciling: 'False/Settled' },
    ],
    [
      'can be moved to a default version only',
      seen(
        distribution('os:v1', { activate: { newContainers: false, existingContainers: {} } } as unknown as Partial<
          ImageDistribution['spec']
        >),
      ),
      { Ready: 'False/NotActivated', Stalled: 'True/NotActivated', Reconciling: 'False/Settled' },
    ],
  ])('%s', (_name, observed, expected) => {
    expect(all(plan(observed))).toMatchObject(expected);
  });

  test('are said nothing of any more when they are not to be moved', () => {
    const before = plan(seen(distribution('os:v1', existing, { ...active, rollout })));
    const status = plan({ distribution: distribution('os:v1', { activate: { newContainers: true } }, before) });
    expect([status.rollout, status.containers]).toEqual([undefined, undefined]);
    expect(condition(status, 'RolledOut')).toBe('absent/');
    expect(condition(status, 'Ready')).toBe('True/AllNodes');
  });
});
