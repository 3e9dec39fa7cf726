import { imageName, imageObjectName, parseReference } from '../../api/images.ts';
import { fixedImage } from '../../api/meta.ts';
import { annotations } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import { osImages } from '../../kube/kinds.ts';
import { CommandError, UsageError, defineCommand } from '../command.ts';
import { imageNameOf } from '../names.ts';
import { printable } from '../terminal.ts';
import { changeContainer, containerOptions } from '../write/container.ts';

/** Has a container run another version. */
export const upgrade = defineCommand({
  name: ['upgrade'],
  summary: 'Have a container run another version, and wait for what comes of it',
  positionals: ['HOSTEDCONTAINER', 'IMAGE'],
  completes: [['HostedContainer'], ['Image']],
  options: containerOptions,
  description: `Sets spec.image. IMAGE is <os>:<version>, the name of an OSImage, or a version alone of the OS that the container has. With --wait the exit
code is 0 when it runs well, and 1 at once when it went back, with the end of its log. An image that is condemned is refused here, as
the operator would not start it.`,
  examples: [
    'kubectl monoroot upgrade hctr/shop debian-12:v36 -n shops --wait',
    'kubectl monoroot upgrade shop v36 --dry-run=server',
  ],
  async run(context, { values, positionals: [text = '', asked = ''] }) {
    const images = await context.cluster().client.list(osImages);
    return changeContainer(context, text, values, ({ spec }) => {
      const { os, version } = parseReference(spec.image);
      const image = targetOf(asked, os, images);
      if (spec.image === image) return { already: `asks for ${image} already` };
      if (version === undefined) {
        context.err.line(
          `It followed the default version of ${os}, and does no longer; --dry-run shows a change without making it`,
        );
      }
      return { spec: { image }, did: `${spec.image} -> ${image}` };
    });
  },
});

/** Throws when there is no such image, or no container may start on it. */
export function targetOf(asked: string, os: string, images: readonly OSImage[]): string {
  const named = imageNameOf(asked);
  const image =
    named.includes(':') && images.some((it) => it.spec.os === parseReference(named).os) ? named : `${os}:${asked}`;
  const given = fixedImage.safeParse(named).success && named.includes(':') ? named : image;
  const found = [image, given]
    .map((name) => images.find(({ spec }) => imageName(spec) === name))
    .find((it) => it !== undefined);
  if (!found) {
    if (!fixedImage.safeParse(given).success) throw new UsageError(`${asked} is no image: it must be <os>:<version>`);
    const { os: other, version = '' } = parseReference(given);
    throw new CommandError(
      `There is no OSImage ${imageObjectName({ os: other, version })}; kubectl monoroot images lists them`,
    );
  }
  const evidence = found.metadata.annotations?.[annotations.condemned];
  if (evidence !== undefined) throw new CommandError(`${imageName(found.spec)} is condemned: ${printable(evidence)}`);
  return imageName(found.spec);
}
