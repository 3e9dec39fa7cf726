import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathOf } from '../../src/kube/resources.ts';
import { waitForServiceProxy } from '../lib/kube/service-proxy.ts';
import { waitFor } from '../lib/kube/wait.ts';
import { mebibytes } from '../lib/terminal.ts';
import { programImage } from './cluster.ts';
import { script } from './demo.ts';
import type { Demo } from './demo.ts';
import { demoNamespace, files, namespace, os, port, versions, webServer } from './objects.ts';

/** An archive that the web server has: its version and what it must hash to. */
export interface Served {
  version: string;
  sha256: string;
  /** Of the archive. */
  bytes: number;
}

const services = { group: '', version: 'v1', plural: 'services', kind: 'Service', namespaced: true };
const proxy = `${pathOf(services, { namespace: demoNamespace, name: `${files}:${port}` })}/proxy`;
const target = { namespace: demoNamespace, name: `deployment/${files}` };

/** Builds the archives where they are missing, starts a web server in the cluster and gives them to it. */
export async function serve(demo: Demo): Promise<Served[]> {
  const { kubectl, claims, screen } = demo;
  const archives = (await script(screen, 'hack/osimages', ['debian'], { answers: true })).trim().split('\n');
  const source = await readFile(join(import.meta.dirname, 'webserver.ts'), 'utf8');
  await kubectl.apply([namespace, ...webServer(await programImage(demo), source)], 'demo');
  await kubectl.run(['-n', demoNamespace, 'rollout', 'status', `deployment/${files}`, '--timeout=120s']);
  await waitForServiceProxy(kubectl, `${proxy}/`, screen);

  const served: Served[] = [];
  const facts: Record<string, boolean> = {};
  for (const version of versions) {
    const archive = archives.find((path) => basename(path) === `${os}-${version}.tar.zst`);
    if (archive === undefined) throw new Error(`hack/osimages made no ${os}-${version}.tar.zst`);
    const sha256 = (await readFile(`${archive}.sha256`, 'utf8')).split(' ')[0] ?? '';
    const { size } = await stat(archive);
    screen.progress(`  Bringing ${basename(archive)} to the web server, ${mebibytes(size)}`);
    facts[`${basename(archive)}, ${mebibytes(size)}, sha256 ${sha256.slice(0, 12)}…`] =
      (await bring(demo, archive)) === sha256;
    served.push({ version, sha256, bytes: size });
  }
  claims.check('served', facts);
  return served;
}

/**
 * Puts the file to the web server, through the API server, as the way into any cluster; resolves to what it hashes to there.
 * Not through `kubectl exec`: it may end the input of a command too early without saying so.
 */
async function bring({ kubectl }: Demo, archive: string): Promise<string> {
  return (await kubectl.run(['replace', '--raw', `${proxy}/${basename(archive)}`, '-f', archive])).trim();
}

/** Waits until the Service of that name answers another Pod with a page that has all of these texts; resolves to the page. */
export function waitForPage(demo: Demo, service: string, ...texts: string[]): Promise<string> {
  // A Pod that is Ready is behind its Service only a moment later.
  const look = async () => {
    const page = await fetchPage(demo, service);
    return texts.every((text) => page.includes(text)) ? { done: page } : { waiting: `it has ${page}` };
  };
  return waitFor(`The page of ${service} has ${texts.join(' and ')}`, look, { seconds: 30, screen: demo.screen });
}

async function fetchPage({ kubectl }: Demo, service: string): Promise<string> {
  const url = `http://${service}:${port}/`;
  const program = `fetch('${url}', { signal: AbortSignal.timeout(3000) }).then((r) => r.text()).then(console.log)
    .catch((error) => { console.error(String(error.cause ?? error)); process.exitCode = 1; })`;
  const { code, stdout, stderr } = await kubectl.shell(target, 'node --eval "$1"', program);
  if (code !== 0) throw new Error(`${url} does not answer: ${stderr.split('\n')[0] ?? ''}`);
  return stdout.trim();
}
