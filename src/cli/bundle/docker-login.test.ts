import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { dockerLogin } from './docker-login.ts';

/** A machine with this config.json, and a helper `docker-credential-desk` that is this shell script. */
function machine(config: unknown, helper?: string) {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-login-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config));
  if (helper !== undefined)
    writeFileSync(join(directory, 'docker-credential-desk'), `#!/bin/sh\n${helper}\n`, { mode: 0o755 });
  return { DOCKER_CONFIG: directory, PATH: `${directory}:/bin:/usr/bin` };
}
const host = 'registry.example.com';
const auth = (text: string) => Buffer.from(text).toString('base64');
const secretOf = (entry: object, at = host) => ({ '.dockerconfigjson': JSON.stringify({ auths: { [at]: entry } }) });
const answers = (user: string, secret: string) =>
  `read key; echo "$key" >&2; echo '{"Username":"${user}","Secret":"${secret}"}'`;

test('uses the login that config.json has', async () => {
  const env = machine({ auths: { [host]: { auth: auth('me:word') }, other: { auth: auth('you:x') } } });
  expect(await dockerLogin(host, env)).toEqual(secretOf({ auth: auth('me:word') }));
});

test.each([
  ['of all registries', { credsStore: 'desk' }],
  ['of this registry', { credHelpers: { [host]: 'desk' }, credsStore: 'missing' }],
])('asks the credential helper %s, which docker leaves an empty entry for', async (_what, config) => {
  const env = machine({ auths: { [host]: {} }, ...config }, answers('me', 'word'));
  expect(await dockerLogin(host, env)).toEqual(secretOf({ auth: auth('me:word') }));
});

test('takes a token of a helper for an identity token', async () => {
  const env = machine({ credsStore: 'desk' }, answers('<token>', 'refresh'));
  expect(await dockerLogin(host, env)).toEqual(secretOf({ identitytoken: 'refresh', auth: auth('<token>:') }));
});

test('asks for Docker Hub under the name that docker uses', async () => {
  const script = `read key; [ "$key" = https://index.docker.io/v1/ ] || exit 1; echo '{"Username":"me","Secret":"word"}'`;
  const found = await dockerLogin('docker.io', machine({ credsStore: 'desk' }, script));
  expect(found).toEqual(secretOf({ auth: auth('me:word') }, 'docker.io'));
});

test('has no login when the helper has none, and none of config.json', async () => {
  const none = 'echo "credentials not found in native keychain"; exit 1';
  expect(await dockerLogin(host, machine({ auths: { [host]: {} }, credsStore: 'desk' }, none))).toBeUndefined();
  expect(await dockerLogin(host, machine({}))).toBeUndefined();
  expect(await dockerLogin(host, { DOCKER_CONFIG: '/nonexistent' })).toBeUndefined();
});

test.each([
  [
    'is not installed',
    { credsStore: 'gone' },
    undefined,
    /docker-credential-gone .* is not installed|not installed; log in again/,
  ],
  ['fails', { credsStore: 'desk' }, 'echo "the keychain is locked" >&2; exit 1', /the keychain is locked/],
  ['prints no JSON', { credsStore: 'desk' }, 'echo s3cret', /its answer is not valid/],
  ['has a name that leads elsewhere', { credsStore: '../x' }, undefined, /is no name of a credential helper/],
])('says clearly that a helper %s', async (_what, config, script, message) => {
  const problem = await dockerLogin(host, machine(config, script)).catch((error: unknown) => error as Error);
  expect(problem).toBeInstanceOf(Error);
  expect((problem as Error).message).toMatch(message);
  expect((problem as Error).message).not.toContain('s3cret');
});

test('says which file is broken', async () => {
  await expect(dockerLogin(host, machine('{'))).rejects.toThrow(/config\.json is no configuration of docker/);
});
