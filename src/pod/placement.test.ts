import { describe, expect, test } from 'vitest';
import { container, node, osImage, sha256Of } from '../../test/fixtures/builders.ts';
import type { PodTemplate } from '../api/hostedcontainer.ts';
import { imageLabel } from '../api/images.ts';
import { usableImage } from './usable-image.ts';
import { affinityFor, placementOf } from './placement.ts';
import type { Node, NodeSelector } from '../api/kubernetes/objects.ts';

const usable = usableImage(osImage('os:v1'));
if (!usable) throw new Error('The image of the fixtures is not Ready');
const image = usable;
const { key, value } = imageLabel(image);
const hasImage = { key, operator: 'In', values: [value] };
const withTemplate = (template: Partial<PodTemplate>) =>
  container({ image: 'os:v1', podTemplate: { automountServiceAccountToken: false, ...template } });
const isIn = (label: string, ...values: string[]) => ({ key: label, operator: 'In' as const, values });

describe('affinity', () => {
  const terms = (affinity: object) =>
    (affinity as { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: NodeSelector } }).nodeAffinity
      .requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;

  test('a container without wishes needs a node with exactly these bytes of the image', () => {
    expect(key).toBe('image.monoroot.dev/os.v1');
    expect(value).toBe(image.digest.slice('sha256:'.length, 'sha256:'.length + 12));
    expect(terms(affinityFor(container({ image: 'os:v1' }), image))).toEqual([{ matchExpressions: [hasImage] }]);
  });

  test('terms are alternatives: each of those of the user asks for the image as well', () => {
    const asked = {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            { matchExpressions: [isIn('zone', 'a')] },
            { matchFields: [isIn('metadata.name', 'n1')] },
          ],
        },
      },
    };
    expect(terms(affinityFor(withTemplate({ affinity: asked }), image))).toEqual([
      { matchExpressions: [isIn('zone', 'a'), hasImage] },
      { matchFields: [isIn('metadata.name', 'n1')], matchExpressions: [hasImage] },
    ]);
  });

  test('everything else of the affinity of the user stays', () => {
    const preferred = [{ weight: 1, preference: { matchExpressions: [isIn('zone', 'b')] } }];
    const asked = {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname' }] },
      nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred },
    };
    const affinity = affinityFor(withTemplate({ affinity: asked }), image);
    expect(affinity).toMatchObject(asked);
    expect(terms(affinity)).toEqual([{ matchExpressions: [hasImage] }]);
  });
});

describe('placement', () => {
  interface Row {
    node: Node;
    template?: Partial<PodTemplate>;
    data?: NodeSelector;
    expected: 'withImage' | 'candidate' | 'no';
  }
  const required = (...nodeSelectorTerms: NodeSelector['nodeSelectorTerms']) => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
  });
  const n = (extra: object = {}, labels: object = {}) => node('n1', ['os:v1'], extra, labels);
  const taint = { key: 'dedicated', value: 'db', effect: 'NoSchedule' };

  test.each<[string, Row]>([
    ['a node with the image', { node: n(), expected: 'withImage' }],
    ['a node without the image could run it later', { node: node('n1'), expected: 'candidate' }],
    [
      'other bytes under the same name do not count',
      { node: node('n1', [], {}, { [key]: '0123456789ab' }), expected: 'candidate' },
    ],
    ['a cordoned node takes nothing new', { node: n({ unschedulable: true }), expected: 'no' }],
    ['a node of another architecture', { node: n({}, { 'kubernetes.io/arch': 'arm64' }), expected: 'no' }],
    [
      'a node that the node selector wants',
      { node: n({}, { disk: 'fast' }), template: { nodeSelector: { disk: 'fast' } }, expected: 'withImage' },
    ],
    [
      'a node that the node selector does not want',
      { node: n(), template: { nodeSelector: { disk: 'fast' } }, expected: 'no' },
    ],
    [
      'a node that one of two terms wants',
      {
        node: n({}, { zone: 'b' }),
        template: required({ matchExpressions: [isIn('zone', 'a')] }, { matchExpressions: [isIn('zone', 'b')] }),
        expected: 'withImage',
      },
    ],
    [
      'a node that no term wants',
      { node: n({}, { zone: 'c' }), template: required({ matchExpressions: [isIn('zone', 'a')] }), expected: 'no' },
    ],
    [
      'a node that has the data',
      {
        node: n(),
        data: { nodeSelectorTerms: [{ matchExpressions: [isIn('kubernetes.io/hostname', 'n1')] }] },
        expected: 'withImage',
      },
    ],
    [
      'a node that has not the data',
      {
        node: n(),
        data: { nodeSelectorTerms: [{ matchExpressions: [isIn('kubernetes.io/hostname', 'n2')] }] },
        expected: 'no',
      },
    ],
    ['a tainted node', { node: n({ taints: [taint] }), expected: 'no' }],
    [
      'a tainted node whose taint is tolerated',
      {
        node: n({ taints: [taint] }),
        template: { tolerations: [{ key: 'dedicated', value: 'db' }] },
        expected: 'withImage',
      },
    ],
    [
      'a node that is not ready',
      { node: n({ taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }] }), expected: 'no' },
    ],
  ])('%s', (_name, { node: it, template, data, expected }) => {
    const object = template ? withTemplate(template) : container({ image: 'os:v1' });
    const placement = placementOf(object, image, [it], data);
    expect(placement).toMatchObject({
      candidates: expected === 'no' ? [] : ['n1'],
      withImage: expected === 'withImage' ? ['n1'] : [],
    });
  });

  test('a node must have the software of the store too, in the same bytes', () => {
    const software = [{ name: 'jdk', os: 'jdk', version: '21', digest: `sha256:${sha256Of('jdk:21')}` }];
    const nodes = [node('n1', ['os:v1']), node('n2', ['os:v1', 'jdk:21']), node('n3', ['jdk:21'])];
    const object = container({ image: 'os:v1', software: [{ name: 'jdk', osImage: 'jdk:21' }] });
    expect(placementOf(object, { ...image, software }, nodes, undefined)).toEqual({
      candidates: ['n1', 'n2', 'n3'],
      withImage: ['n2'],
      missing: [
        { image: 'os:v1', nodes: ['n3'] },
        { image: 'jdk:21', nodes: ['n1'] },
      ],
    });
    const required = JSON.stringify(affinityFor(object, { ...image, software }));
    expect(required).toContain('image.monoroot.dev/os.v1');
    expect(required).toContain('image.monoroot.dev/jdk.21');
  });

  test('of many nodes those that fit', () => {
    const nodes = [
      node('n1'),
      node('n2', ['os:v1']),
      node('n3', ['os:v1'], { unschedulable: true }),
      node('n4', ['os:v2']),
    ];
    expect(placementOf(container({ image: 'os:v1' }), image, nodes, undefined)).toMatchObject({
      candidates: ['n1', 'n2', 'n4'],
      withImage: ['n2'],
    });
  });
});
