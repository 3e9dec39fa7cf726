import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { binaryDirectory } from '../../../test/fixtures/binaries.ts';
import { temporaryDirectory } from '../../../test/fixtures/agent/directory.ts';
import { pushImage, pushIndex, rootLayer, startRegistry, types } from '../../../test/fixtures/agent/registry.ts';
import type { TestRegistry } from '../../../test/fixtures/agent/registry.ts';
import { imageDistributionDefinition } from '../../api/imagedistribution.ts';
import { osImageDefinition } from '../../api/osimage.ts';
import { runForTest } from '../../../test/fixtures/cli.ts';
import { imageImport, readReference } from './image-import.ts';

const run = (...argv: string[]) => runForTest(['image', 'import', ...argv], [imageImport]);

describe('a reference', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  test.each([
    ['nginx', 'docker.io/library/nginx', 'latest'],
    ['nginx:1.27', 'docker.io/library/nginx', '1.27'],
    ['bitnami/redis', 'docker.io/bitnami/redis', 'latest'],
    ['docker.io/nginx', 'docker.io/library/nginx', 'latest'],
    ['localhost/os/debian:12', 'localhost/os/debian', '12'],
    ['registry:5000/os/debian', 'registry:5000/os/debian', 'latest'],
    [`registry.example.com/os/debian:12@${digest}`, 'registry.example.com/os/debian', digest],
  ])('%s is read as docker reads it', (text, repository, tag) =>
    expect(readReference(text)).toEqual({ repository, tag }),
  );

  test.each(['', 'UPPER', 'a b', 'x@sha256:1', 'https://registry.example.com/x'])('%j is none', async (text) => {
    expect(await run(text, '--os', 'x', '--version', 'v1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is no reference of an image') as string,
    });
  });
});

test.each([
  [['nginx', '--version', 'v1'], '--os NAME must be given'],
  [['nginx', '--os', 'Nginx', '--version', 'v1'], '--os Nginx is no name'],
  [['nginx', '--os', 'nginx', '--version', 'v_1'], '--version v_1 is no name'],
])('%j is wrong usage', async (argv, said) => {
  const { code, stderr } = await run(...argv);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(said) as string });
});

describe('an image in a registry', { timeout: 120_000 }, () => {
  let registry: TestRegistry & { stop: () => Promise<void> };
  let digest = '';
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-import-'));
  beforeAll(async () => {
    registry = await startRegistry(binaryDirectory(), directory);
    const config = { Cmd: ['nginx'], User: 'www-data', StopSignal: 'QUIT', Volumes: { '/srv': {} } };
    const inner = await pushImage(registry.host, 'os/nginx', { layers: [rootLayer()], config });
    digest = await pushIndex(registry.host, 'os/nginx', { 'linux/amd64': inner });
    const manifest = await fetch(`http://${registry.host}/v2/os/nginx/manifests/${digest}`, {
      headers: { accept: types.index },
    });
    const headers = { 'content-type': types.index };
    const body = await manifest.arrayBuffer();
    await fetch(`http://${registry.host}/v2/os/nginx/manifests/1.27`, { method: 'PUT', headers, body });
  });
  afterAll(async () => {
    await registry.stop();
    rmSync(directory, { recursive: true });
  });

  test('becomes objects that the API takes, with the digest that its tag has now', async () => {
    const reference = `${registry.host}/os/nginx:1.27`;
    const ran = await run(reference, '--os', 'nginx', '--version', 'v1', '--plain-http', '--pull-secret', 'login');
    expect(ran.code).toBe(0);
    const [image, distribution] = loadAll(ran.stdout) as { metadata: object; spec: object }[];
    expect(image).toEqual({
      apiVersion: 'monoroot.dev/v1alpha1',
      kind: 'OSImage',
      metadata: { name: 'nginx.v1' },
      spec: {
        os: 'nginx',
        version: 'v1',
        source: { oci: { reference, digest, plainHTTP: true, pullSecretRef: { name: 'login' } } },
      },
    });
    expect(distribution).toMatchObject({ metadata: { name: 'nginx' }, spec: { image: 'nginx:v1' } });
    osImageDefinition.spec.parse(image?.spec);
    imageDistributionDefinition.spec.parse(distribution?.spec);
    expect(ran.stderr).toContain(`${reference} is ${digest}: 1 layer`);
    expect(ran.stderr).toContain('It runs nginx, as www-data, until SIGQUIT');
    expect(ran.stderr).toContain('Its volumes become writable where that is possible: /srv');
  });

  test('is found by its digest too, and names that YAML would read as numbers stay names', async () => {
    const ran = await run(`${registry.host}/os/nginx@${digest}`, '--os', '12', '--version', '1.0', '--plain-http');
    const [image] = loadAll(ran.stdout) as { spec: object }[];
    expect(image?.spec).toMatchObject({ os: '12', version: '1.0', source: { oci: { digest } } });
  });

  test('that is not there, or not for nodes, is reported with what to do', async () => {
    const given = ['--os', 'nginx', '--version', 'v1', '--plain-http'];
    expect(await run(`${registry.host}/os/nginx:none`, ...given)).toEqual({
      code: 2,
      stdout: '',
      stderr: `Error: ManifestUnknown: ${registry.host} has no os/nginx/manifests/none; look at its tags\n`,
    });
    const { stderr } = await run(`${registry.host}/os/nginx:1.27`, ...given, '--architecture', 'arm64');
    expect(stderr).toContain('ArchitectureMismatch: The index has no manifest for linux/arm64 but for linux/amd64');
  });

  test('of a registry that wants a login is reported as such', async () => {
    const closed = await startRegistry(binaryDirectory(), temporaryDirectory(), { basic: true });
    const ran = await run(`${closed.host}/os/nginx:1`, '--os', 'nginx', '--version', 'v1', '--plain-http');
    await closed.stop();
    expect(ran.stderr).toContain(
      `Unauthorized: ${closed.host} does not let it be read (401); log in with docker login ${closed.host}`,
    );
  });
});
