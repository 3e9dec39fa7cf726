import { expect, test } from 'vitest';
import { apiVersionOf, leases, nodes, pathOf, pods } from './resources.ts';

test('paths are those of the API', () => {
  expect(pathOf(pods, {})).toBe('/api/v1/pods');
  expect(pathOf(pods, { namespace: 'ns' })).toBe('/api/v1/namespaces/ns/pods');
  expect(pathOf(pods, { namespace: 'ns', name: 'a', subresource: 'log' })).toBe('/api/v1/namespaces/ns/pods/a/log');
  expect(pathOf(nodes, { namespace: '', name: 'n' })).toBe('/api/v1/nodes/n');
  expect(pathOf(leases, { namespace: 'ns', name: 'l' })).toBe('/apis/coordination.k8s.io/v1/namespaces/ns/leases/l');
  expect(apiVersionOf(leases)).toBe('coordination.k8s.io/v1');
});

test('a name cannot lead anywhere else', () => {
  expect(pathOf(nodes, { name: '../secrets/x?y' })).toBe('/api/v1/nodes/..%2Fsecrets%2Fx%3Fy');
  expect(() => pathOf(nodes, { name: '' })).toThrow('needs a name');
  expect(() => pathOf(pods, { name: 'a' })).toThrow('needs a namespace');
});
