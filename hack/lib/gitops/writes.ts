import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Kubectl } from '../kube/kubectl.ts';

/** One change of the spec of an object. */
export interface Write {
  name: string;
  generation: number;
  image: string;
  /** The field managers whose entries changed with it, but for those of status. */
  managers: string[];
}

export interface Seen {
  name: string;
  generation: number;
  resourceVersion: string;
  image: string;
  /** `manager@time` of each entry of managedFields that is of no subresource. */
  entries: string[];
}

// No JSONPath: of several objects one after another kubectl prints only the first when there is a range in it.
const fields =
  '{{.metadata.name}}|{{.metadata.generation}}|{{.metadata.resourceVersion}}|{{.spec.image}}|' +
  '{{range .metadata.managedFields}}{{.manager}}@{{.time}}@{{with .subresource}}{{.}}{{end}},{{end}}{{"\\n"}}';

/** A line of the watch, as `fields` prints it. */
export function parse(line: string): Seen {
  const [name = '', generation = '', resourceVersion = '', image = '', managed = ''] = line.split('|');
  const entries = managed.split(',').flatMap((it) => {
    const [manager = '', time = '', subresource = ''] = it.split('@');
    return manager !== '' && subresource === '' ? [`${manager}@${time}`] : [];
  });
  return { name, generation: Number(generation), resourceVersion, image, entries };
}

/** The changes of spec among what was seen, in its order: an object's first sight is its creation. */
export function writesOf(seen: readonly Seen[]): Write[] {
  const last = new Map<string, Seen>();
  return seen.flatMap((it) => {
    const before = last.get(it.name);
    last.set(it.name, it);
    if (before?.generation === it.generation) return [];
    const managers = it.entries.filter((entry) => !before?.entries.includes(entry)).map((entry) => entry.split('@')[0] ?? ''); // prettier-ignore
    return [{ name: it.name, generation: it.generation, image: it.image, managers: [...new Set(managers)] }];
  });
}

/** Watches all objects of a kind from now on. */
export function watchWrites(kubectl: Kubectl, args: readonly string[]): { seen: Seen[]; stop(): void } {
  const seen: Seen[] = [];
  const child = spawn('kubectl', ['get', ...args, '--watch', '--show-managed-fields', '-o', `go-template=${fields}`], {
    env: kubectl.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface({ input: child.stdout }).on('line', (line) => seen.push(parse(line)));
  return { seen, stop: () => void child.kill() };
}
