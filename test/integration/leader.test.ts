import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { leasePort } from '../../src/kube/leases.ts';
import { leases } from '../../src/kube/resources.ts';
import { LeaderElector, LeadershipLostError } from '../../src/runtime/leader.ts';
import { aborted } from '../../src/runtime/time.ts';
import { connect, createNamespace, logger } from './environment.ts';
import type { Connected } from './environment.ts';
import { eventually } from './eventually.ts';
import { startTcpProxy } from './tcpproxy.ts';
import type { TcpProxy } from './tcpproxy.ts';

const kubeconfig = inject('kubeconfig');
const direct = connect(kubeconfig);
let proxy: TcpProxy;
let remote: Connected;
let namespace: string;
const started: Candidate[] = [];

beforeAll(async () => {
  const url = new URL(inject('apiServerUrl'));
  proxy = await startTcpProxy(Number(url.port));
  remote = connect(kubeconfig, { url: `https://127.0.0.1:${proxy.port}` });
  namespace = await createNamespace(direct.client);
});
afterEach(async () => {
  for (const candidate of started.splice(0)) await candidate.stop().catch(() => undefined);
});
afterAll(() => Promise.all([direct.connection.close(), remote.connection.close(), proxy.close()]));

interface Candidate {
  elector: LeaderElector;
  outcome: Promise<unknown>;
  leadSignal: () => AbortSignal | undefined;
  stop(): Promise<unknown>;
}

function candidate(name: string, identity: string, { client }: Connected): Candidate {
  const elector = new LeaderElector({
    lease: leasePort(client, { namespace, name }),
    identity,
    logger,
    leaseSeconds: 3,
    renewDeadlineSeconds: 2,
    retrySeconds: 0.2,
  });
  const stop = new AbortController();
  let lead: AbortSignal | undefined;
  const outcome = elector
    .run(stop.signal, async (signal) => {
      lead = signal;
      await aborted(signal);
    })
    .catch((error: unknown) => error);
  const result: Candidate = {
    elector,
    outcome,
    leadSignal: () => lead,
    stop: () => {
      stop.abort();
      return outcome;
    },
  };
  started.push(result);
  return result;
}

const expectLeader = ({ elector }: Candidate) => eventually(() => expect(elector.isLeader()).toBe(true));
const holder = async (name: string) => (await direct.client.get(leases, { namespace, name }))?.spec;

test('one of two leads, and the other at once when the first gives it back', async () => {
  const one = candidate('release', 'one', direct);
  await expectLeader(one);
  const two = candidate('release', 'two', direct);
  await eventually(async () => {
    const { renewTime, acquireTime } = (await holder('release')) ?? {};
    expect(renewTime).not.toBe(acquireTime);
  });
  expect(two.elector.isLeader()).toBe(false);

  const before = performance.now();
  expect(await one.stop()).toBeUndefined();
  expect(one.elector.isLeader()).toBe(false);
  await expectLeader(two);
  // Had it waited for the lease to expire, it would have taken three seconds.
  expect(performance.now() - before).toBeLessThan(2000);
  expect(await holder('release')).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 });
  await two.stop();
  expect(await holder('release')).toMatchObject({ holderIdentity: '' });
});

test('a leader that is cut off stops before the other starts', async () => {
  const one = candidate('lost', 'one', remote);
  await expectLeader(one);
  const two = candidate('lost', 'two', direct);
  let both = false;
  const watching = setInterval(() => (both ||= one.elector.isLeader() && two.elector.isLeader()), 5);

  proxy.cut();
  expect(await one.outcome).toBeInstanceOf(LeadershipLostError);
  expect(one.elector.isLeader()).toBe(false);
  expect(one.leadSignal()?.aborted).toBe(true);
  await expectLeader(two);
  clearInterval(watching);
  proxy.fix();
  expect(both).toBe(false);
});
