import { expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { readCredentials } from './credentials.ts';

const source = {
  url: 'https://example.org/a.tar',
  sha256: 'a'.repeat(64),
  secretRef: { name: 'login' },
  caRef: { name: 'ca' },
};

async function read(secrets: Record<string, Record<string, string>>): Promise<unknown> {
  const credentials = readCredentials(source, (name) => Promise.resolve(secrets[name]));
  return credentials.catch((error: unknown) =>
    error instanceof FetchError ? `${error.reason}: ${error.message}` : error,
  );
}

const ca = { 'ca.crt': 'PEM' };

test('a token becomes a bearer, without the line break that editors add', async () => {
  expect(await read({ login: { token: 't\n' }, ca })).toEqual({ authorization: 'Bearer t', ca: 'PEM' });
});

test('a user name and a password become basic credentials', async () => {
  const expected = `Basic ${Buffer.from('u:p').toString('base64')}`;
  expect(await read({ login: { username: 'u', password: 'p' }, ca })).toEqual({ authorization: expected, ca: 'PEM' });
});

test('a source without references needs no Secret', async () => {
  const { url, sha256 } = source;
  expect(await readCredentials({ url, sha256 }, () => Promise.reject(new Error('not to be asked')))).toEqual({});
});

test.each([
  ['that does not exist', { ca }, 'no Secret login'],
  ['without the keys', { login: { pass: 'geheim' }, ca }, 'Secret login has neither'],
  ['without a certificate', { login: { token: 't' }, ca: { 'tls.crt': 'x' } }, 'Secret ca has no key ca.crt'],
])('a Secret %s is reported by name', async (_name, secrets, said) => {
  const failure = await read(secrets);
  expect(failure).toContain('SecretMissing');
  expect(failure).toContain(said);
  expect(failure).not.toContain('geheim');
});

test('a Secret that may not be read is reported as such', async () => {
  const failure = readCredentials(source, () => Promise.reject(new Error('forbidden')));
  await expect(failure).rejects.toThrow('Secret login cannot be read: forbidden');
});
