import { expect, test } from 'vitest';
import { documentedEnds } from '../../../test/fixtures/ends.ts';
import { reasons } from './reasons.ts';

test('the page of NodeStores has each reason once, with the way in which the code ends it', () => {
  expect(documentedEnds('nodestore')).toEqual(Object.entries(reasons).sort());
});
