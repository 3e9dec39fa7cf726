import { join } from 'node:path';
import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { hostedContainers } from '../../src/kube/kinds.ts';
import { run } from '../lib/process.ts';
import type { Finished } from '../lib/process.ts';
import type { Kubectl } from '../lib/kube/kubectl.ts';
import { duration } from '../lib/terminal.ts';
import type { Screen } from '../lib/terminal.ts';
import type { Claims } from './claims.ts';
import { demoNamespace } from './objects.ts';

/** What every step works with. */
export interface Demo {
  screen: Screen;
  claims: Claims;
  kubectl: Kubectl;
  /** Ready nodes that take Pods. */
  nodes: string[];
  /** The node that both containers run on, so that they share its copy. */
  home: string;
}

export const root = join(import.meta.dirname, '../..');

/**
 * Runs a script of hack/, showing what it says and how long it has been at it; `answers` says that its stdout is not for
 * people. Throws when it fails; resolves to its stdout.
 */
export async function script(screen: Screen, name: string, args: string[], { answers = false } = {}): Promise<string> {
  const began = performance.now();
  let last = '';
  const onLine = (line: string, from: 'stdout' | 'stderr') => {
    last = line.trim();
    if (from === 'stderr' || !answers) screen.line(`  ${screen.paint('dim', line)}`);
  };
  const timer = setInterval(() => {
    screen.progress(`  ${name} … ${duration((performance.now() - began) / 1000)}`);
  }, 1000);
  try {
    const { code, stdout } = await run(join(root, name), args, { onLine });
    if (code !== 0) throw new Error(`${[name, ...args].join(' ')} failed with code ${code}: ${last}`);
    return stdout;
  } finally {
    clearInterval(timer);
  }
}

/** Shows a command and what it prints, as a user would see it. */
export async function show({ screen, kubectl }: Demo, ...args: string[]): Promise<void> {
  screen.line(`  ${screen.paint('cyan', `$ kubectl ${args.join(' ')}`)}`);
  for (const line of (await kubectl.run(args)).trimEnd().split('\n')) screen.line(`  ${line}`);
}

/** Shows lines of output, indented. */
export function showLines({ screen }: Demo, lines: readonly string[]): void {
  for (const line of lines) screen.line(`    ${line}`);
}

export async function containerNamed({ kubectl }: Demo, name: string): Promise<HostedContainer> {
  const container = await kubectl.get(hostedContainers, { namespace: demoNamespace, name });
  if (!container) throw new Error(`HostedContainer ${name} is gone`);
  return container;
}

/** Runs a shell command, which may run twice, as root in a container. */
export function shell({ kubectl }: Demo, container: string, command: string): Promise<Finished> {
  return kubectl.shell({ namespace: demoNamespace, name: container }, command);
}

/** What a shell command prints in a container, trimmed; throws when it fails. */
export async function ask(demo: Demo, container: string, command: string): Promise<string> {
  const { code, stdout, stderr } = await shell(demo, container, command);
  if (code !== 0) throw new Error(`In ${container}, '${command}' failed: ${stderr.trim()}`);
  return stdout.trim();
}
