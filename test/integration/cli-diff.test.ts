import { randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { verifyEntry } from '../../src/agent/store/verify.ts';
import { temporaryDirectory } from '../fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../fixtures/agent/environment.ts';
import { fetchPorts } from '../fixtures/agent/images.ts';
import { publishedTree } from '../fixtures/agent/trees.ts';
import { fieldManagers } from '../../src/api/names.ts';
import { commands } from '../../src/cli/commands.ts';
import { runForTest } from '../fixtures/cli.ts';
import type { OSImage } from '../../src/api/osimage.ts';
import { nodeStores, osImages } from '../../src/kube/kinds.ts';
import { pods } from '../../src/kube/resources.ts';
import { connect, createNamespace } from './environment.ts';

/**
 * `kubectl monoroot diff` from the command line to the stores of two nodes: a real API server, real trees and the program that
 * runs beside the agent. Only `kubectl exec`, which needs a kubelet, is a script that starts that program here.
 */

const kubeconfig = inject('kubeconfig');
const { connection, client } = connect(kubeconfig);
afterAll(() => connection.close());

const root = join(import.meta.dirname, '../..');
const base = String.raw`mkdir -p var/lib/dpkg/info usr/bin
  printf 'Package: curl\nStatus: install ok installed\nVersion: 7\nArchitecture: amd64\n\nPackage: nano\nStatus: install ok installed\nVersion: 3\nArchitecture: amd64\n' >var/lib/dpkg/status
  printf '/usr/bin/curl\n' >var/lib/dpkg/info/curl.list; printf '/bin/nano\n' >var/lib/dpkg/info/nano.list
  printf 7 >usr/bin/curl; printf 3 >usr/bin/nano; printf 'old' >etc/motd`;
const next = String.raw`rm usr/bin/nano var/lib/dpkg/info/nano.list; printf 8 >usr/bin/curl; printf 'new' >etc/motd; chmod 600 etc/one
  printf 'Package: curl\nStatus: install ok installed\nVersion: 8\nArchitecture: amd64\n' >var/lib/dpkg/status`;

/** Two images, each on the nodes that have it: v1 on the first ones, v2 on the others. */
async function openNodes(nodes: Record<string, readonly ('v1' | 'v2')[]>, { digests = true } = {}) {
  const namespace = await createNamespace(client);
  const suffix = randomBytes(3).toString('hex');
  const ports = await fetchPorts();
  const v1 = await publishedTree(ports, 'v1', { change: base });
  const v2 = await publishedTree(ports, 'v2', { from: v1.root, change: next });
  if (digests)
    for (const { entry } of [v1, v2])
      await verifyEntry(entry, true, temporaryDirectory(), new AbortController().signal);
  for (const [node, versions] of Object.entries(nodes)) {
    const name = `${node}-${suffix}`;
    const spec = { nodeName: name, containers: [{ name: 'agent', image: 'x' }] };
    const labels = { 'app.kubernetes.io/name': 'monoroot', 'app.kubernetes.io/component': 'agent' };
    const metadata = { name: `agent-${node}`, namespace };
    await client.create(pods, { metadata: { ...metadata, labels }, spec });
    const status = { conditions: [{ type: 'Ready', status: 'True' }] };
    await client.mergePatch(pods, metadata, { status }, { subresource: 'status' });
    const images = versions.map((version) => {
      const { os, digest } = version === 'v1' ? v1.image : v2.image;
      return { os, version, digest, state: 'Ready' as const };
    });
    const manager = { fieldManager: fieldManagers.operator };
    await client.apply(nodeStores, { metadata: { name }, spec: { images: [] } }, manager);
    await client.applyStatus(nodeStores, { metadata: { name }, status: { images } }, manager);
    onTestFinished(async () => {
      await client.delete(nodeStores, { name });
    });
  }
  return {
    diff: (script: string, ...argv: string[]) =>
      runForTest(
        ['diff', 'debian-12:v1', ...argv, '--system-namespace', namespace, '--kubeconfig', kubeconfig],
        commands,
        { kubectl: kubectl(ports.paths.root, script) },
      ),
    whoHas: (text: string) =>
      runForTest(['who-has', text, '--system-namespace', namespace, '--kubeconfig', kubeconfig], commands, {
        kubectl: kubectl(ports.paths.root, 'inspect'),
      }),
  };
}

/** What stands in for kubectl; `script` may use `inspect`, which writes the answer about $image, and $pod. */
function kubectl(store: string, script: string): string {
  const path = join(temporaryDirectory(), 'kubectl');
  const inspect = `MONOROOT_ROOT='${store}' '${process.execPath}' '${root}/src/cmd/inspect.ts' "$image"`;
  writeFileSync(
    path,
    `#!/bin/sh\nfor image; do :; done\npod=$(printf '%s\\n' "$@" | grep '^agent-')\ninspect() { ${inspect}; }\ncd '${store}'\n${script}\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

describe.skipIf(whyNoUnpacking())('diff', () => {
  test('packages, files, and what goes with packages', async () => {
    const { diff } = await openNodes({ one: ['v1', 'v2'] });
    const ran = await diff('inspect', 'debian-12:v2');
    expect(ran).toEqual({
      code: 1,
      stderr: '',
      stdout: [
        'debian-12:v1 -> debian-12:v2',
        '',
        'Packages: 1 changed, 0 added, 1 removed',
        '  ~ curl  7 -> 8',
        '  - nano  3',
        '',
        'Files: 5 changed, 0 added, 2 removed; 4 of them go with the packages and are not shown (--files shows all)',
        '  ~ /etc/motd   content',
        '  ~ /etc/one    mode 0644 -> 0600',
        '  ~ /etc/other  mode 0644 -> 0600',
        '',
      ].join('\n'),
    });
    const files = await diff('inspect', 'debian-12:v2', '--files');
    expect(files.stdout).toContain('  ~ /usr/bin/curl                 content, of curl\n');
    expect(files.stdout).not.toContain('Packages');
  });

  test('each from a node of its own, when none has both', async () => {
    const { diff } = await openNodes({ one: ['v1'], two: ['v2'] });
    const ofItsOwn = 'case $pod$image in agent-onedebian-12:v1 | agent-twodebian-12:v2) inspect ;; *) exit 3 ;; esac';
    const report = join(temporaryDirectory(), 'report.json');
    const vulnerability = { id: 'CVE-1', severity: 'High', fix: { versions: ['8'] } };
    writeFileSync(report, JSON.stringify({ matches: [{ vulnerability, artifact: { name: 'curl', version: '7' } }] }));
    const ran = await diff(ofItsOwn, 'debian-12.v2', '--packages', '--cve', report, '-o', 'json');
    expect([ran.code, JSON.parse(ran.stdout)]).toMatchObject([
      1,
      {
        before: { image: 'debian-12:v1' },
        packages: {
          changes: [
            { name: 'curl', before: '7', after: '8' },
            { name: 'nano', before: '3' },
          ],
        },
        vulnerabilities: [{ id: 'CVE-1', package: 'curl', change: 'Fixed' }],
      },
    ]);
  });

  test('an image and itself: nothing differs', async () => {
    const { diff } = await openNodes({ one: ['v1'] }, { digests: false });
    const ran = await diff('inspect', 'debian-12:v1');
    expect([ran.code, ran.stdout]).toEqual([0, expect.stringContaining('Files: no difference')]);
    expect(ran.stdout).toContain('Files have no digests of contents yet');
  });

  test('an answer of which kubectl lost the end is asked for again', async () => {
    const { diff } = await openNodes({ one: ['v1', 'v2'] });
    const lossy = 'if [ -e lost ]; then inspect; else : >lost; inspect | head -c 300; fi';
    const ran = await diff(lossy, 'debian-12:v2', '--packages');
    expect([ran.code, ran.stderr]).toEqual([1, '']);
  });

  test.each([
    [
      'an answer that never ends well',
      'inspect | head -c 300',
      'debian-12:v2',
      /^Error: The answer of the agent on node one-\w+ was cut short, 3 times/,
    ],
    [
      'an agent that fails',
      'printf "no such container\\ncommand terminated with exit code 1\\n" >&2; exit 1',
      'debian-12:v2',
      /^Error: The agent on node one-\w+ gave no answer: no such container/,
    ],
    [
      'an agent without the program',
      'echo "Error: Cannot find module \'/opt/monoroot/inspect.js\'" >&2; exit 1',
      'debian-12:v2',
      /is too old/,
    ],
    ['an image that no one knows', 'inspect', 'debian-12:v3', /^Error: There is no OSImage debian-12\.v3/],
    ['what is no image', 'inspect', 'debian-12', /^Error: debian-12 is no image: it must be <os>:<version>/],
  ])('one clear line, and exit code 2, for %s', async (_case, script, image, told) => {
    const { diff } = await openNodes({ one: ['v1', 'v2'] });
    const ran = await diff(script, image);
    expect(ran).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(told) as string });
  });
});

describe.skipIf(whyNoUnpacking())('who-has', () => {
  test('images with the package, and as with grep whether there is one', async () => {
    const { whoHas } = await openNodes({ one: ['v1', 'v2'] });
    for (const version of ['v1', 'v2']) {
      const name = `debian-12.${version}`;
      const source = { http: { url: 'http://web/os.tar', sha256: 'a'.repeat(64) } };
      const spec = { os: 'debian-12', version, source } as OSImage['spec'];
      await client.create(osImages, { metadata: { name }, spec });
      onTestFinished(async () => {
        await client.delete(osImages, { name });
      });
    }
    const own = (text: string) => text.split('\n').filter((line) => /^debian-12:/.test(line));
    const [all, old, none] = [await whoHas('curl'), await whoHas('curl<8'), await whoHas('nosuchpackage')];
    expect([all.code, own(all.stdout).map((line) => line.replaceAll(/ +/g, ' '))]).toEqual([
      0,
      ['debian-12:v1 curl 7 - -', 'debian-12:v2 curl 8 - -'],
    ]);
    expect([old.code, own(old.stdout).length]).toEqual([0, 1]);
    expect([none.code, none.stdout]).toEqual([1, 'No image has it\n']);
  });
});
