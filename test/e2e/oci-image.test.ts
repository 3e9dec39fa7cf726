import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeImage } from '../../hack/lib/osimages/oci.ts';
import { startRegistry, stopRegistry } from '../../hack/lib/registry/registry.ts';
import type { Registry } from '../../hack/lib/registry/registry.ts';
import type { OSImage } from '../../src/api/osimage.ts';
import {
  applyContainer,
  imageDistributions,
  inside,
  osImages,
  page,
  remove,
  reverted,
  upToDate,
} from './lib/objects.ts';
import { serveFiles } from './lib/files.ts';
import { fieldManager, hack, has, kubectl, namespace, until } from './lib/system.ts';
import { makeClaim, removeVolumes } from './lib/volumes.ts';

/** An ordinary image of several layers, with all that a Dockerfile says: from `image import` to an upgrade and a revert. */

const os = 'layered';
const versions = ['v1', 'v2', 'v3'] as const;
const claim = 'layered-data';
let work = '';
let registry: Registry;

const entrypoint = `#!/bin/sh
child=''
end() { echo "$VERSION $1" >>/data/stopped; kill $child; exit 0; }
trap 'end quit' QUIT
trap 'end term' TERM
mkdir -p /srv/upload/www
# No shell can say what it was given under a name that is none of its own.
cat /proc/$$/environ >/srv/upload/www/environ
echo "$VERSION as $(id -un) in $(pwd) at $TZ with $1" >/srv/upload/www/index.html
httpd -f -p 8080 -h /srv/upload/www &
child=$!
while :; do wait; done
`;

/** Three layers on the tiny root: loader and libraries behind lib64 -> lib, links into writable places, the service. */
async function makeLayout(version: string): Promise<string> {
  const bundle = (await hack('osimages', 'tiny', 'oci')).trim();
  const [first, second, third] = ['1', '2', '3'].map((name) => join(work, `${version}-${name}`)) as [
    string,
    string,
    string,
  ];
  mkdirSync(first);
  execFileSync('bsdtar', ['-xpf', bundle, '-C', first, '--strip-components', '1', 'root']);
  const copy = (from: string, to: string) =>
    cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  copy(first, second);
  for (const name of ['lib64', 'opt', 'srv', 'lib']) rmSync(join(second, name), { recursive: true, force: true });
  mkdirSync(join(second, 'lib'));
  for (const path of execFileSync('ldd', ['/usr/bin/env'], { encoding: 'utf8' }).match(/\/[^ :\n]+/g) ?? [])
    copyFileSync(path, join(second, 'lib', path.split('/').at(-1) ?? ''));
  copyFileSync('/usr/bin/env', join(second, 'bin/dynamic-env'));
  symlinkSync('lib', join(second, 'lib64'));
  symlinkSync('var/opt', join(second, 'opt'));
  mkdirSync(join(second, 'var/opt'), { recursive: true });
  writeFileSync(join(second, 'var/opt/kept'), 'kept\n');
  mkdirSync(join(second, 'srv/upload'), { recursive: true });
  writeFileSync(join(second, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nweb:x:1000:1000::/srv:/bin/sh\n');
  writeFileSync(join(second, 'etc/group'), 'root:x:0:\nweb:x:1000:\n');
  copy(second, third);
  mkdirSync(join(third, 'usr/lib/tmpfiles.d'), { recursive: true });
  // A volume is an overlay of root, until somebody says otherwise.
  writeFileSync(join(third, 'usr/lib/tmpfiles.d/web.conf'), 'd /srv/upload 0755 web web\nd /run/web 0700 web\n');
  writeFileSync(join(third, 'entrypoint.sh'), version === 'v3' ? '#!/bin/sh\necho broken\nexit 4\n' : entrypoint, {
    mode: 0o755,
  });
  const config = {
    Entrypoint: ['/entrypoint.sh'],
    Cmd: 'an argument',
    Env: [`VERSION=${version}`, 'TZ=:/etc/localtime', 'BASH_FUNC_x%%=() { :; }', '7ZIP=/opt/7zip'],
    User: 'web',
    WorkingDir: 'var/www/app',
    StopSignal: 'QUIT',
    Volumes: { '/srv/upload': {}, '/var/lib/web': {} },
    Healthcheck: { Test: ['CMD', 'false'] },
    ExposedPorts: { '8080/tcp': {} },
  };
  const roots = [first, second, third];
  return (await writeImage(join(work, version), roots, { compression: ['gzip', 'zstd', 'none'], config })).directory;
}

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'monoroot-e2e-'));
  await serveFiles();
  registry = await startRegistry(kubectl, { namespace });
  for (const version of versions) await registry.push(await makeLayout(version), `web/layered:${version}`);
  await makeClaim(claim, 'node-1');
}, 300_000);
afterAll(async () => {
  await remove({ containers: [os], images: versions.map((version) => `${os}:${version}`) });
  await kubectl.run(['delete', 'imagedistribution', os, '--ignore-not-found']);
  await removeVolumes(claim);
  await stopRegistry(kubectl, namespace);
  rmSync(work, { recursive: true });
});

/** What somebody does with a reference: image import, and apply. */
async function importImage(version: string): Promise<void> {
  const reference = `${registry.nodeAddress}/web/layered:${version}`;
  const given = ['--os', os, '--version', version, '--plain-http'];
  const text = await hack('bin/kubectl-monoroot', 'image', 'import', reference, ...given);
  const [image, distribution] = loadAll(text) as [OSImage, object];
  // A directory of a node belongs to root.
  const spec = { ...image.spec, mountScript: 'chmod 777 /data' };
  await kubectl.apply([{ ...image, spec }, distribution], fieldManager);
  await until(
    imageDistributions,
    { name: os },
    `has ${version} on all nodes`,
    (it) => it.spec.image === `${os}:${version}` && has(it, 'Distributed', 'True/AllNodes'),
    120,
  );
}

test('its user, environment, command, directory and volumes are those of the Dockerfile', async () => {
  await importImage('v1');
  const status = (await kubectl.get(osImages, { name: `${os}.v1` }))?.status;
  expect(status?.defaults).toMatchObject({ user: 'web', stopSignal: 'SIGQUIT', workingDir: '/var/www/app' });
  expect(status?.layout?.volumes).toEqual(['/srv/upload']);
  await applyContainer(os, {
    image: `${os}:v1`,
    data: { claimName: claim },
    podTemplate: { terminationGracePeriodSeconds: 30 },
  });
  await upToDate(os, `${os}:v1`);
  // A directory of a node outlives a run of the tests.
  await inside(os, 'rm -f /data/stopped');
  expect(await page(os)).toBe('v1 as web in /var/www/app at :/etc/localtime with an argument');
  const environment = await inside(os, 'tr "\\0" "\\n" </srv/upload/www/environ');
  expect(environment.split('\n')).toEqual(expect.arrayContaining(['7ZIP=/opt/7zip', 'BASH_FUNC_x%%=() { :; }']));
});

test('links on top are there: a program with its loader behind one, and a place that is written to by two names', async () => {
  expect(existsSync('/lib64/ld-linux-x86-64.so.2')).toBe(true);
  expect(await inside(os, 'A=started /bin/dynamic-env | grep ^A=')).toBe('A=started');
  expect(await inside(os, 'cat /opt/kept; echo new >/opt/new; cat /var/opt/new')).toBe('kept\nnew');
  expect(await inside(os, 'stat -c "%a %U" /run/web; touch /lib64/x 2>&1')).toMatch(
    /^700 web\n.*Read-only file system$/,
  );
});

test('an upgrade stops it with its own signal, and a failed one goes back', async () => {
  await importImage('v2');
  await applyContainer(os, {
    image: `${os}:v2`,
    data: { claimName: claim },
    podTemplate: { terminationGracePeriodSeconds: 30 },
  });
  await upToDate(os, `${os}:v2`);
  expect(await page(os)).toContain('v2 as web');
  expect(await inside(os, 'cat /data/stopped')).toBe('v1 quit');
  await importImage('v3');
  await applyContainer(os, {
    image: `${os}:v3`,
    data: { claimName: claim },
    podTemplate: { terminationGracePeriodSeconds: 30 },
  });
  await reverted(os, `${os}:v2`);
  expect(await page(os)).toContain('v2 as web');
  expect(await inside(os, 'cat /data/stopped')).toBe('v1 quit\nv2 quit');
});
