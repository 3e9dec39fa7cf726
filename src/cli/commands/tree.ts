import { parseReference } from '../../api/images.ts';
import { CommandError, defineCommand, exitCodes, watchOption } from '../command.ts';
import { parseObjectRef } from '../names.ts';
import { readScene, warnOfUnseen } from '../scene/scene.ts';
import type { Scene } from '../scene/scene.ts';
import { treeLines } from '../views/tree.ts';
import { showWatching } from '../watch.ts';

/** Everything, and how it belongs together. */
export const tree = defineCommand({
  name: ['tree'],
  summary: 'Distributions, versions, nodes and containers of an operating system as a tree',
  positionals: ['[OS]'],
  completes: [['ImageDistribution', 'OSImage']],
  options: watchOption,
  description: `OS is the name of an operating system; an image or a distribution of it does, too. Containers of the same state are one line. -n shows the containers of one namespace only.`,
  examples: [
    'kubectl monoroot tree',
    'kubectl monoroot tree debian-12 -n shops',
    'kubectl monoroot tree imgdist/debian-12',
  ],
  async run(context, { values, positionals: [text] }) {
    const { client } = context.cluster();
    await showWatching(context, values.watch, async () => {
      const scene = await readScene(client, values.namespace);
      warnOfUnseen(scene, context);
      const os = osOf(text, scene);
      const lines = treeLines(scene, os, context.now());
      if (lines.length === 0)
        throw new CommandError(os === undefined ? 'There are no images yet' : `There is no image of ${os}`);
      return { lines };
    });
    return exitCodes.done;
  },
});

/** Of the name of an operating system, of an image of it in either spelling, or of a distribution. */
function osOf(text: string | undefined, { distributions, osImages }: Scene): string | undefined {
  if (text === undefined) return undefined;
  const ref = parseObjectRef([text.replace(/^os\//, '')]);
  const isOf = (kind: string) => ref !== undefined && (ref.kind ?? kind) === kind;
  const image = osImages.find(({ metadata }) => isOf('OSImage') && metadata.name === ref?.name);
  const found = distributions.find(({ metadata }) => isOf('ImageDistribution') && metadata.name === ref?.name);
  return image?.spec.os ?? (found && parseReference(found.spec.image).os) ?? ref?.name ?? text;
}
