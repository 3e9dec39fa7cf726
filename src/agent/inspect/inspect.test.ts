import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { InspectedFile, InspectionLine } from '../../api/inspection.ts';
import { inspectionLine } from '../../api/inspection.ts';
import { verifyEntry } from '../store/verify.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../../../test/fixtures/agent/environment.ts';
import { signal } from '../../../test/fixtures/agent/fetching.ts';
import { fetchPorts } from '../../../test/fixtures/agent/images.ts';
import { describeTree, publishedTree } from '../../../test/fixtures/agent/trees.ts';
import { inspectEntry } from './inspect.ts';

const debian = String.raw`
  mkdir -p var/lib/dpkg/info usr/sbin
  printf 'Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.4\nDescription: x\n y\n\nPackage: old\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n' >var/lib/dpkg/status
  printf '/.\n/bin/hello\n/etc/one\n' >var/lib/dpkg/info/base-files.list
  printf x >usr/sbin/ping; setcap cap_net_raw=ep usr/sbin/ping
`;

const inspect = async (entry: string) => {
  const lines: InspectionLine[] = [];
  const options = { scratch: temporaryDirectory(), signal };
  for await (const line of inspectEntry(entry, options)) lines.push(inspectionLine.parse(line));
  return lines;
};
const filesOf = (lines: readonly InspectionLine[]) =>
  new Map(lines.flatMap((line) => (line.kind === 'file' ? [[line.path, line] as [string, InspectedFile]] : [])));

test.skipIf(whyNoUnpacking())(
  'tells packages, files with their owners and attributes, and changes nothing',
  async () => {
    const { entry, root } = await publishedTree(await fetchPorts(), 'v1', { change: debian });
    await verifyEntry(entry, true, temporaryDirectory(), signal);
    const before = describeTree(root);
    const lines = await inspect(entry);
    expect(lines[0]).toEqual({
      kind: 'image',
      image: 'debian-12:v1',
      digest: `sha256:${'a'.repeat(64)}`,
      contents: true,
      records: ['/var/lib/dpkg'],
      notes: [],
    });
    expect(lines[1]).toEqual({ kind: 'package', name: 'base-files', version: '12.4', architecture: 'amd64' });
    expect(lines.at(-1)).toEqual({ kind: 'end' });
    const files = filesOf(lines);
    expect(files.get('/usr/bin/hello')).toMatchObject({ type: 'file', mode: '4755', size: 5, package: 'base-files' });
    expect(files.get('/usr/bin/hello')?.sha256).toMatch(/^2cf24dba/);
    expect(files.get('/bin')).toMatchObject({ type: 'link', target: 'usr/bin', mode: '0777' });
    expect(files.get('/usr/sbin/ping')?.attributes).toEqual([expect.stringMatching(/^security\.capability=0x/)]);
    expect(files.get('/etc/copy')).not.toHaveProperty('package');
    // What no terminal should obey stays as the manifest has it.
    expect([...files.keys()].filter((path) => path.includes('space'))).toEqual([
      String.raw`/etc/with\040space\012and\040line\377`,
    ]);
    expect([files.get('/')?.type, files.has('image.json')]).toEqual(['dir', false]);
    expect(describeTree(root)).toBe(before);
  },
);

test.skipIf(whyNoUnpacking())('without digests of contents it says so', async () => {
  const { entry } = await publishedTree(await fetchPorts(), 'v1');
  const [head, ...lines] = await inspect(entry);
  expect(head).toMatchObject({ contents: false, records: [] });
  expect(filesOf(lines).get('/usr/bin/hello')).not.toHaveProperty('sha256');
});

test.skipIf(whyNoUnpacking())('as a program: compressed lines, or one line that says why not', async () => {
  const ports = await fetchPorts();
  await publishedTree(ports, 'v1', { change: debian });
  const run = (image: string) =>
    execFileSync(process.execPath, [join(import.meta.dirname, '../../cmd/inspect.ts'), image], {
      env: { MONOROOT_ROOT: ports.paths.root },
      stdio: 'pipe',
    });
  const lines = gunzipSync(run('debian-12:v1')).toString().trim().split('\n');
  expect(lines.map((line) => inspectionLine.parse(JSON.parse(line)).kind).at(-1)).toBe('end');
  expect(() => run('debian-12:v2')).toThrow('debian-12:v2 is not in the store of this node');
  expect(() => run('../../etc:v1')).toThrow('../../etc:v1 is no image');
});
