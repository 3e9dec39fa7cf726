import type { Call } from '../../../src/kube/connection.ts';
import type { Network } from './process.ts';

/** One call of an operator that is on its way for as long as the test wants, as in a network that is slow or cut. */
export interface Held {
  network: Network;
  /** Resolves when the call has been sent; the API server has it only after `release`. */
  sent: Promise<Call>;
  /** Lets it arrive, and gives what it was answered with: a body, or an error. */
  release(): Promise<unknown>;
}

/** Holds the first write whose path ends so; all others pass. */
export function holdFirst(pathEnd: string): Held {
  const sent = Promise.withResolvers<Call>();
  const released = Promise.withResolvers<undefined>();
  const answered = Promise.withResolvers<unknown>();
  let holds = true;
  const network: Network = async (call, send) => {
    if (!holds || call.method === 'GET' || !call.path.endsWith(pathEnd)) return send();
    holds = false;
    sent.resolve(call);
    await released.promise;
    const answer = send();
    answered.resolve(await answer.catch((error: unknown) => error));
    return answer;
  };
  return {
    network,
    sent: sent.promise,
    release: () => {
      released.resolve(undefined);
      return answered.promise;
    },
  };
}
