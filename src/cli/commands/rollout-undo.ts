import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { fixedImage } from '../../api/meta.ts';
import { annotations } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import { osImages } from '../../kube/kinds.ts';
import { imageName, parseReference } from '../../api/images.ts';
import { CommandError, UsageError, defineCommand, exitCodes } from '../command.ts';
import { imageNameOf } from '../names.ts';
import { changeSpec } from '../rollout/change.ts';
import { dryRunNote, dryRunOf, dryRunOption } from '../write/change.ts';

/** Distributes again what was distributed before. */
export const rolloutUndo = defineCommand({
  name: ['rollout', 'undo'],
  summary: 'Distribute the image before, which the nodes may still have',
  positionals: ['NAME'],
  completes: [['ImageDistribution']],
  options: {
    to: { type: 'string', value: 'IMAGE', help: 'this version instead: <os>:<version> of an OSImage' },
    ...dryRunOption,
  },
  description: `Sets spec.image of the ImageDistribution NAME to the newest of status.previousImages that is not condemned. Nodes that
retain it download nothing. Containers that follow the default move back as the spec says, in waves. Where spec is kept in Git,
change it there instead: the tool would set it back.`,
  examples: ['kubectl monoroot rollout undo debian-12', 'kubectl monoroot rollout undo debian-12 --to debian-12:v35'],
  async run({ out, err, cluster }, { values, positionals: [name = ''] }) {
    const { client } = cluster();
    const images = await client.list(osImages);
    const dryRun = dryRunOf(values['dry-run']);
    let target = '';
    const decide = (distribution: ImageDistribution) => {
      target = values.to === undefined ? previousImage(distribution, images) : imageNameOf(values.to);
      check(target, distribution, images);
      return target === distribution.spec.image ? undefined : { image: target };
    };
    const before = await changeSpec(client, name, decide, { out, err, dryRun });
    const { image } = before.spec;
    out.line(
      `imagedistribution/${name} ${image === target ? `has ${image} already` : `${image} -> ${target}`}${dryRunNote(dryRun)}`,
    );
    return exitCodes.done;
  },
});

function previousImage({ metadata, spec, status }: ImageDistribution, images: readonly OSImage[]): string {
  const all = [...(status?.image === undefined ? [] : [status.image]), ...(status?.previousImages ?? [])];
  const found = all.find((image) => image !== spec.image && usable(image, images));
  if (found !== undefined) return found;
  throw new CommandError(
    `ImageDistribution ${metadata.name} has distributed no other image that is still there and not condemned; choose one with --to`,
  );
}

const find = (image: string, images: readonly OSImage[]) => images.find(({ spec }) => imageName(spec) === image);
const evidence = (image: OSImage | undefined) => image?.metadata.annotations?.[annotations.condemned];
const usable = (image: string, images: readonly OSImage[]) => {
  const found = find(image, images);
  return found !== undefined && evidence(found) === undefined;
};

function check(target: string, { spec }: ImageDistribution, images: readonly OSImage[]): void {
  if (!fixedImage.safeParse(target).success) throw new UsageError(`${target} is no image: it must be <os>:<version>`);
  const { os } = parseReference(spec.image);
  if (parseReference(target).os !== os) throw new UsageError(`${target} is another operating system than ${os}`);
  const found = find(target, images);
  if (!found) throw new CommandError(`There is no OSImage of ${target}; kubectl get osimages lists them`);
  const why = evidence(found);
  if (why !== undefined) throw new CommandError(`${target} is condemned: ${why}`);
}
