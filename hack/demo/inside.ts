import { storeRoot } from '../../src/api/names.ts';
import { table } from '../lib/terminal.ts';
import { waitForContainer } from './containers.ts';
import { ask, containerNamed, shell, showLines } from './demo.ts';
import type { Demo } from './demo.ts';
import { customersPage, demoNamespace } from './objects.ts';

interface Mount {
  path: string;
  /** Path within its file system, such as a directory of the store. */
  source: string;
  type: string;
  readOnly: boolean;
}

const overlays = ['/etc', '/run', '/tmp', '/var'];
/** Where nodes share the disk of a machine, their own directories on it come before the path. */
const pathOnNode = ({ source }: Mount): string => source.replace(/^.+(?=\/var\/lib\/(monoroot|kubelet)\/)/, '');
const isStore = ({ source }: Mount): boolean => source.includes(storeRoot);

/** What is mounted, and that nothing of the operating system can be written. */
export async function checkMounts(demo: Demo): Promise<void> {
  const { claims, screen } = demo;
  const mounts = parseMounts(await ask(demo, 'web-1', 'cat /proc/self/mountinfo'));
  const shared = mounts.filter(isStore);
  const shown = mounts.filter((m) => isStore(m) || ['/', '/data', '/etc/hosts', ...overlays].includes(m.path));
  screen.line(`  ${screen.paint('cyan', 'What web-1 has mounted')}`);
  showLines(demo, table(shown.map((m) => [m.path, m.readOnly ? 'read-only' : 'writable', m.type, pathOnNode(m)])));

  const writes = ['/usr/x', '/usr/bin/x', '/opt/x', '/x'].map(
    async (path) => [path, await shell(demo, 'web-1', `touch ${path}`)] as const,
  );
  const facts: Record<string, boolean> = { 'it is root that tries': (await ask(demo, 'web-1', 'id -u')) === '0' };
  for (const [path, { code, stderr }] of await Promise.all(writes)) {
    const said = stderr.split('\n')[0]?.trim() ?? '';
    facts[said === '' ? `touch ${path} was not refused` : said] = code !== 0 && said.endsWith('Read-only file system');
  }
  const remount = await shell(demo, 'web-1', 'mount -o remount,rw /usr');
  facts['mount -o remount,rw /usr is refused'] = remount.code !== 0;
  facts[`all ${shared.length} mounts from the master store are read-only`] =
    shared.length > 3 && shared.every((m) => m.readOnly);
  claims.check('readOnly', facts);

  const of = (path: string) => mounts.find((m) => m.path === path);
  const same = await shell(
    demo,
    'web-1',
    'cmp /etc/passwd /.monoroot/defaults/etc/passwd && cmp /etc/nginx/nginx.conf /.monoroot/defaults/etc/nginx/nginx.conf',
  );
  claims.check('overlays', {
    [`${overlays.join(', ')} are writable and in memory`]: overlays.every(
      (path) => of(path)?.type === 'tmpfs' && !of(path)?.readOnly,
    ),
    '/etc has the files of the image': same.code === 0,
    '/tmp has mode 1777': (await ask(demo, 'web-1', 'stat -c %a /tmp')) === '1777',
    '/etc/hosts is the one of the kubelet': (await ask(demo, 'web-1', 'head -1 /etc/hosts')).includes(
      'Kubernetes-managed',
    ),
    'the time zone is the one of spec, Australia/Sydney': /^AE[SD]T$/.test(await ask(demo, 'web-1', 'date +%Z')),
  });
}

/** `/proc/self/mountinfo`: see proc(5). */
function parseMounts(text: string): Mount[] {
  return text.split('\n').map((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , source = '', path = '', options = ''] = left.split(' ');
    return { path, source, type: right.split(' ')[0] ?? '', readOnly: options.split(',').includes('ro') };
  });
}

/** Drops files, ends the container's first process, and looks for them in the one that the kubelet starts then. */
export async function checkReset(demo: Demo): Promise<void> {
  const { claims } = demo;
  const page = `mkdir -p /data/www; echo '${customersPage}' >/data/www/index.html`;
  await ask(demo, 'web-1', `echo dropped >/etc/dropped; rm /etc/debian_version; ${page}`);
  const before = (await containerNamed(demo, 'web-1')).status?.restarts ?? 0;
  await demo.kubectl.exec({ namespace: demoNamespace, name: 'web-1' }, ['kill', '1']);
  const isBack = ({ status }: Awaited<ReturnType<typeof containerNamed>>) =>
    (status?.restarts ?? 0) > before &&
    status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;
  await waitForContainer(demo, 'web-1', 'has restarted', isBack);
  const exists = async (path: string) => (await shell(demo, 'web-1', `test -e ${path}`)).code === 0;
  claims.check('reset', {
    'the file dropped in /etc is gone': !(await exists('/etc/dropped')),
    'the file removed from /etc is back': await exists('/etc/debian_version'),
    'the files in /data are there': (await exists('/data/kept')) && (await exists('/data/www/index.html')),
  });
}
