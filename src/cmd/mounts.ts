import { storeRoot } from '../api/names.ts';
import { adjust } from '../mounts/adjust.ts';
import { runPlugin } from '../mounts/plugin.ts';
import { holdPresence } from '../mounts/presence.ts';
import { readTrees } from '../mounts/tree.ts';
import { runTasks } from '../runtime/lifecycle.ts';
import { runMain } from './program.ts';
import type { Program } from './program.ts';

/** The node plugin: gives containers with direct mounts what is theirs, when containerd makes them. It talks to nothing else. */
async function main({ env, logger, signal }: Program): Promise<void> {
  const trees = readTrees(env.STORE ?? storeRoot);
  const bundles = env.BUNDLES ?? '/run/containerd/io.containerd.runtime.v2.task/k8s.io';
  let registrations = 0;
  let isRegistered = false;
  await runTasks({
    signal,
    logger,
    graceSeconds: 5,
    tasks: [
      {
        name: 'nri',
        run: (s) =>
          runPlugin({
            socket: env.NRI_SOCKET ?? '/run/nri/nri.sock',
            adjust: (seen) => adjust(seen, trees, { bundles }),
            registered: (is) => {
              isRegistered = is;
              if (is) registrations += 1;
            },
            logger,
            signal: s,
          }),
      },
      {
        name: 'presence',
        run: (s) =>
          holdPresence(
            env.AGENT_SOCKET ?? '/var/lib/monoroot/run/mounts.sock',
            () => (isRegistered ? registrations : undefined),
            logger,
            s,
          ),
      },
    ],
  });
}

runMain(main);
