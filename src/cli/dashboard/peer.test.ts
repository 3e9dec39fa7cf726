import { expect, test } from 'vitest';
import { userOf } from './peer.ts';

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2378 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11111 1
   1: 0100007F:2378 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 22222 1
   2: 0100007F:C350 0100007F:2378 01 00000000:00000000 00:00000000 00000000  1001        0 33333 1
`;

test('the user at the other end of a connection is that of the other line of the pair', () => {
  expect(userOf(table, { local: 0x2378, remote: 0xc350 })).toBe(1001);
  expect(userOf(table, { local: 0xc350, remote: 0x2378 })).toBe(1000);
  expect(userOf(table, { local: 0x2378, remote: 0xc351 })).toBeUndefined();
  expect(userOf('', { local: 1, remote: 2 })).toBeUndefined();
});
