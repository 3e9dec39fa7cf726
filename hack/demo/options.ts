import { parseArgs } from 'node:util';

export type Cluster = 'own' | 'existing' | 'kind';

export interface Options {
  cluster: Cluster;
  /** Remove everything again at the end. */
  down: boolean;
  help: boolean;
}

export const usage = `Monoroot from nothing, on real input: a Kubernetes cluster with three nodes, three versions of Debian 12, two containers,
an upgrade that works and one that does not, a fleet that rolls to a new default version and is halted by a bad one. Every claim that it prints at the end has been checked.

  npm run demo                  in a cluster of its own on this machine (Linux, root, Go; see hack/cluster); the cluster stays
  npm run demo -- --kind        in kind, where there is Docker
  npm run demo -- --existing    in the cluster of $KUBECONFIG; uses the Monoroot that is installed there, else installs it
  npm run demo -- --down        removes everything at the end, with any of the above

It can be run again: it removes what an earlier run has left, and builds nothing twice.
`;

/** Throws on arguments that it does not know. */
export function parseOptions(args: string[]): Options {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args,
    options: { kind: flag, existing: flag, down: flag, help: { ...flag, short: 'h' } },
  });
  if (values.kind && values.existing) throw new Error('--kind and --existing cannot both be: choose one');
  return { cluster: values.kind ? 'kind' : values.existing ? 'existing' : 'own', down: values.down, help: values.help };
}
