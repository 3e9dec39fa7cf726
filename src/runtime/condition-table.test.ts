import { expect, test } from 'vitest';
import { above, kstatusRows, stateConditions } from './condition-table.ts';
import type { ConditionRow } from './condition-table.ts';

interface Door {
  open: boolean;
  locked?: boolean;
}

const table: readonly ConditionRow<Door>[] = [
  {
    type: 'Locked',
    rules: [({ locked }) => (locked ? { status: 'True', reason: 'Key', message: 'Somebody has the key' } : undefined)],
  },
  {
    type: 'Ready',
    rules: [
      (_door, stated) =>
        stated.find(({ type }) => type === 'Locked') && { ...above(stated, 'Locked'), status: 'False' },
      ({ open }) => (open ? { status: 'True', reason: 'Open', message: 'It is open' } : undefined),
      () => ({ status: 'False', reason: 'Shut', message: 'It is shut' }),
    ],
  },
  ...kstatusRows<Door>((_door, { reason }) => (reason === 'Key' ? 'Failed' : reason === 'Shut' ? 'Going' : 'Done')),
];

const statesOf = (door: Door) =>
  stateConditions(table, door).map(({ type, status, reason }) => `${type}=${status}/${reason}`);

test('the first rule that finds something states a condition, and one that no rule finds is left out', () => {
  expect(statesOf({ open: true })).toEqual(['Ready=True/Open', 'Reconciling=False/Settled', 'Stalled=False/Settled']);
  expect(statesOf({ open: false })).toEqual(['Ready=False/Shut', 'Reconciling=True/Shut', 'Stalled=False/Settled']);
});

test('a rule sees the conditions above its own', () => {
  expect(statesOf({ open: true, locked: true })).toEqual([
    'Locked=True/Key',
    'Ready=False/Key',
    'Reconciling=False/Settled',
    'Stalled=True/Key',
  ]);
});

test('a condition has the fields of a condition only', () => {
  const extra = { status: 'True', reason: 'Open', message: 'It is open', waits: true, type: 'Other' } as const;
  expect(stateConditions([{ type: 'Ready', rules: [() => extra] }], undefined)).toEqual([
    { type: 'Ready', status: 'True', reason: 'Open', message: 'It is open' },
  ]);
});

test('a summary above what it sums up is refused', () => {
  const wrong = table.toReversed();
  expect(() => stateConditions(wrong, { open: true })).toThrow('Condition Ready is not above');
});
