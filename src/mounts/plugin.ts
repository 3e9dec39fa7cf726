import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { sleep } from '../runtime/time.ts';
import { Messages, refusal, request, response } from './connection.ts';
import type { Received } from './connection.ts';
import {
  configureRequest,
  configureResponse,
  createContainerRequest,
  createContainerResponse,
  created,
  nriVersion,
  registerPluginRequest,
  synchronizeRequest,
  synchronizeResponse,
} from './messages.ts';
import type { Adjustment, Created } from './messages.ts';
import { decode, encode } from './protobuf.ts';
import type { Fields } from './protobuf.ts';

export interface PluginOptions {
  /** Of NRI, on the node. */
  socket: string;
  /** Answers containerd, at once; undefined leaves the container as it is, throwing keeps it from being made. */
  adjust: (seen: Created) => Adjustment | undefined;
  /** containerd asks the plugin from now on, or no longer. */
  registered: (is: boolean) => void;
  logger: Logger;
  signal: AbortSignal;
}

/** containerd starts again in seconds, and each second without the plugin is one in which no container gets its mounts. */
const pauseMilliseconds = 500;
/** containerd answers at once, or is not what it should be. */
const registrationMilliseconds = 10_000;
/** CREATE_CONTAINER of NRI's events, as a bit. */
const createContainerEvent = 1 << 3;

/** Keeps the plugin registered, through every restart of containerd, until the signal aborts. */
export async function runPlugin(options: PluginOptions): Promise<void> {
  const { logger, signal } = options;
  let told: string | undefined;
  let isRegistered = false;
  const registered = (is: boolean) => {
    if (is !== isRegistered) options.registered(is);
    isRegistered = is;
  };
  while (!signal.aborted) {
    const why = await serveOnce({ ...options, registered }).catch((error: unknown) => messageOf(error));
    registered(false);
    // The socket is missing for as long as containerd is down: once is enough.
    if (!isStopping(signal) && why !== told) logger.warn({ why }, 'Lost the connection to NRI');
    told = why;
    await sleep(pauseMilliseconds, signal);
  }
}

/** Whether it aborted in the meantime. */
const isStopping = (signal: AbortSignal): boolean => signal.aborted;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** One connection, from its first byte to its last. Resolves with the reason why it ended. */
function serveOnce({ socket, adjust, registered, logger, signal }: PluginOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const trunk = connect(socket);
    const messages = new Messages();
    const timer = setTimeout(
      () => trunk.destroy(new Error('NRI did not register the plugin')),
      registrationMilliseconds,
    );
    const stop = () => trunk.destroy();
    signal.addEventListener('abort', stop, { once: true });
    const ready = () => {
      clearTimeout(timer);
      logger.info('Registered with NRI');
      registered(true);
    };
    trunk.once('connect', () => {
      const payload = encode(registerPluginRequest, { name: 'monoroot', index: '10', version: nriVersion });
      trunk.write(request(1, 'nri.pkg.api.v1alpha1.Runtime', 'RegisterPlugin', payload));
    });
    trunk.on('data', (chunk) => {
      try {
        for (const it of messages.push(chunk)) receive(it, trunk, { adjust, ready, logger });
      } catch (error) {
        // containerd goes on without the plugin, which comes back; `launch` starts no command without its mounts meanwhile.
        trunk.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
    trunk.once('error', reject);
    trunk.once('close', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      resolve('containerd closed it');
    });
  });
}

interface Handlers {
  adjust: PluginOptions['adjust'];
  ready: () => void;
  logger: Logger;
}

function receive(it: Received, trunk: Socket, handlers: Handlers): void {
  if (it.type === 'Response') {
    if (it.failure !== undefined) throw new Error(`NRI refused the plugin: ${it.failure}`);
    return;
  }
  switch (it.method) {
    case 'Configure': {
      const { runtimeName, runtimeVersion, requestTimeout } = decode(configureRequest, it.payload);
      handlers.logger.info({ runtimeName, runtimeVersion, requestTimeout }, 'Configured by NRI');
      trunk.write(response(it.stream, encode(configureResponse, { events: createContainerEvent })));
      return;
    }
    case 'Synchronize': {
      const { more = false } = decode(synchronizeRequest, it.payload);
      trunk.write(response(it.stream, encode(synchronizeResponse, { more })));
      if (!more) handlers.ready();
      return;
    }
    case 'CreateContainer':
      trunk.write(answer(it.stream, it.payload, handlers));
      return;
    default:
      trunk.write(response(it.stream, new Uint8Array()));
  }
}

function answer(stream: number, payload: Uint8Array, { adjust, logger }: Handlers): Buffer {
  const nothing = response(stream, new Uint8Array());
  const seen = parsed(payload, logger);
  if (!seen) return nothing;
  const of = { namespace: seen.pod.namespace, name: seen.pod.name };
  const began = performance.now();
  try {
    const adjustment = adjust(seen);
    if (!adjustment) return nothing;
    const milliseconds = Math.round((performance.now() - began) * 10) / 10;
    logger.info({ ...of, mounts: adjustment.mounts.length, milliseconds }, 'Gave a container its mounts');
    return response(stream, encode(createContainerResponse, { adjust: adjustment as unknown as Fields }));
  } catch (error) {
    logger.warn({ ...of, message: messageOf(error) }, 'Refused a container');
    return refusal(stream, `monoroot: ${messageOf(error)}`);
  }
}

/** Of what cannot be read it is not known whose it is, so it is left as it is: one of ours does not start without its mounts. */
function parsed(payload: Uint8Array, logger: Logger): Created | undefined {
  try {
    return created.parse(decode(createContainerRequest, payload));
  } catch (error) {
    logger.error({ message: messageOf(error) }, 'Could not read what NRI told of a container');
    return undefined;
  }
}
