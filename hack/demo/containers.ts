import { hostedContainers } from '../../src/kube/kinds.ts';
import { pods } from '../../src/kube/resources.ts';
import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { findCondition, isTrue } from '../../src/runtime/conditions.ts';
import { conditionRows, explain } from '../lib/kube/explain.ts';
import { waitFor } from '../lib/kube/wait.ts';
import { table } from '../lib/terminal.ts';
import { programImage } from './cluster.ts';
import { ask, containerNamed, show, showLines } from './demo.ts';
import type { Demo } from './demo.ts';
import { container, containers, data, dataMaker, demoNamespace, os } from './objects.ts';
import { waitForPage } from './serve.ts';
import { storeBytes } from './store.ts';

/** Starts both containers on v1, each with data of its own; resolves to the bytes of the store before that. */
export async function startContainers(demo: Demo): Promise<number> {
  const { kubectl, screen, claims, home } = demo;
  const before = await storeBytes(demo);
  await kubectl.apply([dataMaker(home, await programImage(demo))], 'demo');
  await waitFor(`Directories for the data are on ${home}`, async () => {
    const phase = (await kubectl.get(pods, { namespace: demoNamespace, name: 'make-data' }))?.status?.phase;
    return phase === 'Succeeded' ? { done: undefined } : { waiting: phase ?? 'no Pod' };
  }, { seconds: 60, screen, explain: () => explain(kubectl, pods, { namespace: demoNamespace, name: 'make-data' }) }); // prettier-ignore
  await kubectl.apply(containers.flatMap((name) => [...data(name, home), ...container(name, 'v1')]), 'demo'); // prettier-ignore
  for (const name of containers) await waitForImage(demo, name, 'v1');
  await show(demo, '-n', demoNamespace, 'get', 'hostedcontainers', '-o', 'wide');
  screen.line(`  ${screen.paint('cyan', 'The conditions of web-1')}`);
  showLines(demo, table(conditionRows(await containerNamed(demo, 'web-1'))));

  const facts: Record<string, boolean> = {};
  for (const name of containers) {
    const page = await waitForPage(demo, name, `${os}:v1`);
    showLines(demo, page.split('\n').slice(-2));
    facts[`another Pod gets a page from ${name} that names it and ${os}:v1`] = page.includes(name);
    await ask(demo, name, `echo 'data of ${name}' >/data/kept`);
  }
  for (const name of containers)
    facts[`${name} has its own data`] = (await ask(demo, name, 'cat /data/*')) === `data of ${name}`;
  claims.check('running', facts);
  return before;
}

/** Waits until the container runs that version and has proved good. */
export function waitForImage(demo: Demo, name: string, version: string): Promise<HostedContainer> {
  const image = `${os}:${version}`;
  return waitForContainer(demo, name, `runs ${image}`, ({ status }) => {
    return (
      status?.image === image &&
      status.lastKnownGoodImage === image &&
      isTrue(status.conditions, 'Upgraded') &&
      isTrue(status.conditions, 'Ready')
    );
  });
}

/** Waits until the container is as it should be, showing its conditions meanwhile. */
export function waitForContainer(
  demo: Demo,
  name: string,
  description: string,
  is: (container: HostedContainer) => boolean,
): Promise<HostedContainer> {
  const { kubectl, screen } = demo;
  const at = { namespace: demoNamespace, name };
  const why = async () => [await explain(kubectl, hostedContainers, at), await explain(kubectl, pods, at)].join('\n');
  const look = async () => {
    const seen = await containerNamed(demo, name);
    const current = seen.status?.observedGeneration === seen.metadata.generation;
    return current && is(seen) ? { done: seen } : { waiting: describe(seen) };
  };
  return waitFor(`${name} ${description}`, look, { seconds: 180, screen, explain: why });
}

function describe({ status }: HostedContainer): string {
  const reasons = ['Upgraded', 'Ready'].map(
    (type) => `${type}: ${findCondition(status?.conditions, type)?.reason ?? 'not yet known'}`,
  );
  return reasons.join(', ');
}
