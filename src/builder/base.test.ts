import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { recipeOf, workshop } from '../../test/fixtures/builder.ts';
import type { DebootstrapBase } from '../api/build.ts';
import { describeBase, makeBase } from './base.ts';
import type { BuilderPorts } from './ports.ts';
import { FailedProgram } from './programs.ts';

const debootstrap: DebootstrapBase = {
  suite: 'bookworm',
  mirror: 'http://mirror.example/debian',
  components: ['main', 'contrib'],
};

interface Called {
  command: readonly string[];
  env: Record<string, string | undefined>;
}

/** What mmdebstrap is called with, and what becomes of a tree that it could have made. */
async function bootstrap(
  from: DebootstrapBase,
  secrets: Parameters<typeof workshop>[0] = {},
  changes: Partial<BuilderPorts> = {},
) {
  const calls: Called[] = [];
  const { ports } = workshop(secrets);
  const run: BuilderPorts['programs']['run'] = (command, { env = {} } = {}) => {
    calls.push({ command, env });
    mkdirSync(join(ports.work, 'root/etc/apt'), { recursive: true });
    for (const name of ['resolv.conf', 'hostname', 'apt/sources.list'])
      writeFileSync(join(ports.work, 'root/etc', name), 'machine');
    return Promise.resolve();
  };
  const programs = { ...ports.programs, run };
  const { root } = await makeBase(recipeOf({ from: { debootstrap: from } }), { ...ports, programs, ...changes });
  return { call: calls[0] ?? { command: [], env: {} }, root, work: ports.work };
}

test('a Debian is made without a mount, reproducibly, and has nothing of the machine that made it', async () => {
  const { call, root } = await bootstrap(debootstrap);
  expect(call.command.slice(-3)).toEqual(['bookworm', root, 'http://mirror.example/debian']);
  expect(call.command).toEqual(
    expect.arrayContaining(['--variant=minbase', '--skip=chroot/mount', '--components=main,contrib']),
  );
  expect(call.env).toEqual({ SOURCE_DATE_EPOCH: '1704067200' });
  expect(readdirSync(join(root, 'etc'))).toEqual(['apt']);
});

test('with keys of its own a mirror is trusted for no others, now and in the image', async () => {
  const secrets = { keyring: { 'keyring.gpg': '\u0099' } };
  const { call, root, work } = await bootstrap({ ...debootstrap, keyringRef: { name: 'keys' } }, secrets);
  const source = (directory: string) =>
    `deb [signed-by=${directory}/monoroot.gpg] http://mirror.example/debian bookworm main contrib`;
  expect(call.command.at(-1)).toBe(source(work));
  expect(readFileSync(join(root, 'etc/apt/sources.list'), 'utf8')).toBe(`${source('/etc/apt/keyrings')}\n`);
  // Byte for byte: keys are no text.
  const given = readFileSync(join(work, 'secrets/keyring/keyring.gpg'));
  expect(readFileSync(join(root, 'etc/apt/keyrings/monoroot.gpg'))).toEqual(given);
});

test('keys may be armored', async () => {
  const secrets = { keyring: { 'keyring.gpg': '-----BEGIN PGP PUBLIC KEY BLOCK-----' } };
  const { call } = await bootstrap({ ...debootstrap, keyringRef: { name: 'keys' } }, secrets);
  expect(call.command.at(-1)).toContain('/monoroot.asc]');
});

test('keys that are not there are reported by the name of their Secret', async () => {
  const failure = bootstrap({ ...debootstrap, keyringRef: { name: 'keys' } });
  await expect(failure).rejects.toMatchObject({ reason: 'SecretMissing' });
  await expect(failure).rejects.toThrow('Secret keys with the key keyring.gpg');
});

test('a mirror is asked through the proxies of the build', async () => {
  const proxies = { httpProxy: 'http://proxy:1', httpsProxy: '', noProxy: 'local' };
  const { call } = await bootstrap(debootstrap, {}, { proxies });
  expect(call.env).toMatchObject({ http_proxy: 'http://proxy:1', https_proxy: 'http://proxy:1', no_proxy: 'local' });
});

test('a suite that cannot be made is reported with the last lines', async () => {
  const { programs } = workshop().ports;
  const run = () => Promise.reject(new FailedProgram('mmdebstrap', 'ended with 25', ['E: no such suite']));
  await expect(bootstrap(debootstrap, {}, { programs: { ...programs, run } })).rejects.toMatchObject({
    reason: 'BaseFailed',
    message: expect.stringContaining('bookworm cannot be made from http://mirror.example/debian') as unknown,
    lines: ['E: no such suite'],
  });
});

test('a base is reported without what a URL may hide', () => {
  expect(describeBase({ http: { url: 'https://u:p@example.org/a.tar?token=x', sha256: '' } })).toBe(
    'https://example.org/a.tar',
  );
  expect(describeBase({ debootstrap })).toBe('bookworm from http://mirror.example/debian');
});
