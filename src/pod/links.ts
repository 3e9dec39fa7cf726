import type { Layout } from '../api/osimage.ts';
import type { Writable } from '../api/kubernetes/podfields.ts';
import { defaultsRoot, notFromImage } from './paths.ts';
import { firstHit } from '../runtime/rules.ts';

/** How a container gets a link on top of its image. Its root is read-only, so it cannot be a link there (ADR 27). */
export type LinkMount =
  /** The directory itself again, at the same depth: relative links in it lead to the same places. */
  | { kind: 'Directory'; name: string; target: string }
  | { kind: 'File'; name: string; target: string }
  /** The same place of an overlay, by both names. */
  | { kind: 'Overlay'; name: string; overlay: string; subPath?: string }
  /** A directory of links to what the target holds: relative links in there start from where they lie. */
  | { kind: 'Links'; name: string; target: string }
  /** An overlay that `launch` fills from elsewhere. */
  | { kind: 'Defaults'; name: string; source: string }
  | { kind: 'None'; name: string };

type Link = NonNullable<Layout['links']>[number];
type Rule = (link: Link, writable: readonly Writable[], directories: readonly string[]) => LinkMount | undefined;

const isBelow = (path: string, parent: string) => path === parent || path.startsWith(`${parent}/`);
/** The innermost overlay that a path of the image lies in. */
const overlayOf = (target: string, writable: readonly Writable[]) =>
  writable.findLast(({ path }) => isBelow(`/${target}`, path));

/** The overlay stands where the link was. The copy keeps the name of what it copies, so both must have the same. */
const isOverlayItself: Rule = ({ name, target, type }, writable) => {
  if (!writable.some(({ path }) => path === `/${name}`)) return undefined;
  if (type !== 'Directory' || target.split('/').at(-1) !== name) return { kind: 'None', name };
  const source = overlayOf(target, writable) ? `${defaultsRoot}/${target}` : `/${target}`;
  return { kind: 'Defaults', name, source };
};

const standsOnOurs: Rule = ({ name }) => (notFromImage.has(name) ? { kind: 'None', name } : undefined);

const leadsIntoOverlay: Rule = ({ name, target, type }, writable) => {
  const overlay = overlayOf(target, writable)?.path;
  if (overlay === undefined) return undefined;
  // The kubelet would make a directory of it before there is anything in the overlay.
  if (type === 'File') return { kind: 'None', name };
  const subPath = `/${target}`.slice(overlay.length + 1);
  return { kind: 'Overlay', name, overlay, ...(subPath !== '' && { subPath }) };
};

const leadsToFile: Rule = ({ name, target, type }) => (type === 'File' ? { kind: 'File', name, target } : undefined);

const leadsToTop: Rule = ({ name, target }, writable, directories) => {
  const isWhole = directories.includes(target) && !writable.some(({ path }) => isBelow(path, `/${target}`));
  return isWhole ? { kind: 'Directory', name, target } : undefined;
};

const leadsDeeper: Rule = ({ name, target }) => ({ kind: 'Links', name, target });

const rules: readonly Rule[] = [isOverlayItself, standsOnOurs, leadsIntoOverlay, leadsToFile, leadsToTop, leadsDeeper];

/** What each link on top of an image becomes. `writable` has parents before children. */
export const linkMounts = ({ links = [], directories }: Layout, writable: readonly Writable[]): LinkMount[] =>
  links.map((link) => firstHit(rules, link, writable, directories) ?? { kind: 'None', name: link.name });

/** What `launch` has to know of the links, as environment. */
export function linkEnvironment(mounts: readonly LinkMount[]): Record<string, string> {
  const list = (texts: (mount: LinkMount) => string[]) => mounts.flatMap(texts).join(':');
  return {
    MONOROOT_LINKS: list((it) => (it.kind === 'Links' ? [`${it.name}=/${it.target}`] : [])),
    MONOROOT_SHARED: list((it) => (it.kind === 'Overlay' && it.subPath ? [`${it.overlay}/${it.subPath}`] : [])),
    MONOROOT_DEFAULTS_FROM: list((it) => (it.kind === 'Defaults' ? [`/${it.name}=${it.source}`] : [])),
  };
}
