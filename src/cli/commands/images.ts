import { imageName } from '../../api/images.ts';
import { defineCommand, exitCodes, objectOutput, watchOption } from '../command.ts';
import { isStructured, structured } from '../output.ts';
import { readScene, warnOfUnseen } from '../scene/scene.ts';
import { table } from '../terminal.ts';
import { imageRows } from '../views/images.ts';
import { showWatching } from '../watch.ts';

/** All images with what matters of each. */
export const images = defineCommand({
  name: ['images'],
  summary: 'Images: size, where they are, who runs them, default, condemned',
  options: {
    os: { type: 'string', value: 'NAME', help: 'only this operating system' },
    ...objectOutput,
    ...watchOption,
  },
  description: `SIZE is what the image takes on disk when it is alone. SHARED is how much of that it has in common with other images of a node, which takes no
more space. NODES: that have all of it, of those that should. CONTAINERS: that run it now, in all namespaces.`,
  examples: ['kubectl monoroot images', 'kubectl monoroot images --os debian-12 -o wide'],
  async run(context, { values }) {
    const { client } = context.cluster();
    const read = async () => {
      const scene = await readScene(client, undefined);
      warnOfUnseen(scene, context);
      return values.os === undefined
        ? scene
        : { ...scene, osImages: scene.osImages.filter(({ spec }) => spec.os === values.os) };
    };
    if (isStructured(values.output)) context.out.line(structured(values.output, (await read()).osImages));
    else if (values.output === 'name')
      for (const { spec } of (await read()).osImages) context.out.line(imageName(spec));
    else
      await showWatching(context, values.watch, async () => ({
        lines: table(imageRows(await read(), values.output === 'wide')),
      }));
    return exitCodes.done;
  },
});
