import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { fieldManagers } from '../../src/api/names.ts';
import { hostedContainers } from '../../src/kube/kinds.ts';
import { pods } from '../../src/kube/resources.ts';
import { findCondition, isTrue } from '../../src/runtime/conditions.ts';
import { conditionRows, eventsOf } from '../lib/kube/explain.ts';
import { waitFor } from '../lib/kube/wait.ts';
import { duration, table } from '../lib/terminal.ts';
import { waitForContainer } from './containers.ts';
import { ask, containerNamed, showLines } from './demo.ts';
import type { Demo } from './demo.ts';
import { container, customersPage, demoNamespace, os } from './objects.ts';
import { waitForPage } from './serve.ts';
import { setImage } from './upgrade.ts';

const at = { namespace: demoNamespace, name: 'web-1' };
const good = `${os}:v2`;
const bad = `${os}:v3`;
/** What nginx of v3 says; see hack/osimages. */
const mistake = 'unknown directive "lissen"';

const reasonOf = ({ status }: HostedContainer, type: string) => findCondition(status?.conditions, type)?.reason;
const isServing = ({ status }: HostedContainer) => status?.image === good && isTrue(status.conditions, 'Ready');

/** Upgrades to a version that does not start, and looks at what became of it. */
export async function revert(demo: Demo): Promise<void> {
  const { claims } = demo;
  const began = performance.now();
  await setImage(demo, 'web-1', 'v3');
  const after = await waitForContainer(
    demo,
    'web-1',
    'has gone back',
    (c) => reasonOf(c, 'Upgraded') === 'Reverted' && isServing(c),
  );
  const seconds = (performance.now() - began) / 1000;
  showLines(demo, table(conditionRows(after)));
  claims.check('reverted', {
    [`${good} is Ready again, ${duration(seconds)} after v3 was asked for`]: isServing(after),
    [`spec.image says ${good}`]: after.spec.image === good,
    [`and ${fieldManagers.revert} wrote it`]: managerOfImage(after) === fieldManagers.revert,
  });

  await checkExplained(demo, after);
  const page = await waitForPage(demo, 'web-1', customersPage);
  claims.check('unharmed', {
    'the page of web-1 is served': page.includes(customersPage),
    'its data is there': (await ask(demo, 'web-1', 'cat /data/kept')) === 'data of web-1',
    'web-2 was not touched': isTrue((await containerNamed(demo, 'web-2')).status?.conditions, 'Ready'),
  });
}

/** Why it failed is reported wherever somebody may look. */
async function checkExplained(demo: Demo, { status = {} }: HostedContainer): Promise<void> {
  const told = await eventsOf(demo.kubectl, hostedContainers, at);
  const { type, note } = { type: 'No', note: 'UpgradeReverted', ...told.find((e) => e.reason === 'UpgradeReverted') };
  showLines(demo, ['', `${type} event:`, ...note.split('\n').map((line) => `  ${line}`)]);
  const upgraded = findCondition(status.conditions, 'Upgraded');
  const entry = status.failedImages?.find((failed) => failed.image === bad);
  const last = status.history?.[0];
  demo.claims.check('explained', {
    'the condition Upgraded is False, Reverted': upgraded?.status === 'False' && upgraded.reason === 'Reverted',
    [`the event UpgradeReverted has the log: ${mistake}`]: type === 'Warning' && note.includes(mistake),
    [`the ledger has ${bad}, with the log too`]: entry?.message.includes(mistake) === true,
    [`the history has ${bad}: Reverted`]: last?.image === bad && last.outcome === 'Reverted',
  });
}

/** Who owns `spec.image`, as the API server knows it. */
function managerOfImage({ metadata }: HostedContainer): string | undefined {
  const { managedFields } = metadata as {
    managedFields?: { manager: string; fieldsV1?: Record<string, Record<string, unknown>> }[];
  };
  return managedFields?.find(({ fieldsV1 }) => fieldsV1?.['f:spec']?.['f:image'] !== undefined)?.manager;
}

/** Writes v3 again, as a GitOps tool does whose repository still says so. */
export async function insist(demo: Demo): Promise<void> {
  const { kubectl, claims, screen } = demo;
  const pod = await kubectl.get(pods, at);
  screen.line(
    `  ${screen.paint('cyan', '$ kubectl apply --server-side --force-conflicts --field-manager=gitops -f web-1.yaml   # with v3')}`,
  );
  await kubectl.apply(container('web-1', 'v3'), 'gitops');
  const seen = await waitForContainer(demo, 'web-1', 'refuses it', (c) => reasonOf(c, 'Upgraded') === 'FailedBefore');
  showLines(demo, table(conditionRows(seen)));
  const later = await watchFor(demo, 5);
  claims.check('failedBefore', {
    'the condition Upgraded is False, FailedBefore':
      findCondition(later.status?.conditions, 'Upgraded')?.status === 'False',
    'Stalled is True: a person must act': isTrue(later.status?.conditions, 'Stalled'),
    'spec.image stays what the tool wrote': later.spec.image === bad,
    [`${good} runs on in the same Pod`]:
      isServing(later) && (await kubectl.get(pods, at))?.metadata.uid === pod?.metadata.uid,
    'and v3 was tried once': later.status?.failedImages?.[0]?.attempts === 1,
  });

  await setImage(demo, 'web-1', 'v2');
  const settled = await waitForContainer(demo, 'web-1', 'is settled', (c) => isTrue(c.status?.conditions, 'Upgraded'));
  claims.check('settled', {
    'Upgraded is True, Stalled is False': !isTrue(settled.status?.conditions, 'Stalled') && isServing(settled),
    'still in the same Pod': (await kubectl.get(pods, at))?.metadata.uid === pod?.metadata.uid,
  });
}

/** Nothing happens: that can only be seen by looking for a while. */
function watchFor(demo: Demo, seconds: number): Promise<HostedContainer> {
  const until = performance.now() + seconds * 1000;
  const look = async () =>
    performance.now() > until ? { done: await containerNamed(demo, 'web-1') } : { waiting: 'watching' };
  return waitFor(`Nothing more happens in ${seconds} s`, look, { seconds: seconds + 30, screen: demo.screen });
}
