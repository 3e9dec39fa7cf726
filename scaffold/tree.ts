// What a copy of a directory has to keep, in words that two trees can be compared by.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Lists everything about a tree that a copy has to keep, a line for each entry. */
export const describeTree = (root: string): string[] => {
  const formats = [
    ['-type', 'd', '-printf', String.raw`%p d %m %U:%G %T@\n`],
    ['-o', '-type', 'l', '-printf', String.raw`%p l %U:%G links %n %T@ -> %l\n`],
    ['-o', '-printf', String.raw`%p %y %m %U:%G links %n size %s %T@\n`],
  ];
  return execFileSync('find', ['.', ...formats.flat()], { cwd: root, encoding: 'utf8' })
    .trimEnd()
    .split('\n')
    .sort();
};

/** Says why attributes cannot be compared here, or undefined where they can. */
export const whyNoAttributes = (): string | undefined => {
  if (['getfattr', 'getfacl', 'setcap'].some((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0))
    return 'needs the Debian packages attr, acl and libcap2-bin';
  const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number);
  return (kernel[0] ?? 0) * 100 + (kernel[1] ?? 0) < 606
    ? 'needs Linux 6.6, where tmpfs has user attributes'
    : undefined;
};

/** Lists extended attributes, file capabilities and ACLs of a tree. */
export const describeAttributes = (root: string): string[] =>
  [
    ['getfattr', '--recursive', '--no-dereference', '--dump', '--match=^(user|security.capability)', '.'],
    ['getfacl', '--recursive', '--skip-base', '--numeric', '.'],
  ].flatMap(([tool = '', ...args]) =>
    execFileSync(tool, args, { cwd: root, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
      .split('\n\n')
      .filter((block) => block !== '')
      .sort(),
  );
