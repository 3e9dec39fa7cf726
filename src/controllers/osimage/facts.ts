import type { NodeStore, StoredImage } from '../../api/nodestore.ts';
import type { Layout, OSImage, OSImageSpec, OSImageStatus } from '../../api/osimage.ts';
import { effectiveDefaults } from '../../api/defaults.ts';
import type { Finding } from '../../runtime/condition-table.ts';
import { sameStatus } from '../../runtime/status.ts';
import { formatTime } from '../../runtime/time.ts';
import { digestOf } from '../images.ts';
import { storedImage } from '../node-images.ts';
import type { Observed } from './observed.ts';

/**
 * What an image is, as a node found it that has unpacked and verified it. All nodes unpack the same bytes, so one report is enough: it
 * is written down once and then frozen for this digest. An agent is the least trusted of all who write; one that lies later changes
 * nothing.
 */
export type Facts = Pick<OSImageStatus, 'layout' | 'defaults' | 'hasMountScript' | 'factsFrom'>;

/** More than any image has; the status of an OSImage must hold it besides all else. */
const mostBytes = 256 * 1024;

interface Report {
  node: string;
  stored: StoredImage & { layout: Layout };
}

/** The facts that are known, or become known now. */
export function factsOf(o: Observed, image: OSImage): Facts {
  const { spec, status = {} } = image;
  const digest = digestOf(image);
  const reports = reportsOf(o.stores, image);
  const known = status.factsFrom ?? legacySource(status);
  if (known && known.digest === digest && status.layout) {
    const { layout, defaults, hasMountScript } = status;
    return {
      layout: { ...unknownThen(reports, o.stores.length), ...layout },
      defaults: effectiveDefaults(spec, defaults),
      hasMountScript,
      factsFrom: known,
    };
  }
  const first = choose(reports, spec, status.verification?.node);
  if (!first || digest === undefined) {
    return { defaults: effectiveDefaults(spec, undefined), hasMountScript: Boolean(spec.mountScript) };
  }
  return { ...factsIn(spec, first.stored), factsFrom: { node: first.node, digest, time: formatTime(o.now) } };
}

/** An earlier version wrote the facts without saying whose they are. */
const legacySource = ({ layout, digest }: OSImageStatus): OSImageStatus['factsFrom'] =>
  layout && digest !== undefined ? { digest } : undefined;

const reportsOf = (stores: readonly NodeStore[], image: OSImage): Report[] =>
  stores.flatMap((store) => {
    const stored = storedImage(store, image);
    if (stored?.state !== 'Ready' || !stored.layout) return [];
    return JSON.stringify([stored.layout, stored.defaults]).length > mostBytes
      ? []
      : [{ node: store.metadata.name, stored: { ...stored, layout: stored.layout } }];
  });

/** What newer agents find besides. None of them is believed alone: all that have the image must say the same, and be two. */
function unknownThen([first, ...others]: readonly Report[], fleet: number): Partial<Layout> {
  if (!first || (others.length === 0 && fleet > 1)) return {};
  const members = Object.entries(first.stored.layout) as [keyof Layout, unknown][];
  const agreed = members.filter(([name, value]) => others.every((it) => sameStatus(it.stored.layout[name], value)));
  return Object.fromEntries(agreed);
}

const factsIn = (spec: OSImageSpec, { layout, defaults, hasMountScript }: Report['stored']): Facts => ({
  layout,
  defaults: effectiveDefaults(spec, defaults),
  hasMountScript: Boolean(spec.mountScript) || (hasMountScript ?? false),
});

/** The node that tests the image; else one of the largest group that agrees, so that one of several cannot decide. */
function choose(reports: readonly Report[], spec: OSImageSpec, tester: string | undefined): Report | undefined {
  const ofTester = reports.find(({ node }) => node === tester);
  if (ofTester) return ofTester;
  // Thousands of nodes report the same few things: each of these is compared with each other, not each node.
  const groups = [...Map.groupBy(reports, ({ stored }) => JSON.stringify(factsIn(spec, stored))).values()].map(
    (group) => group.toSorted((a, b) => (a.node < b.node ? -1 : 1)),
  );
  const ranked = groups
    .flatMap((group) => {
      const [report] = group;
      if (!report) return [];
      const votes = (agrees: (it: Report) => boolean) =>
        groups.reduce((sum, others) => sum + (others[0] && agrees(others[0]) ? others.length : 0), 0);
      const facts = factsIn(spec, report.stored);
      const agreeing = votes((it) => differences(facts, it, spec).length === 0);
      return [{ report, agreeing, same: votes((it) => sameStatus(facts, factsIn(spec, it.stored))) }];
    })
    .sort((a, b) => b.agreeing - a.agreeing || b.same - a.same || (a.report.node < b.report.node ? -1 : 1));
  return ranked[0]?.report;
}

/** In what a report is other than the facts. Sizes depend on the disk of the node, and what is ignored on the version of its agent. */
function differences(facts: Facts, { stored }: Report, spec: OSImageSpec): string[] {
  const own = factsIn(spec, stored);
  return [
    ...(sameShape(facts.layout, own.layout) ? [] : ['layout']),
    ...(sameStatus(facts.defaults ?? {}, own.defaults ?? {}) ? [] : ['defaults']),
    ...((facts.hasMountScript ?? false) === own.hasMountScript ? [] : ['hasMountScript']),
  ];
}

function sameShape(a: Layout | undefined, b: Layout | undefined): boolean {
  const names = (layout: Layout | undefined) => [layout?.kind, [...(layout?.directories ?? [])].sort()];
  // Earlier agents did not tell links and files.
  const sameIfTold = (x: unknown, y: unknown) => x === undefined || y === undefined || sameStatus(x, y);
  return sameStatus(names(a), names(b)) && sameIfTold(a?.links, b?.links) && sameIfTold(a?.files, b?.files);
}

const mostNamed = 5;

interface Input {
  o: Observed;
  facts: Facts;
}

/** Whose report the facts are. */
const sourceOf = ({ node }: NonNullable<Facts['factsFrom']>): string => node ?? 'the node that verified it first';

/** The first report is what the others are compared with: there is nothing to say before it. */
export function nodesDiffer({ o, facts }: Input): Finding | undefined {
  if (!facts.factsFrom) return undefined;
  const others = reportsOf(o.stores, o.image)
    .map((report) => ({ node: report.node, fields: differences(facts, report, o.image.spec) }))
    .filter(({ fields }) => fields.length > 0);
  if (others.length === 0) return undefined;
  const source = sourceOf(facts.factsFrom);
  const names = others.slice(0, mostNamed).map(({ node, fields }) => `${node} (${fields.join(', ')})`);
  const more = others.length > mostNamed ? ` and ${others.length - mostNamed} more` : '';
  const message = `${names.join(', ')}${more} reported something else of the same bytes than ${source}, and does not count. Cordon the node and look at its agent and its disk; if ${source} was wrong, create another version`;
  return { status: 'False', reason: 'NodesDiffer', message };
}

export function agreed({ facts: { factsFrom } }: Input): Finding | undefined {
  if (!factsFrom) return undefined;
  return { status: 'True', reason: 'Agreed', message: `Every node reports what ${sourceOf(factsFrom)} found in it` };
}
