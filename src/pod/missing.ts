import type { UsableImage } from './usable-image.ts';
import type { Writable } from '../api/kubernetes/podfields.ts';
import { linkMounts } from './links.ts';
import { imageWritable, unwritableVolumes } from './volumes.ts';

/** What the layout of an image can be asked for before any container runs. */
export type Shaped = Pick<UsableImage, 'layout' | 'defaults' | 'writable'>;
type Rule = (image: Shaped, writable: readonly Writable[]) => string | undefined;

const most = 8;
const listed = (names: readonly string[]): string =>
  names.slice(0, most).join(', ') + (names.length > most ? ` and ${names.length - most} more` : '');

const hasEtc: Rule = ({ layout: { directories, links = [] } }) =>
  directories.includes('etc') || links.some(({ name }) => name === 'etc')
    ? undefined
    : '/etc begins empty, as the image has none';

const overlays = new Set(['etc', 'var', 'tmp', 'run']);
/** Links on top that containers do not have. */
function linksLeft({ layout }: Shaped, writable: readonly Writable[]) {
  const left = new Set(linkMounts(layout, writable).flatMap((it) => (it.kind === 'None' ? [it.name] : [])));
  return (layout.links ?? []).filter(({ name }) => left.has(name));
}

/** The place of the link is taken, and the overlay cannot be filled from where it leads. */
const fillsOverlays: Rule = (image, writable) => {
  const replaced = linksLeft(image, writable).filter(({ name }) => overlays.has(name));
  return replaced.length === 0
    ? undefined
    : `${listed(replaced.map(({ name, target }) => `/${name} (a link to /${target})`))} begins empty, because an overlay is filled only from a directory of its name`;
};

const hasLinksToFiles: Rule = (image, writable) => {
  const files = linksLeft(image, writable).filter(({ name }) => !overlays.has(name));
  return files.length === 0
    ? undefined
    : `${listed(files.map(({ name, target }) => `/${name} (a link to the file /${target})`))} is not there, because the file is in an overlay: use its real path`;
};

const hasAllOfTop: Rule = ({ layout: { ignored = [] } }) =>
  ignored.length === 0
    ? undefined
    : `Of the top of the image ${listed(ignored.map((name) => `/${name}`))} is not there: a link that leads nowhere or to what is not of the image, a device, or a name that cannot be mounted`;

/** `launch` says it too, in the log of each container. */
const takesVolumes: Rule = (image, writable) => {
  const volumes = unwritableVolumes(image, writable).filter((path) => path !== '/data' && !path.startsWith('/data/'));
  return volumes.length === 0
    ? undefined
    : `Its volume ${listed(volumes)} cannot be written to: add it to spec.writable where the image has the directory outside of /usr, or have the program write to /data`;
};

const rules: readonly Rule[] = [hasEtc, fillsOverlays, hasLinksToFiles, takesVolumes, hasAllOfTop];

/** What a container does not have of its image, a sentence each; none for an image of which it has all. */
export const missingParts = (image: Shaped): string[] => {
  const writable = imageWritable(image);
  return rules.flatMap((rule) => rule(image, writable) ?? []);
};
