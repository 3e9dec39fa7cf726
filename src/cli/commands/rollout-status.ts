import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { CommandError, defineCommand, exitCodes, outputOption } from '../command.ts';
import type { Context, ExitCode } from '../command.ts';
import { describeProgress, inLines, inOneLine } from '../rollout/describe.ts';
import type { RolloutProgress } from '../rollout/describe.ts';
import { follow, readToFollow } from '../rollout/follow.ts';
import { secondsOf } from '../time.ts';

/** Follows a distribution until it is done or stopped. */
export const rolloutStatus = defineCommand({
  name: ['rollout', 'status'],
  summary: 'Follow a distribution and its rollout until it is done, or halted',
  positionals: ['NAME'],
  completes: [['ImageDistribution']],
  options: {
    once: { type: 'boolean', help: 'tell how it is now, and wait for nothing' },
    timeout: { type: 'string', value: 'TIME', help: 'give up after it, such as 90s, 10m or 2h; never by default' },
    ...outputOption,
  },
  description: `Tells how many nodes have the image, how many containers run it well, which wave is moving or soaking, and what it waits
for. The exit code is 0 when it is done, 1 when it halted, needs a person, or the time is over; with --once it is 0 also while
it is under way. With -o json each change is a line.`,
  examples: ['kubectl monoroot rollout status debian-12 --timeout 2h'],
  async run(context, { values, positionals: [name = ''] }) {
    const limit =
      values.timeout === undefined ? [] : [AbortSignal.timeout(secondsOf('timeout', values.timeout) * 1000)];
    const { client } = context.cluster();
    const show = values.output === 'json' ? showJson(context) : showText(context);
    // Also tells at once when there is none, or no answer.
    let last = await readToFollow(client, name);
    if (values.once === true) return show(last, describeProgress(last, context.now()), true) ?? exitCodes.done;
    for await (const current of follow(client, name, AbortSignal.any([context.signal, ...limit]))) {
      if (!current) throw new CommandError(`ImageDistribution ${name} was deleted`);
      last = current;
      const code = show(current, describeProgress(current, context.now()), false);
      if (code !== undefined) return code;
    }
    const progress = describeProgress(last, context.now());
    context.err.line(
      context.signal.aborted ? 'Interrupted' : `Not done within ${values.timeout ?? ''}: ${inOneLine(progress)}`,
    );
    return exitCodes.no;
  },
});

/** Shows how it is; gives the exit code when nothing more is to be waited for. */
type Show = (distribution: ImageDistribution, progress: RolloutProgress, once: boolean) => ExitCode | undefined;

const codes = { Done: exitCodes.done, Halted: exitCodes.no, Stalled: exitCodes.no, Waiting: undefined } as const;

function showText({ out, stdout }: Context): Show {
  return ({ metadata: { name }, spec: { image }, status }, progress, once) => {
    const head = `imagedistribution/${name} (${image}):`;
    const line = `${head} ${inOneLine(progress)}`;
    if (progress.standing === 'Waiting' && !once)
      out.progress(stdout.isTTY === true ? [head, ...inLines(progress)].join('\n  ') : line);
    else if (progress.standing === 'Waiting') out.line(line);
    else if (progress.standing === 'Done') out.line(`${line}; ${out.paint('green', 'done')}`);
    else {
      out.line(out.paint('red', line));
      if (progress.standing === 'Halted' || findCondition(status?.conditions, 'Stalled')?.reason === 'ImageCondemned') {
        out.line(
          `When the cause is fixed: kubectl monoroot rollout retry ${name}, with --lift when the image is condemned`,
        );
      }
    }
    return codes[progress.standing];
  };
}

function showJson({ out }: Context): Show {
  let before = '';
  return ({ metadata: { name }, spec: { image }, status }, { standing, why }) => {
    const { nodes, containers, rollout } = status ?? {};
    const line = JSON.stringify({ name, image, standing, why, nodes, containers, rollout });
    if (line !== before) out.line(line);
    before = line;
    return codes[standing];
  };
}
