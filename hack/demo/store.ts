import { storeRoot, systemNamespace } from '../../src/api/names.ts';
import { pods } from '../../src/kube/resources.ts';
import { mebibytes } from '../lib/terminal.ts';
import { ask, showLines } from './demo.ts';
import type { Demo } from './demo.ts';
import { containers, os } from './objects.ts';

const directory = `${storeRoot}/${os}`;

/** Bytes that the trees of all versions of the operating system take on the disk of the home node, counted there and not asked of a status. */
export async function storeBytes({ kubectl, home }: Demo): Promise<number> {
  const labelSelector = 'app.kubernetes.io/component=agent';
  const agents = await kubectl.list(pods, { namespace: systemNamespace, labelSelector });
  const agent = agents.find((pod) => pod.spec.nodeName === home);
  if (!agent) throw new Error(`No agent runs on ${home}`);
  const { code, stdout, stderr } = await kubectl.shell(
    agent.metadata,
    `du -sc --block-size=1 ${directory}/*/root | tail -n 1`,
  );
  if (code !== 0) throw new Error(`${directory} of ${home} could not be measured: ${stderr.trim()}`);
  return Number(stdout.split(/\s/)[0]);
}

/** One copy for both: the same files, and nothing more on the disk than before they ran. */
export async function checkShared(demo: Demo, before: number): Promise<void> {
  const { claims, home } = demo;
  const program = '/usr/sbin/nginx';
  const inodes = await Promise.all(
    containers.map((name) => ask(demo, name, `stat -c '%d:%i %n' ${program} /usr/bin/dash`)),
  );
  const overlays = await Promise.all(
    containers.map((name) => ask(demo, name, 'du -sk /etc /var /tmp /run 2>/dev/null')),
  );
  const own = overlays.map(
    (text) => text.split('\n').reduce((sum, line) => sum + Number(line.split(/\s/)[0]), 0) * 1024,
  );
  const after = await storeBytes(demo);
  showLines(demo, [
    `${directory} on ${home}: ${mebibytes(before)} before the containers started, ${mebibytes(after)} now`,
    ...containers.map(
      (name, i) =>
        `${name} has ${mebibytes(own[i] ?? 0)} of its own, in memory; ${program} is file ${inodes[i]?.split(' ')[0] ?? ''}`,
    ),
  ]);
  claims.check('once', {
    'the store takes as many bytes as before': before > 0 && after === before,
    'the files of both are the same files (device and inode), so the kernel has their pages once':
      new Set(inodes).size === 1,
    'what a container has of its own is less than 32 MiB': own.every((bytes) => bytes > 0 && bytes < 32 * 2 ** 20),
  });
}
