import { expect, test } from 'vitest';
import { osImage } from '../../test/fixtures/builders.ts';
import type { Defaults } from './osimage.ts';
import { effectiveDefaults, namedSecrets } from './defaults.ts';
import { usableImage } from '../pod/usable-image.ts';

const secret = { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } };
const configMap = { name: 'SETTING', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } };
const field = { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } };
const literal = { name: 'LANG', value: 'C.UTF-8' };
const names = (defaults: Defaults | undefined) => defaults?.env?.map(({ name }) => name);

test('who maintains an image may name fields of the Pod, but no Secret and no ConfigMap', () => {
  const spec = { defaults: { command: ['/run'], env: [secret, configMap, field, literal] } };
  expect(effectiveDefaults(spec, undefined)).toEqual({ command: ['/run'], env: [field, literal] });
  expect(namedSecrets(spec)).toEqual(['PASSWORD', 'SETTING']);
  expect(namedSecrets({ defaults: { env: [field, literal] } })).toEqual([]);
});

test('of what was reported only literal values count', () => {
  expect(names(effectiveDefaults({}, { env: [secret, configMap, field, literal] }))).toEqual(['LANG']);
  expect(effectiveDefaults({}, undefined)).toBeUndefined();
});

test('a status that an earlier version wrote gives no Secret to a container', () => {
  const image = osImage('os:v1');
  const usable = usableImage({ ...image, status: { ...image.status, defaults: { env: [secret, literal] } } });
  expect(names(usable?.defaults)).toEqual(['LANG']);
});
