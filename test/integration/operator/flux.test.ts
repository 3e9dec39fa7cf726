import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFlux } from '../../../hack/lib/gitops/flux.ts';
import { startGit } from '../../../hack/lib/gitops/git-server.ts';
import type { GitServer } from '../../../hack/lib/gitops/git-server.ts';
import { container, fleet, image, namespaceFile, shops, stored } from '../../../hack/lib/gitops/repository.ts';
import type { Version } from '../../../hack/lib/gitops/repository.ts';
import type { Judgement, Tool } from '../../../hack/lib/gitops/tool.ts';
import { watchWrites, writesOf } from '../../../hack/lib/gitops/writes.ts';
import type { Write } from '../../../hack/lib/gitops/writes.ts';
import { createKubectl } from '../../../hack/lib/kube/kubectl.ts';
import type { Kubectl } from '../../../hack/lib/kube/kubectl.ts';
import { waitFor } from '../../../hack/lib/kube/wait.ts';
import { hostedContainers, imageDistributions, osImages } from '../../../src/kube/kinds.ts';
import { pods } from '../../../src/kube/resources.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import { missingBinaries } from '../../fixtures/binaries.ts';
import { sha256Of } from '../../fixtures/builders.ts';
import { openStage } from './stage.ts';
import { waitSeconds } from '../eventually.ts';

// A real Flux, with contrib/flux/cluster.yaml, and the real operator on one API server. Its programs are built by hand, as that takes minutes:
// hack/cluster binaries source-controller kustomize-controller

const missing = missingBinaries('source-controller', 'kustomize-controller', 'kubectl');
const quietSeconds = Number(process.env['MONOROOT_QUIET_SECONDS'] ?? 25);

let stage: Awaited<ReturnType<typeof openStage>>;
let kubectl: Kubectl;
let git: GitServer;
let flux: Tool;
let watches: ReturnType<typeof watchWrites>[];

beforeAll(async () => {
  if (missing.length > 0) return;
  stage = await openStage();
  for (const os of ['lab', 'fleet']) stage.behaviours.set(`${os}:v3`, 'crashes');
  kubectl = createKubectl(stage.cluster.kubeconfig);
  git = await startGit();
  flux = await startFlux(kubectl);
  watches = [watchWrites(kubectl, ['hctr', '-n', shops]), watchWrites(kubectl, ['imgdist'])];
}, 180_000);
afterAll(async () => {
  if (missing.length > 0) return;
  for (const watch of watches) watch.stop();
  await flux.stop();
  git.stop();
  await stage.close();
}, 180_000);

const of = (os: string, ...versions: Version[]): Record<string, string> =>
  Object.assign(
    {},
    ...versions.map((version) =>
      image(os, version, { reference: `registry.example.com/os/${os}:${version}`, digest: `sha256:${sha256Of(`${os}:${version}`)}` }),
    ),
  ) as Record<string, string>; // prettier-ignore
const pinned = (version: Version, more: object = {}) => ({
  ...container('shop', `lab:${version}`, 'RevertSpec'),
  ...container('keeper', `lab:${version}`, 'Hold', more),
});

const writes = (): Write[] => writesOf(watches.flatMap(({ seen }) => seen));
/** Commits, waits for what Flux says of that commit, and gives the writes of spec meanwhile as `NAME IMAGE MANAGER`. */
async function commit(
  message: string,
  files: Record<string, string | undefined>,
  health: Judgement['health'],
  wanted: Record<string, string> = {},
): Promise<{ said: Judgement; written: string[] }> {
  const before = new Set(writes().map(({ name, generation }) => `${name} ${generation}`));
  const id = await git.commit(message, files);
  const told = async (name: string) => {
    const it = await kubectl.get(hostedContainers, { name, namespace: shops });
    return findCondition(it?.status?.conditions, 'Upgraded')?.reason ?? 'none';
  };
  const said = await waitFor(
    `Flux says ${health} of "${message}"`,
    async () => {
      const it = await flux.judge();
      const reasons = await Promise.all(Object.keys(wanted).map(told));
      const isDone = it.health === health && it.commit === id && reasons.join() === Object.values(wanted).join();
      return isDone
        ? { done: it }
        : { waiting: `${it.health} of ${it.commit.slice(0, 7)}: ${it.message}; ${reasons.join()}` };
    },
    { seconds: 150, interval: 0.5 },
  );
  // The watches come after what the API server says, in their own time.
  const latest = [...(await kubectl.list(hostedContainers, { namespace: shops })), ...(await kubectl.list(imageDistributions))]; // prettier-ignore
  for (const { metadata } of latest) {
    const seen = () => writes().some((it) => it.name === metadata.name && it.generation === metadata.generation);
    await expect.poll(seen, { timeout: waitSeconds * 1000 }).toBe(true);
  }
  const written = writes().filter(({ name, generation }) => !before.has(`${name} ${generation}`)).map((it) => `${it.name} ${it.image} ${it.managers.join('+')}`); // prettier-ignore
  console.log([`${message}: ${said.health}: ${said.message}`, ...written].join('\n  '));
  return { said, written };
}

/** Revisions of all that anyone may write about the settled containers; how often Flux compared meanwhile. */
async function quiet(): Promise<{ rounds: number; changed: boolean }> {
  const revisions = async () =>
    JSON.stringify(
      [
        await kubectl.list(hostedContainers, { namespace: shops }),
        await kubectl.list(imageDistributions),
        await kubectl.list(osImages),
        await kubectl.list(pods, { namespace: shops }),
      ].map((list) => list.map(({ metadata }) => [metadata.name, metadata.resourceVersion])),
    );
  // A round more, in which what the last step began may end.
  const first = flux.rounds();
  // One in which something is still starting lasts as long as the health checks of Flux may: 3 min.
  await expect.poll(() => flux.rounds(), { timeout: 210_000 }).toBeGreaterThan(first);
  const [rounds, before] = [flux.rounds(), await revisions()];
  // Time itself is the subject here.
  const end = Date.now() + quietSeconds * 1000;
  await expect.poll(() => Date.now(), { timeout: quietSeconds * 1000 + 10_000, interval: 500 }).toBeGreaterThan(end);
  return { rounds: flux.rounds() - rounds, changed: before !== (await revisions()) };
}
const uids = async () =>
  (await kubectl.list(pods, { namespace: shops })).map(({ metadata }) => `${metadata.name} ${metadata.uid ?? ''}`).sort(); // prettier-ignore

test.skipIf(missing.length > 0)(
  `a real Flux and the operator agree from one version to the next${missing.length > 0 ? ` (skipped: there is no ${missing.join(', ')})` : ''}`,
  { timeout: 900_000 },
  async () => {
    const followers = { ...container('bikes', 'fleet', 'Hold'), ...container('books', 'fleet', 'Hold') };
    await git.commit('Nothing yet', {
      'infrastructure/namespace.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: { name: infrastructure }\n',
      ...namespaceFile,
    });
    await flux.follow(git);
    const images = { ...of('lab', 'v1', 'v2', 'v3'), ...of('fleet', 'v1') };
    const places = { ...stored('lab', 'v1'), ...stored('lab', 'v2'), ...stored('lab', 'v3'), ...fleet('fleet', 'v1') };
    // Images and their containers in one commit: that a container comes first is no failure.
    await commit('Good', { ...images, ...places, ...pinned('v1'), ...followers }, 'Healthy', { shop: 'UpToDate', books: 'UpToDate' }); // prettier-ignore
    await commit('Better', pinned('v2'), 'Healthy', { shop: 'UpToDate', keeper: 'UpToDate' });

    const failing = await commit('Failing', pinned('v3'), 'Degraded', { shop: 'FailedBefore', keeper: 'Held' });
    expect(failing.said.message).toContain('HostedContainer');
    expect(failing.written.filter((it) => it.startsWith('shop'))).toEqual([
      'shop lab:v3 kustomize-controller',
      'shop lab:v2 monoroot-revert',
      'shop lab:v3 kustomize-controller',
    ]);
    expect(failing.written.filter((it) => it.startsWith('keeper'))).toEqual(['keeper lab:v3 kustomize-controller']);
    const afterFailure = await quiet();
    expect(afterFailure.changed).toBe(false);
    expect(afterFailure.rounds).toBeGreaterThan(0);

    const running = await uids();
    const back = await commit('Back', pinned('v2'), 'Healthy', { shop: 'UpToDate', keeper: 'UpToDate' });
    expect(back.written.sort()).toEqual(['keeper lab:v2 kustomize-controller', 'shop lab:v2 kustomize-controller']);
    expect(await uids()).toEqual(running);
    await commit('Suspended', pinned('v2', { suspend: true }), 'Healthy');
    console.log(`Rounds without a write after the failure: ${afterFailure.rounds}`);
  },
);
