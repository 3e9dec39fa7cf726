import { z } from 'zod';
import type { Message } from './protobuf.ts';

/**
 * The messages that the plugin reads and writes, with their numbers from pkg/api/api.proto of github.com/containerd/nri v0.12.3
 * and from ttrpc's request.proto. Fields that are of no use here are left out.
 */

export const nriVersion = 'v0.12.3';

export const ttrpcRequest: Message = {
  1: { name: 'service', type: 'string' },
  2: { name: 'method', type: 'string' },
  3: { name: 'payload', type: 'bytes' },
  4: { name: 'timeoutNano', type: 'int' },
};
export const ttrpcResponse: Message = {
  1: { name: 'status', type: { 1: { name: 'code', type: 'int' }, 2: { name: 'message', type: 'string' } } },
  2: { name: 'payload', type: 'bytes' },
};

export const registerPluginRequest: Message = {
  1: { name: 'name', type: 'string' },
  2: { name: 'index', type: 'string' },
  3: { name: 'version', type: 'string' },
};
export const configureRequest: Message = {
  2: { name: 'runtimeName', type: 'string' },
  3: { name: 'runtimeVersion', type: 'string' },
  5: { name: 'requestTimeout', type: 'int' },
};
export const configureResponse: Message = { 2: { name: 'events', type: 'int' } };
/** What runs already is none of the plugin's business: only whether more of it follows. */
export const synchronizeRequest: Message = { 3: { name: 'more', type: 'bool' } };
export const synchronizeResponse: Message = { 2: { name: 'more', type: 'bool' } };

const mount: Message = {
  1: { name: 'destination', type: 'string' },
  2: { name: 'type', type: 'string' },
  3: { name: 'source', type: 'string' },
  4: { name: 'options', type: 'string', repeated: true },
};
export const createContainerRequest: Message = {
  1: {
    name: 'pod',
    type: {
      2: { name: 'name', type: 'string' },
      4: { name: 'namespace', type: 'string' },
      5: { name: 'labels', type: 'map' },
    },
  },
  2: {
    name: 'container',
    type: {
      1: { name: 'id', type: 'string' },
      3: { name: 'name', type: 'string' },
      6: { name: 'annotations', type: 'map' },
      7: { name: 'args', type: 'string', repeated: true },
      8: { name: 'env', type: 'string', repeated: true },
    },
  },
};
const adjustment: Message = {
  3: { name: 'mounts', type: mount, repeated: true },
  4: {
    name: 'env',
    type: { 1: { name: 'key', type: 'string' }, 2: { name: 'value', type: 'string' } },
    repeated: true,
  },
  9: { name: 'args', type: 'string', repeated: true },
};
export const createContainerResponse: Message = { 1: { name: 'adjust', type: adjustment } };

/** What the runtime tells of a container that it is about to make, whoever's it is. */
export const created = z.object({
  pod: z
    .object({
      name: z.string().default(''),
      namespace: z.string().default(''),
      labels: z.record(z.string(), z.string()).default({}),
    })
    .prefault({}),
  container: z
    .object({
      id: z.string().default(''),
      name: z.string().default(''),
      annotations: z.record(z.string(), z.string()).default({}),
      args: z.array(z.string()).default([]),
      env: z.array(z.string()).default([]),
    })
    .prefault({}),
});
export type Created = z.output<typeof created>;

export interface Adjustment {
  mounts: { destination: string; type: string; source: string; options: string[] }[];
  env: { key: string; value: string }[];
  args: string[];
}
