import { hostedContainerDefinition } from '../../api/hostedcontainer.ts';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { imageObjectName, parseReference } from '../../api/images.ts';
import { additionalCapabilities } from '../../api/kubernetes/podfields.ts';
import { kinds } from '../../api/kinds.ts';
import { apiVersion } from '../../api/names.ts';
import { osImageDefinition } from '../../api/osimage.ts';
import type { OSImageSpec } from '../../api/osimage.ts';
import type { Window } from '../../api/rollout.ts';
import { windowProblem } from '../../controllers/imagedistribution/rollout/windows.ts';
import { notPermitted } from '../../pod/permitted.ts';
import { memoryProblem } from '../../pod/validate.ts';
import { lineOf } from './documents.ts';
import type { Document } from './documents.ts';
import { problemsOf } from './schema.ts';
import type { Path } from './schema.ts';

export interface LintFinding {
  id: string;
  severity: 'Error' | 'Warning';
  file: string;
  line: number;
  object: string;
  message: string;
}

type Said = Omit<LintFinding, 'file' | 'line' | 'object'> & { path: Path };
type Fields = Record<string, unknown>;

const error = (id: string, path: Path, message: string): Said => ({ id, severity: 'Error', path, message });
const warning = (id: string, path: Path, message: string): Said => ({ id, severity: 'Warning', path, message });
const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** An object as it is written, or as it is in the cluster. */
type Plain = Record<string, unknown>;

/** The objects of Monoroot among these. */
export const oursIn = (documents: readonly Document[]): Document[] =>
  documents.filter(({ value }) => value['apiVersion'] === apiVersion);

/** Findings in the objects of Monoroot among these; objects of others are left alone. `live`: what is in the cluster, which their names may mean, too. */
export function lint(documents: readonly Document[], live?: readonly Plain[]): LintFinding[] {
  const ours = oursIn(documents);
  const all = { objects: [...ours.map(({ value }) => value), ...(live ?? [])], where: live ? 'files or the cluster' : 'files' }; // prettier-ignore
  return ours.flatMap((document) =>
    findingsOf(document.value, all).map(({ path, ...finding }) => ({
      ...finding,
      file: document.file,
      line: lineOf(document, path),
      object: labelOf(document.value),
    })),
  );
}

/** `hostedcontainer/web`. */
export const labelOf = ({ kind, metadata }: Plain): string =>
  `${textOf(kind).toLowerCase()}/${textOf(fieldsOf(metadata)['name'])}`;

/** What names are looked for in, and what messages call it. */
interface Known {
  objects: readonly Plain[];
  where: string;
}

function findingsOf(value: Plain, all: Known): Said[] {
  const definition = kinds.find(({ kind }) => kind === value['kind']);
  if (!definition) return [error('kind', ['kind'], `there is no kind ${textOf(value['kind'])} in ${apiVersion}`)];
  const spec = fieldsOf(value['spec']);
  const own = [...nameRules(value), ...rulesOf(value, spec, all)];
  const said = problemsOf(definition, value)
    .filter(({ message }) => !own.some(({ id }) => betterSaid[id] !== undefined && message.startsWith(betterSaid[id])))
    .map(({ path, message }) => error('schema', path, path.length > 0 ? `${path.join('.')}: ${message}` : message));
  return [...said, ...own];
}

/** Rules in CEL for which a finding of our own says more, by its id: how their messages begin. */
const betterSaid: Readonly<Record<string, string>> = {
  'image-name': 'metadata.name must be',
  'rollout-without-default': 'existingContainers needs newContainers',
  'image-reference': 'spec.image is <os>',
};

function rulesOf(value: Plain, spec: Fields, all: Known): Said[] {
  switch (value['kind']) {
    case 'OSImage':
      return imageRules(value, spec, all);
    case 'ImageDistribution':
      return distributionRules(spec, all);
    case 'HostedContainer':
      return [...containerRules(spec, all), ...podRules(value, spec, all)];
    default:
      return [warning('nodestore', ['kind'], 'NodeStores are written by the operator, and set back')];
  }
}

/** As the API server has it for all kinds. */
function nameRules({ metadata }: Plain): Said[] {
  const { name, generateName } = fieldsOf(metadata);
  if (name === undefined && generateName !== undefined) return [];
  if (typeof name !== 'string' || name === '') return [error('name', ['metadata'], 'metadata.name must be set')];
  const isGood = name.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name);
  return isGood
    ? []
    : [error('name', ['metadata', 'name'], 'metadata.name must have lower case letters, digits, - and . only, and begin and end with a letter or digit')]; // prettier-ignore
}

const specsOf = ({ objects }: Known, kind: string): Fields[] =>
  objects.filter((it) => it['kind'] === kind).map((it) => fieldsOf(it['spec']));

function imageRules(value: Plain, spec: Fields, all: Known): Said[] {
  const { os, version } = spec;
  const name = imageObjectName({ os: textOf(os), version: textOf(version) });
  const distributed = specsOf(all, 'ImageDistribution').some(
    ({ image }) => image === `${textOf(os)}:${textOf(version)}`,
  );
  return [
    ...(textOf(fieldsOf(value['metadata'])['name']) === name
      ? []
      : [error('image-name', ['metadata', 'name'], `metadata.name must be ${name}: <spec.os>.<spec.version>`)]),
    ...(distributed
      ? []
      : [warning('not-distributed', ['spec'], `no ImageDistribution of these ${all.where} names it`)]),
  ];
}

function distributionRules(spec: Fields, all: Known): Said[] {
  const { os, version = '' } = parseReference(textOf(spec['image']));
  const activate = fieldsOf(spec['activate']);
  const rollout = fieldsOf(activate['existingContainers']);
  const images = specsOf(all, 'OSImage');
  const windows = Array.isArray(rollout['windows']) ? (rollout['windows'] as unknown[]) : [];
  return [
    ...(images.some((it) => it['os'] === os && it['version'] === version)
      ? []
      : [warning('unknown-image', ['spec', 'image'], `no OSImage of these ${all.where} is ${os}:${version}`)]),
    ...(activate['existingContainers'] !== undefined && activate['newContainers'] !== true
      ? [error('rollout-without-default', ['spec', 'activate', 'existingContainers'], 'existingContainers needs newContainers: true, as only a default version is rolled out')] // prettier-ignore
      : []),
    ...(spec['nodeSelector'] === undefined
      ? []
      : [
          warning(
            'node-selector',
            ['spec', 'nodeSelector'],
            'nodeSelector is the old name of selector, which has matchLabels or matchExpressions',
          ),
        ]),
    ...windows.flatMap((window, i): Said[] => {
      const { schedule, timeZone, durationSeconds } = fieldsOf(window);
      const given = { schedule: textOf(schedule), timeZone: timeZone === undefined ? 'UTC' : textOf(timeZone), durationSeconds: Number(durationSeconds) }; // prettier-ignore
      const problem = windowProblem(given satisfies Window);
      return problem === undefined ? [] : [error('window', ['spec', 'activate', 'existingContainers', 'windows', i, 'schedule'], problem)]; // prettier-ignore
    }),
  ];
}

function containerRules(spec: Fields, all: Known): Said[] {
  const { os, version } = parseReference(textOf(spec['image']));
  const images = specsOf(all, 'OSImage');
  const gives = specsOf(all, 'ImageDistribution').some(
    (it) => parseReference(textOf(it['image'])).os === os && fieldsOf(it['activate'])['newContainers'] === true,
  );
  const looksLikeObject = !textOf(spec['image']).includes(':') && textOf(spec['image']).includes('.');
  return [
    ...(looksLikeObject
      ? [error('image-reference', ['spec', 'image'], `spec.image is <os>:<version> such as ${textOf(spec['image']).replace('.', ':')}, not the name of the OSImage`)] // prettier-ignore
      : version === undefined
        ? gives
          ? []
          : [
              warning(
                'no-default',
                ['spec', 'image'],
                `no ImageDistribution of these ${all.where} gives ${os} a default version`,
              ),
            ]
        : images.some((it) => it['os'] === os && it['version'] === version)
          ? []
          : [warning('unknown-image', ['spec', 'image'], `no OSImage of these ${all.where} is ${os}:${version}`)]),
    ...(spec['readinessProbe'] === undefined
      ? [warning('no-probe', ['spec'], 'without readinessProbe an upgrade is judged by exits alone')]
      : []),
  ];
}

/** What the operator finds in a container when it makes its Pod, as far as the files tell. */
function podRules(value: Plain, asked: Fields, all: Known): Said[] {
  const spec = hostedContainerDefinition.spec.safeParse(value['spec']);
  if (!spec.success) return [];
  const container = { ...value, spec: spec.data } as unknown as HostedContainer;
  const forbidden = notPermitted(container, additionalCapabilities);
  const { os, version } = parseReference(textOf(asked['image']));
  const image = specsOf(all, 'OSImage').find((it) => it['os'] === os && it['version'] === version);
  const found = osImageDefinition.spec.safeParse({ ...anyImage, ...(image && { writable: image['writable'] }) });
  if (!found.success) return [];
  const { writable } = found.data as OSImageSpec;
  const memory = memoryProblem(container, { writable, layout: { kind: 'merged', directories: [] } });
  return [
    ...(forbidden === undefined ? [] : [error('not-permitted', ['spec', 'podTemplate'], forbidden)]),
    ...(memory === undefined ? [] : [warning('memory-limit', ['spec', 'resources', 'limits', 'memory'], memory)]),
  ];
}

/** One with the overlays that an image has when it does not name its own. */
const anyImage = {
  os: 'os',
  version: 'v1',
  source: { http: { url: 'https://images.example.com/os.tar', sha256: 'a'.repeat(64) } },
};
