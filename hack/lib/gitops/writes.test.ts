import { expect, test } from 'vitest';
import { parse, writesOf } from './writes.ts';

test('writes of spec are counted with who wrote them; writes of status are none', () => {
  const seen = [
    'shop|1|10|lab:v1|flux@T1@,monoroot@T1@status,',
    'shop|1|11|lab:v1|flux@T1@,monoroot@T2@status,',
    'shop|2|12|lab:v3|flux@T3@,monoroot@T2@status,',
    'shop|3|13|lab:v1|flux@T3@,monoroot-revert@T4@,monoroot@T2@status,',
    'other|1|14||flux@T4@,',
    'shop|4|15|lab:v3|flux@T5@,monoroot@T2@status,',
  ].map(parse);
  expect(writesOf(seen)).toEqual([
    { name: 'shop', generation: 1, image: 'lab:v1', managers: ['flux'] },
    { name: 'shop', generation: 2, image: 'lab:v3', managers: ['flux'] },
    { name: 'shop', generation: 3, image: 'lab:v1', managers: ['monoroot-revert'] },
    { name: 'other', generation: 1, image: '', managers: ['flux'] },
    { name: 'shop', generation: 4, image: 'lab:v3', managers: ['flux'] },
  ]);
});
