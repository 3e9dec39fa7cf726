/** An ACL as Linux keeps it in `system.posix_acl_access` and `system.posix_acl_default`. */
const version = 2;
const kinds: Partial<Record<number, { name: string; isNamed: boolean }>> = {
  0x01: { name: 'user', isNamed: false },
  0x02: { name: 'user', isNamed: true },
  0x04: { name: 'group', isNamed: false },
  0x08: { name: 'group', isNamed: true },
  0x10: { name: 'mask', isNamed: false },
  0x20: { name: 'other', isNamed: false },
};

/**
 * The ACL as a text that bsdtar restores, with users and groups by their numbers (`user:1234:rwx:1234`). Undefined when the value
 * is none: see `linux/posix_acl_xattr.h`.
 */
export function aclText(value: Buffer): string | undefined {
  if (value.length < 4 || value.length % 8 !== 4 || value.readUInt32LE(0) !== version) return undefined;
  const lines: string[] = [];
  for (let at = 4; at < value.length; at += 8) {
    const kind = kinds[value.readUInt16LE(at)];
    const rights = value.readUInt16LE(at + 2);
    if (!kind || rights > 7) return undefined;
    const id = value.readUInt32LE(at + 4);
    const letters = lettersOf(rights);
    lines.push(kind.isNamed ? `${kind.name}:${id}:${letters}:${id}` : `${kind.name}::${letters}`);
  }
  return lines.join(',');
}

/**
 * The text of an ACL as chmod(2) leaves it: GNU tar sets the mode of a file after its ACL, and that of a directory before. The owner and all
 * others have the rights of the mode; so has the mask, or the group where there is none. The same text where both agree.
 */
export function underMode(text: string, mode: number): string {
  const hasMask = /(?:^|[,\n])\s*m(?:ask)?:/.test(text);
  const bits: Record<string, number> = { u: mode >> 6, [hasMask ? 'm' : 'g']: mode >> 3, o: mode };
  return text.replaceAll(/((?:^|[,\n])\s*([ugmo])\w*::?)[r-][w-][x-]/g, (all, start: string, kind: string) => {
    const rights = bits[kind];
    return rights === undefined ? all : `${start}${lettersOf(rights)}`;
  });
}

const lettersOf = (rights: number): string =>
  ['r', 'w', 'x'].map((letter, bit) => ((rights & (4 >> bit)) === 0 ? '-' : letter)).join('');

/** The users and groups that a text of an ACL names: the name, and the number where the text has one. */
function namedIn(text: string): { name: string; id: string | undefined }[] {
  return text.split(/[,\n]/).flatMap((line) => {
    const [kind = '', name = '', , id = ''] = line
      .trim()
      .replace(/^default:/, '')
      .split(':');
    if (!/^(?:u|user|g|group)$/.test(kind) || name === '') return [];
    return [{ name, id: [id, name].find((it) => /^[0-9]+$/.test(it)) }];
  });
}

/** The first user or group that a text of an ACL names without a number; undefined when there is none. */
export const nameWithoutNumber = (text: string): string | undefined =>
  namedIn(text).find(({ id }) => id === undefined)?.name;

/** bsdtar gives what a larger number has to the user or group of this one. */
const largestId = 2 ** 31 - 1;

/** The first number of a user or group that bsdtar would take for another; undefined when there is none. */
export const numberTooLarge = (text: string): string | undefined =>
  namedIn(text).find(({ id }) => Number(id) > largestId)?.id;
