// A thread that keeps `crowd` lists running until it is terminated. It posts a message for each answer.
import { parentPort, workerData } from 'node:worker_threads';
import { KubeConfig } from '@kubernetes/client-node';
import { createConnection } from '../../../src/kube/connection.ts';

const { config, list, crowd } = workerData as { config: string; list: string; crowd: number };
const kubeConfig = new KubeConfig();
kubeConfig.loadFromString(config);
const failed = (error: unknown) => {
  // Refusals of a full queue are part of a crowd.
  if (!(error instanceof Error && 'code' in error && error.code === 429)) throw error;
};
const member = async () => {
  const connection = createConnection({ config: kubeConfig, userAgent: 'bench-crowd', timeoutSeconds: 120 });
  for (;;) {
    await connection.request({ method: 'GET', path: list }).catch(failed);
    parentPort?.postMessage('answered');
  }
};
await Promise.all(Array.from({ length: crowd }, member));
