/** Blocks of which a tar archive consists: headers, and bodies filled up with zeros. */
export const blockBytes = 512;
const [sizeAt, sumAt, typeAt, linkAt, magicAt, prefixAt] = [124, 148, 156, 157, 257, 345] as const;

/** What one header says of itself, before records of other headers change it. Names are latin1 strings: one character a byte. */
export interface Header {
  path: string;
  link: string;
  /** The type flag; that of the oldest archives, a zero byte, is `0`. */
  type: string;
  /** Bytes of the body; undefined when the field holds no number that can be one. */
  size: number | undefined;
  /** A field that holds no number where one must be, in words; undefined when there is none. */
  broken: string | undefined;
  /** Whether another block that describes holes follows, as old versions of GNU tar write them. */
  isExtended: boolean;
}

/** Reads a header of any kind of tar: of the seventh edition, ustar, GNU and star. */
export function readHeader(block: Buffer): Header {
  const type = block.toString('latin1', typeAt, typeAt + 1).replace('\0', '0');
  const isUstar = block.toString('latin1', magicAt, magicAt + 6) === 'ustar\0';
  // star has times where ustar has the end of the prefix.
  const isStar = isUstar && block.toString('latin1', 508, 512) === 'tar\0';
  const prefix = isUstar ? text(block, prefixAt, isStar ? 131 : 155) : '';
  const name = text(block, 0, 100);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    link: text(block, linkAt, 100),
    type,
    size: readNumber(block.subarray(sizeAt, sizeAt + 12)),
    broken: numbers.find(({ at, length }) => !isNumber(block.subarray(at, at + length)))?.name,
    isExtended: type === 'S' && block[482] !== 0,
  };
}

/** Whether a block has the checksum of a header. Old programs added its bytes as signed numbers. */
export function isHeader(block: Uint8Array): boolean {
  if (block.length < blockBytes) return false;
  const bytes = Buffer.from(block.buffer, block.byteOffset, blockBytes);
  const told = /^[ \0]*([0-7]+)/.exec(bytes.toString('latin1', sumAt, sumAt + 8))?.[1];
  if (told === undefined) return false;
  const expected = parseInt(told, 8);
  const sum = checksum(bytes);
  if (sum === expected) return true;
  let high = 0;
  for (let at = 0; at < blockBytes; at++) if ((at < sumAt || at >= sumAt + 8) && (bytes[at] ?? 0) > 127) high += 1;
  return sum - 256 * high === expected;
}

/** Whether a block says that it is a header, whatever its checksum says. */
export const hasMagic = (block: Buffer): boolean => block.toString('latin1', magicAt, magicAt + 5) === 'ustar';

export const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** The same header without a body. */
export function withoutBody(block: Buffer): Buffer {
  const copy = Buffer.from(block);
  copy.write('00000000000\0', sizeAt, 'latin1');
  return sign(copy);
}

/** The mode that a header says. */
export const modeOf = (block: Buffer): number => readNumber(block.subarray(100, 108)) ?? 0;

/** The same header with a mode that it does not have: none, or 0700 where it has none. */
export function withOtherMode(block: Buffer): Buffer {
  const copy = Buffer.from(block);
  copy.write((modeOf(block) & 0o7777) === 0 ? '0000700\0' : '0000000\0', 100, 'latin1');
  return sign(copy);
}

/** The header of a body of pax records. */
export function paxHeader(type: 'x' | 'g', size: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(type === 'g' ? 'pax_global_header' : 'PaxHeaders/entry', 0, 'latin1');
  for (const [at, value] of [
    [100, '0000644\0'],
    [108, '0000000\0'],
    [116, '0000000\0'],
  ] as const)
    block.write(value, at, 'latin1');
  block.write(`${size.toString(8).padStart(11, '0')}\0`, sizeAt, 'latin1');
  block.write('00000000000\0', 136, 'latin1');
  block.write(type, typeAt, 'latin1');
  block.write('ustar\x0000', magicAt, 'latin1');
  return sign(block);
}

/** How many zeros follow a body. */
export const paddingOf = (size: number): number => (blockBytes - (size % blockBytes)) % blockBytes;

/** Writes the checksum of a header. */
export function sign(block: Buffer): Buffer {
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, sumAt, 'latin1');
  return block;
}

/** The field of the checksum itself counts as spaces. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < sumAt; at++) sum += block[at] ?? 0;
  for (let at = sumAt + 8; at < blockBytes; at++) sum += block[at] ?? 0;
  return sum;
}

const numbers = [
  { name: 'mode', at: 100, length: 8 },
  { name: 'user', at: 108, length: 8 },
  { name: 'group', at: 116, length: 8 },
  { name: 'size', at: 124, length: 12 },
  { name: 'time', at: 136, length: 12 },
];

/**
 * Blank, octal digits up to a space or a zero byte, or a number in base 256. Digits after a zero byte are none: GNU tar reads them, for
 * bsdtar the field is 0, so a size would hide entries from one of the two.
 */
const isNumber = (field: Buffer): boolean =>
  ((field[0] ?? 0) & 0x80) !== 0 || /^(?:[ \0]*| *[0-7]+(?:[ \0].*)?)$/s.test(field.toString('latin1'));

/** Octal digits, or a large number in base 256, of which the first bit is set. */
function readNumber(field: Buffer): number | undefined {
  const first = field[0] ?? 0;
  if ((first & 0x80) === 0) {
    const [, digits] = /^[ \0]*([0-7]*)[ \0]*/.exec(field.toString('latin1')) ?? [];
    return digits === undefined || digits === '' ? 0 : parseInt(digits, 8);
  }
  if (first !== 0x80) return undefined;
  const value = BigInt(`0x${field.toString('hex', 1)}`);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end === -1 || end > at + length ? at + length : end);
}
