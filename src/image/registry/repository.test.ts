import { expect, test } from 'vitest';
import { atMirror, parseRepository, urlOf } from './repository.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test.each([
  ['registry.example.com/os/debian-12:v36', 'registry.example.com', 'os/debian-12'],
  ['registry:5000/os', 'registry:5000', 'os'],
  ['registry:5000/os:v1', 'registry:5000', 'os'],
  ['docker.io/debian:bookworm', 'index.docker.io', 'library/debian'],
  ['docker.io/bitnami/nginx', 'index.docker.io', 'bitnami/nginx'],
])('%s is in a registry under a name', (reference, host, name) => {
  expect(parseRepository(reference)).toEqual({ host, name, plainHTTP: false });
});

test('a blob has a URL, and so has a manifest', () => {
  expect(urlOf(parseRepository('registry:5000/os'), 'manifests', digest)).toBe(
    `https://registry:5000/v2/os/manifests/${digest}`,
  );
  expect(urlOf(parseRepository('registry:5000/os:v1', true), 'blobs', digest)).toBe(
    `http://registry:5000/v2/os/blobs/${digest}`,
  );
});

test('a mirror is asked for the registry that is meant, under its own path', () => {
  const repository = parseRepository('registry.example.com/os:v1');
  expect(urlOf(atMirror(repository, 'http://127.0.0.1:30020', 'registry.example.com'), 'manifests', digest)).toBe(
    `http://127.0.0.1:30020/v2/os/manifests/${digest}?ns=registry.example.com`,
  );
  expect(urlOf(atMirror(repository, 'http://127.0.0.1:30020', 'registry.example.com'), 'blobs', digest)).toBe(
    `http://127.0.0.1:30020/v2/os/blobs/${digest}?ns=registry.example.com`,
  );
  expect(urlOf(atMirror(repository, 'https://cache.example.com/hub/', 'registry.example.com'), 'blobs', digest)).toBe(
    `https://cache.example.com/v2/hub/os/blobs/${digest}?ns=registry.example.com`,
  );
});
