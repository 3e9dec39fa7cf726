import type { HostedContainer } from '../api/hostedcontainer.ts';

/** No Pod is wanted: `suspend` says so, or `replicas`, which is what `kubectl scale` and other scalers write. See ADR 20. */
export const isSuspended = ({ spec }: Pick<HostedContainer, 'spec'>): boolean => spec.suspend || spec.replicas === 0;

/** Which of the two says so, for people. */
export const whySuspended = ({ spec }: Pick<HostedContainer, 'spec'>): string =>
  spec.suspend ? 'spec.suspend is true' : 'spec.replicas is 0';

/** How to start it. */
export const howToStart = ({ spec }: Pick<HostedContainer, 'spec'>): string =>
  [...(spec.suspend ? ['spec.suspend to false'] : []), ...(spec.replicas === 0 ? ['spec.replicas to 1'] : [])].join(
    ' and ',
  );
