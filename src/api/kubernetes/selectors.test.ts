import { describe, expect, test } from 'vitest';
import { node } from '../../../test/fixtures/builders.ts';
import type { LabelSelector, Toleration } from './podfields.ts';
import { matchesSelector, matchesNodeSelector, toleratesTaints } from './selectors.ts';
import type { NodeSelector, NodeSelectorRequirement } from './objects.ts';

const labels = { zone: 'a', cores: '8', empty: '' };

describe('label selectors', () => {
  test.each<[string, LabelSelector | undefined, boolean]>([
    ['none selects everything', undefined, true],
    ['an empty one selects nothing', {}, false],
    ['one of empty parts selects nothing', { matchLabels: {}, matchExpressions: [] }, false],
    ['an equal label', { matchLabels: { zone: 'a' } }, true],
    ['another value', { matchLabels: { zone: 'b' } }, false],
    ['a label that is not there', { matchLabels: { rack: '1' } }, false],
    ['a label that is there with an empty value', { matchLabels: { empty: '' } }, true],
    ['all of several labels', { matchLabels: { zone: 'a', cores: '8' } }, true],
    ['not all of several labels', { matchLabels: { zone: 'a', cores: '4' } }, false],
    ['In', { matchExpressions: [{ key: 'zone', operator: 'In', values: ['b', 'a'] }] }, true],
    ['In of others', { matchExpressions: [{ key: 'zone', operator: 'In', values: ['b'] }] }, false],
    ['In of a label that is not there', { matchExpressions: [{ key: 'rack', operator: 'In', values: ['1'] }] }, false],
    ['NotIn', { matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['b'] }] }, true],
    ['NotIn of its own value', { matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['a'] }] }, false],
    [
      'NotIn of a label that is not there',
      { matchExpressions: [{ key: 'rack', operator: 'NotIn', values: ['1'] }] },
      true,
    ],
    ['NotIn whose values were pruned', { matchExpressions: [{ key: 'zone', operator: 'NotIn' }] }, false],
    ['Exists', { matchExpressions: [{ key: 'empty', operator: 'Exists' }] }, true],
    ['Exists of a label that is not there', { matchExpressions: [{ key: 'rack', operator: 'Exists' }] }, false],
    ['DoesNotExist', { matchExpressions: [{ key: 'rack', operator: 'DoesNotExist' }] }, true],
    ['DoesNotExist of a label that is there', { matchExpressions: [{ key: 'zone', operator: 'DoesNotExist' }] }, false],
    [
      'labels and expressions must both hold',
      { matchLabels: { zone: 'a' }, matchExpressions: [{ key: 'cores', operator: 'In', values: ['4'] }] },
      false,
    ],
  ])('%s', (_name, selector, expected) => {
    expect(matchesSelector(labels, selector)).toBe(expected);
  });

  test('an object without labels is selected where there is no selector', () => {
    expect(matchesSelector(undefined, undefined)).toBe(true);
    expect(matchesSelector(undefined, {})).toBe(false);
    expect(matchesSelector(undefined, { matchLabels: { zone: 'a' } })).toBe(false);
  });
});

describe('node selectors', () => {
  const n1 = node('n1', [], {}, labels);
  const zone = (value: string): NodeSelectorRequirement => ({ key: 'zone', operator: 'In', values: [value] });
  const named = (name: string): NodeSelectorRequirement => ({ key: 'metadata.name', operator: 'In', values: [name] });
  const cores = (operator: 'Gt' | 'Lt', value: string): NodeSelectorRequirement => ({
    key: 'cores',
    operator,
    values: [value],
  });

  test.each<[string, NodeSelector | undefined, boolean]>([
    ['none wants every node', undefined, true],
    ['one without terms wants no node', { nodeSelectorTerms: [] }, false],
    [
      'terms are alternatives',
      { nodeSelectorTerms: [{ matchExpressions: [zone('b')] }, { matchExpressions: [zone('a')] }] },
      true,
    ],
    ['in a term everything must hold', { nodeSelectorTerms: [{ matchExpressions: [zone('a'), zone('b')] }] }, false],
    ['the name of the node is a field', { nodeSelectorTerms: [{ matchFields: [named('n1')] }] }, true],
    ['the name of another node', { nodeSelectorTerms: [{ matchFields: [named('n2')] }] }, false],
    [
      'fields and labels must both hold',
      { nodeSelectorTerms: [{ matchFields: [named('n1')], matchExpressions: [zone('b')] }] },
      false,
    ],
    ['a name is no label', { nodeSelectorTerms: [{ matchExpressions: [named('n1')] }] }, false],
    ['Gt compares numbers, not text', { nodeSelectorTerms: [{ matchExpressions: [cores('Gt', '10')] }] }, false],
    ['Gt', { nodeSelectorTerms: [{ matchExpressions: [cores('Gt', '7')] }] }, true],
    ['Lt', { nodeSelectorTerms: [{ matchExpressions: [cores('Lt', '10')] }] }, true],
    ['Lt of an equal number', { nodeSelectorTerms: [{ matchExpressions: [cores('Lt', '8')] }] }, false],
  ])('%s', (_name, selector, expected) => {
    expect(matchesNodeSelector(n1, selector)).toBe(expected);
  });
});

describe('taints', () => {
  const taint = (effect: string, value?: string) => ({
    key: 'dedicated',
    effect,
    ...(value !== undefined && { value }),
  });
  test.each<[string, { key: string; effect: string; value?: string }[], Toleration[] | undefined, boolean]>([
    ['no taint needs no toleration', [], undefined, true],
    ['NoSchedule keeps away', [taint('NoSchedule')], undefined, false],
    ['NoExecute keeps away', [taint('NoExecute')], [], false],
    ['PreferNoSchedule does not', [taint('PreferNoSchedule')], undefined, true],
    ['everything is tolerated', [taint('NoExecute', 'db')], [{ operator: 'Exists' }], true],
    [
      'the key is tolerated with any value',
      [taint('NoSchedule', 'db')],
      [{ key: 'dedicated', operator: 'Exists' }],
      true,
    ],
    [
      'key and value are tolerated',
      [taint('NoSchedule', 'db')],
      [{ key: 'dedicated', operator: 'Equal', value: 'db' }],
      true,
    ],
    ['Equal is the default operator', [taint('NoSchedule', 'db')], [{ key: 'dedicated', value: 'db' }], true],
    ['another value is not tolerated', [taint('NoSchedule', 'db')], [{ key: 'dedicated', value: 'web' }], false],
    ['an absent value equals an empty one', [taint('NoSchedule')], [{ key: 'dedicated' }], true],
    ['another key is not tolerated', [taint('NoSchedule')], [{ key: 'other', operator: 'Exists' }], false],
    ['no key and Equal tolerates nothing', [taint('NoSchedule')], [{ operator: 'Equal' }], false],
    [
      'the effect is tolerated',
      [taint('NoSchedule')],
      [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }],
      true,
    ],
    [
      'another effect is not tolerated',
      [taint('NoExecute')],
      [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }],
      false,
    ],
    [
      'each taint must be tolerated',
      [taint('NoSchedule'), { key: 'x', effect: 'NoSchedule' }],
      [{ key: 'dedicated', operator: 'Exists' }],
      false,
    ],
  ])('%s', (_name, taints, tolerations, expected) => {
    expect(toleratesTaints(node('n1', [], { taints }), tolerations)).toBe(expected);
  });
});
