import { describe, expect, test } from 'vitest';
import { container, node, osImage } from '../../../test/fixtures/builders.ts';
import { claimFromTemplate } from '../../pod/claim.ts';
import { versions, world, running } from '../../../test/fixtures/upgrading.ts';

describe('software, services and data', () => {
  const jdk = { name: 'jdk', osImage: 'jdk:21' };

  test('a container waits for stored software, and the condition says what is missing where', () => {
    const w = world({ software: [jdk] });
    w.settle();
    expect(w.pod).toBeUndefined();
    expect(w.condition('Upgraded')).toBe('Unknown/SoftwareNotReady');
    w.images.set('jdk:21', osImage('jdk:21'));
    w.settle();
    expect(w.object.status?.conditions?.find((c) => c.type === 'Upgraded')?.message).toContain(
      'jdk:21 is not on node-1',
    );
    w.nodes = [node('node-1', [...versions, 'jdk:21'])];
    w.pass(15);
    expect(w.condition('Ready')).toBe('True/Running');
    expect(w.actions.find((a) => a.type === 'CreatePod')?.pod.spec.containers[0]?.volumeMounts).toContainEqual({
      name: 'sw-jdk',
      mountPath: '/sw/jdk',
      readOnly: true,
      recursiveReadOnly: 'Enabled',
    });
  });

  test('other software restarts the container, but not before it is on the node', () => {
    const w = running({ software: [{ name: 'tool', image: 'registry/tool:1' }] });
    const before = w.pod?.metadata.uid;
    w.edit({ software: [jdk] });
    w.pass(30);
    expect(w.pod?.metadata.uid).toBe(before);
    w.images.set('jdk:21', osImage('jdk:21'));
    w.nodes = [node('node-1', [...versions, 'jdk:21'])];
    w.pass(15);
    expect(w.pod?.metadata.uid).not.toBe(before);
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('a container keeps running when the OSImage of its software is deleted', () => {
    const w = world({ software: [jdk] });
    w.images.set('jdk:21', osImage('jdk:21'));
    w.nodes = [node('node-1', [...versions, 'jdk:21'])];
    w.settle();
    w.pass(15);
    const before = w.pod?.metadata.uid;
    w.images.delete('jdk:21');
    w.pass(30);
    expect(w.pod?.metadata.uid).toBe(before);
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('a claim is made from its template before the Pod, and the container waits for it only with whenDeleted Delete', () => {
    const claimTemplate = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
    const w = world({ data: { claimTemplate } });
    w.data = (c) => {
      const toCreate = claimFromTemplate(c);
      return w.claim || !toCreate ? {} : { toCreate };
    };
    w.settle();
    expect(w.actions.map((a) => a.type)).toEqual(['CreateClaim', 'CreatePod']);
    expect(w.claim).toMatchObject({ metadata: { name: 'web-data' }, spec: claimTemplate });
    w.edit({ data: { claimTemplate, whenDeleted: 'Delete' } });
    w.pass(15);
    expect(w.object.metadata.finalizers).toEqual(['monoroot.dev/data']);
    expect(w.claim?.metadata.ownerReferences).toBeUndefined();
    w.edit({ data: { claimTemplate } });
    w.pass(15);
    expect(w.object.metadata.finalizers).toBeUndefined();
    expect(w.actions.filter((a) => a.type === 'CreatePod')).toHaveLength(1);
  });

  test('data that cannot be mounted keeps the old Pod, and says why', () => {
    const w = running();
    const before = w.pod?.metadata.uid;
    w.data = () => ({ problem: 'PersistentVolumeClaim gone does not exist: create it, or change spec.data' });
    w.edit({ data: { claimName: 'gone' } });
    w.pass(60);
    expect(w.pod?.metadata.uid).toBe(before);
    expect(w.condition('Upgraded')).toBe('Unknown/DataUnavailable');
    expect(w.condition('Stalled')).toBe('True/DataUnavailable');
    expect(w.condition('Reconciling')).toBe('False/Settled');
  });

  test('with node-bound data the image must be on the node of the data', () => {
    const w = world({ data: { claimName: 'data' } });
    w.nodes = [node('node-1', versions), node('node-2')];
    const terms = [
      { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In' as const, values: ['node-2'] }] },
    ];
    w.data = () => ({ affinity: { nodeSelectorTerms: terms } });
    w.settle();
    expect(w.pod).toBeUndefined();
    const message = w.object.status?.conditions?.find((c) => c.type === 'Ready')?.message;
    expect(message).toContain('that can reach the data (claim data)');
    expect(message).toContain('os:v1 is not on node-2');
    w.nodes = [node('node-1', versions), node('node-2', ['os:v1'])];
    w.pass(15);
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('services need no command', () => {
    const { command: _none, ...spec } = container({ image: 'os:v1', services: true, data: { claimName: 'data' } }).spec;
    const w = world(spec);
    w.object = { ...w.object, spec };
    w.settle();
    expect(w.pod?.spec.containers[0]?.env).toContainEqual({ name: 'MONOROOT_SERVICES', value: 'true' });
  });

  test('a container on a node that does not answer is not Ready, and no second Pod is made', () => {
    const w = running();
    w.nodes = [node('node-1', versions, { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] })];
    const pod = w.pod;
    if (pod) w.pod = { ...pod, status: { ...pod.status, conditions: [{ type: 'Ready', status: 'False' }] } };
    w.reconcile();
    expect(w.condition('Ready')).toBe('False/NodeUnreachable');
    expect(w.pod?.metadata.uid).toBe(pod?.metadata.uid);
  });
});
