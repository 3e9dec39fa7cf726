import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binaryDirectory } from '../fixtures/binaries.ts';

/** Runs these controllers of Kubernetes itself, such as job-controller, until it is stopped. */
export function startControllerManager(kubeconfig: string, ...controllers: string[]): { stop(): Promise<void> } {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-controllers-'));
  const log = openSync(join(directory, 'log'), 'a');
  const flags = [
    `--kubeconfig=${kubeconfig}`,
    `--controllers=${controllers.join(',')}`,
    '--leader-elect=false',
    '--secure-port=0',
  ];
  const child = spawn(join(binaryDirectory(), 'kube-controller-manager'), flags, { stdio: ['ignore', log, log] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  return {
    async stop() {
      process.off('exit', kill);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null) {
        kill();
        await ended;
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
