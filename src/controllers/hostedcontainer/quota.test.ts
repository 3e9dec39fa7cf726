import { expect, test } from 'vitest';
import { isQuotaShut } from './quota.ts';

const says = (requested: string, used: string, limited: string) =>
  `pods "web" is forbidden: exceeded quota: all, requested: ${requested}, used: ${used}, limited: ${limited}`;

test.each<[string, string, boolean]>([
  ['a full one: the place of the present Pod is for the next one', says('pods=1', 'pods=2', 'pods=2'), false],
  ['one that was lowered since', says('pods=1', 'pods=3', 'pods=2'), true],
  ['a full one of memory', says('requests.memory=1Gi', 'requests.memory=2Gi', 'requests.memory=2Gi'), false],
  [
    'one of memory that was lowered',
    says('requests.memory=1Gi', 'requests.memory=2Gi', 'requests.memory=1536Mi'),
    true,
  ],
  ['less than the Pod asks for now', says('limits.cpu=3', 'limits.cpu=500m', 'limits.cpu=2'), true],
  [
    'several, of which one was lowered',
    says('pods=1,requests.cpu=200m', 'pods=2,requests.cpu=1500m', 'pods=2,requests.cpu=1'),
    true,
  ],
  ['words that are not understood', 'pods "web" is forbidden: exceeded quota', false],
  ['another refusal', 'pods "web" is forbidden: by a policy', false],
])('a quota that says %s', (_case, message, expected) => {
  expect(isQuotaShut(message)).toBe(expected);
});
