import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** All that one entry of a tree is, as text, so that two of them are compared and printed easily. */
export type Manifest = Record<string, string>;

const typeOf: Record<number, string> = {
  0o010000: 'fifo',
  0o020000: 'character',
  0o040000: 'directory',
  0o060000: 'block',
  0o100000: 'file',
  0o120000: 'symlink',
};

/**
 * Describes a tree completely, without following links: type, mode, owner, content, allocated blocks, the first name of the same
 * inode in the tree, target, device, times in nanoseconds; and all extended attributes, to which ACLs and file capabilities belong. Names
 * are latin1: one character a byte. The entry of the tree itself is `.`.
 */
export function manifestOf(root: string): Manifest {
  // What is not on the disk yet has no blocks yet.
  execFileSync('sync', ['-f', root]);
  const manifest: Manifest = {};
  const firstNames = new Map<bigint, string>();
  const attributes = attributesOf(root);
  const visit = (name: string): void => {
    const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')]);
    const stat = lstatSync(path, { bigint: true });
    const type = typeOf[Number(stat.mode) & 0o170000] ?? 'unknown';
    const parts: unknown[] = [type, (stat.mode & 0o7777n).toString(8), `${stat.uid}:${stat.gid}`, `${stat.mtimeNs} ns`];
    if (type === 'file') {
      parts.push(`${stat.size} bytes`, `${stat.blocks} blocks`);
      parts.push(createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16));
    }
    if (type === 'symlink') parts.push(`-> ${readlinkSync(path, 'latin1')}`);
    if (type === 'character' || type === 'block') parts.push(`device ${stat.rdev}`);
    if (type !== 'directory' && stat.nlink > 1n) {
      const first = firstNames.get(stat.ino);
      if (first === undefined) firstNames.set(stat.ino, name);
      else parts.push(`the same as ${first}`);
    }
    parts.push(...(attributes.get(name) ?? []));
    manifest[name] = parts.join(', ');
    if (type !== 'directory') return;
    for (const child of readdirSync(path, 'latin1').sort()) visit(name === '.' ? child : `${name}/${child}`);
  };
  visit('.');
  return manifest;
}

/** Every extended attribute of every entry, also of links: `name=0x…`. */
function attributesOf(root: string): Map<string, string[]> {
  const dump = execFileSync('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], { cwd: root });
  const found = new Map<string, string[]>();
  for (const block of dump.toString('latin1').split('\n\n').filter(Boolean)) {
    const [file = '', ...lines] = block.split('\n');
    const name = file
      .replace(/^# file: (\.\/)?/, '')
      .replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    found.set(name, lines.sort());
  }
  return found;
}
