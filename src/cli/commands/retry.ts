import { annotations } from '../../api/names.ts';
import { osImages } from '../../kube/kinds.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { CommandError, UsageError, defineCommand, exitCodes } from '../command.ts';
import type { Context, ExitCode, Given } from '../command.ts';
import { parseObjectRef } from '../names.ts';
import { changeObject, dryRunNote, dryRunOf } from '../write/change.ts';
import { changeContainer, containerOptions } from '../write/container.ts';
import { rolloutRetry } from './rollout-retry.ts';

const options = {
  ...containerOptions,
  lift: { type: 'boolean', help: 'of a distribution: also lift the condemnation of its image' },
} as const;

/** Has what failed tried again, whichever kind it is. */
export const retry = defineCommand({
  name: ['retry'],
  summary: 'Try again what failed: an upgrade, a build, a test, a rollout',
  positionals: ['KIND/NAME'],
  completes: [['HostedContainer', 'OSImage', 'ImageDistribution']],
  options,
  description: `Of a HostedContainer it changes spec.upgrade.retryToken: a version in its list of failures is tried again, when spec.image asks for it. Of an
OSImage it changes the annotation monoroot.dev/retry: the step that failed is done again. Of an ImageDistribution it is \`rollout
retry\`. A bare name is a HostedContainer.`,
  examples: ['kubectl monoroot retry hctr/shop -n shops --wait', 'kubectl monoroot retry osi/debian-12.v36'],
  run(context, given) {
    const [text = ''] = given.positionals;
    const ref = parseObjectRef([text]);
    if (ref?.kind === 'OSImage') return retryImage(context, ref.name, given.values);
    if (ref?.kind === 'ImageDistribution') {
      return rolloutRetry.run(context, { ...given, positionals: [ref.name] });
    }
    if (!ref || ref.kind === 'NodeStore')
      throw new UsageError(`${text} cannot be tried again: take hc, osi or imgdist`);
    return changeContainer(context, text, given.values, ({ metadata, spec, status }) => {
      if ((status?.failedImages ?? []).length === 0) {
        throw new CommandError(`HostedContainer ${metadata.name} has failed with no version: nothing to retry`);
      }
      return { spec: { upgrade: { retryToken: context.now().toISOString() } }, did: `retries ${spec.image}` };
    });
  },
});

async function retryImage(context: Context, name: string, values: Given<typeof options>['values']): Promise<ExitCode> {
  if (values.wait === true)
    throw new UsageError('--wait is for containers; kubectl monoroot wait osi/NAME waits for an image');
  const dryRun = dryRunOf(values['dry-run']);
  await changeObject(
    context.cluster().client,
    osImages,
    { name },
    ({ status }) => {
      const steps = ['Built', 'Verified', 'Published'].map((type) => findCondition(status?.conditions, type));
      if (!steps.some((it) => it?.status === 'False' && !it.reason.startsWith('WaitingFor'))) {
        throw new CommandError(`No step of OSImage ${name} has failed: nothing to retry`);
      }
      return { metadata: { annotations: { [annotations.retry]: context.now().toISOString() } } };
    },
    { ...context, dryRun },
  );
  context.out.line(`osimage/${name} is tried again${dryRunNote(dryRun)}`);
  return exitCodes.done;
}
