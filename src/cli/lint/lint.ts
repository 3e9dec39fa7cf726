import { imageObjectName, parseReference } from '../../api/images.ts';
import { kinds } from '../../api/kinds.ts';
import { apiVersion } from '../../api/names.ts';
import type { Window } from '../../api/rollout.ts';
import { windowProblem } from '../../controllers/imagedistribution/rollout/windows.ts';
import { lineOf } from './documents.ts';
import type { Document } from './documents.ts';
import { schemaProblems } from './schema.ts';
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

/** Findings in the objects of Monoroot among these; objects of others are left alone. */
export function lint(documents: readonly Document[]): LintFinding[] {
  const ours = documents.filter(({ value }) => value['apiVersion'] === apiVersion);
  return ours.flatMap((document) => {
    const { kind, metadata } = document.value;
    const object = `${textOf(kind).toLowerCase()}/${textOf(fieldsOf(metadata)['name'])}`;
    return findingsOf(document, ours).map(({ path, ...finding }) => ({
      ...finding,
      file: document.file,
      line: lineOf(document, path),
      object,
    }));
  });
}

function findingsOf({ value }: Document, all: readonly Document[]): Said[] {
  const definition = kinds.find(({ kind }) => kind === value['kind']);
  if (!definition) return [error('kind', ['kind'], `there is no kind ${textOf(value['kind'])} in ${apiVersion}`)];
  const schema = schemaProblems(definition, value['spec']).map(({ path, message }) => error('schema', path, `${path.join('.')}: ${message}`)); // prettier-ignore
  const spec = fieldsOf(value['spec']);
  switch (definition.kind) {
    case 'OSImage':
      return [...schema, ...imageRules(value, spec, all)];
    case 'ImageDistribution':
      return [...schema, ...distributionRules(spec, all)];
    case 'HostedContainer':
      return [...schema, ...containerRules(spec, all)];
    default:
      return [...schema, warning('nodestore', ['kind'], 'NodeStores are written by the operator, and set back')];
  }
}

const specsOf = (all: readonly Document[], kind: string): Fields[] =>
  all.filter(({ value }) => value['kind'] === kind).map(({ value }) => fieldsOf(value['spec']));

function imageRules(value: Fields, spec: Fields, all: readonly Document[]): Said[] {
  const { os, version } = spec;
  const name = imageObjectName({ os: textOf(os), version: textOf(version) });
  const distributed = specsOf(all, 'ImageDistribution').some(
    ({ image }) => image === `${textOf(os)}:${textOf(version)}`,
  );
  return [
    ...(textOf(fieldsOf(value['metadata'])['name']) === name
      ? []
      : [error('image-name', ['metadata', 'name'], `metadata.name must be ${name}: <spec.os>.<spec.version>`)]),
    ...(distributed ? [] : [warning('not-distributed', ['spec'], 'no ImageDistribution of these files names it')]),
  ];
}

function distributionRules(spec: Fields, all: readonly Document[]): Said[] {
  const { os, version = '' } = parseReference(textOf(spec['image']));
  const activate = fieldsOf(spec['activate']);
  const rollout = fieldsOf(activate['existingContainers']);
  const images = specsOf(all, 'OSImage');
  const windows = Array.isArray(rollout['windows']) ? (rollout['windows'] as unknown[]) : [];
  return [
    ...(images.some((it) => it['os'] === os && it['version'] === version)
      ? []
      : [warning('unknown-image', ['spec', 'image'], `no OSImage of these files is ${os}:${version}`)]),
    ...(activate['existingContainers'] !== undefined && activate['newContainers'] !== true
      ? [error('rollout-without-default', ['spec', 'activate', 'existingContainers'], 'existingContainers needs newContainers: true, as only a default version is rolled out')] // prettier-ignore
      : []),
    ...(spec['nodeSelector'] === undefined
      ? []
      : [warning('node-selector', ['spec', 'nodeSelector'], 'nodeSelector is the old name of selector')]),
    ...windows.flatMap((window, i): Said[] => {
      const { schedule, timeZone, durationSeconds } = fieldsOf(window);
      const given = { schedule: textOf(schedule), timeZone: timeZone === undefined ? 'UTC' : textOf(timeZone), durationSeconds: Number(durationSeconds) }; // prettier-ignore
      const problem = windowProblem(given satisfies Window);
      return problem === undefined ? [] : [error('window', ['spec', 'activate', 'existingContainers', 'windows', i, 'schedule'], problem)]; // prettier-ignore
    }),
  ];
}

function containerRules(spec: Fields, all: readonly Document[]): Said[] {
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
                `no ImageDistribution of these files gives ${os} a default version`,
              ),
            ]
        : images.some((it) => it['os'] === os && it['version'] === version)
          ? []
          : [warning('unknown-image', ['spec', 'image'], `no OSImage of these files is ${os}:${version}`)]),
    ...(spec['readinessProbe'] === undefined
      ? [warning('no-probe', ['spec'], 'without readinessProbe an upgrade is judged by exits alone')]
      : []),
  ];
}
