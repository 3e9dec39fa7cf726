import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { text as textOf } from 'node:stream/consumers';
import type { Client } from '../../kube/client.ts';
import { imageDistributions } from '../../kube/kinds.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { OSImage } from '../../api/osimage.ts';
import { parseReference } from '../../api/images.ts';
import { CommandError, UsageError, defineCommand, exitCodes, reportOutput } from '../command.ts';
import type { Context } from '../command.ts';
import { documentsOf } from '../lint/documents.ts';
import { imageNameOf } from '../names.ts';
import { isStructured, structured } from '../output.ts';
import { durationsAround, foresee } from '../plan/foresee.ts';
import type { Foreseen } from '../plan/foresee.ts';
import { renderPlan } from '../plan/render.ts';
import { madeUpContainers, readFleet, readFromFile, withoutSelector } from '../plan/subject.ts';
import type { Subject } from '../plan/subject.ts';
import { warningsOf } from '../plan/warnings.ts';
import { secondsOf } from '../time.ts';

/** What a rollout will do, before it does it. */
export const plan = defineCommand({
  name: ['plan'],
  summary: 'Foresee a rollout: who goes when, what it waits for, when it ends',
  positionals: ['[IMAGEDISTRIBUTION]'],
  completes: [['ImageDistribution']],
  options: {
    filename: {
      type: 'string',
      short: 'f',
      value: 'FILE',
      help: 'take the ImageDistribution of this file; - is the standard input',
    },
    image: { type: 'string', value: 'IMAGE', help: 'as if spec.image were this one' },
    containers: {
      type: 'string',
      value: 'N',
      help: 'for N containers that are made up, instead of those of the cluster',
    },
    nodes: { type: 'string', value: 'N', help: 'with --containers: on N nodes that do not have the image yet' },
    fail: { type: 'string', value: 'N', help: 'the first N containers that are moved fail with the version' },
    'upgrade-time': {
      type: 'string',
      value: 'TIME',
      help: 'from being moved to Ready; by default as measured in this fleet',
    },
    'fetch-time': { type: 'string', value: 'TIME', help: 'until one node has the image; 60s by default' },
    ...reportOutput,
  },
  description: `Simulates the rollout with the planner of the operator itself, on a clock of its own: canaries, soaks, waves, windows and maxUnavailable are those of the
real one. Nothing is written. How long an upgrade takes is measured in the histories of the containers. All gates are taken to hold. With -f and
--containers no cluster is asked. The exit code is 1 when the rollout does not come to its end.`,
  examples: [
    'kubectl monoroot plan debian-12',
    'kubectl monoroot plan debian-12 --image debian-12:v38',
    'kubectl monoroot plan -f distribution.yaml --containers 2000 --nodes 200 --fail 2',
  ],
  async run(context, { values, positionals: [name] }) {
    const count = numberOf('containers', values.containers);
    const madeUpNodes = numberOf('nodes', values.nodes) ?? 0;
    const failing = numberOf('fail', values.fail) ?? 0;
    if (values.nodes !== undefined && count === undefined) throw new UsageError('--nodes is for --containers');
    if ((name ?? values.filename) === undefined)
      throw new UsageError('Give the name of an ImageDistribution, or -f FILE');
    const now = context.now();
    const times = {
      upgrade:
        values['upgrade-time'] === undefined
          ? undefined
          : durationsAround(secondsOf('upgrade-time', values['upgrade-time'])),
      fetchSeconds: values['fetch-time'] === undefined ? undefined : secondsOf('fetch-time', values['fetch-time']),
    };
    const subject = await subjectOf(context, { name, file: values.filename, image: values.image, count });
    const foreseen = foresee(subject, times, failing, madeUpNodes, now);
    const warnings = warningsOf(foreseen);
    if (isStructured(values.output)) context.out.line(structured(values.output, reportOf(foreseen, warnings)));
    else for (const line of renderPlan(foreseen, warnings, now, context.out)) context.out.line(line);
    return foreseen.forecast.typical.reason === 'RolledOut' ? exitCodes.done : exitCodes.no;
  },
});

function numberOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new UsageError(`--${option} takes a number, and got ${text}`);
}

interface Asked {
  name: string | undefined;
  file: string | undefined;
  image: string | undefined;
  count: number | undefined;
}

async function subjectOf(context: Context, { name, file, image, count }: Asked): Promise<Subject> {
  const given = file === undefined ? undefined : readFromFile(documentsOf(file, await read(file)), name);
  if (given && count !== undefined) return madeUp(withImage(given.distribution, image), given.image, count);
  const { client } = context.cluster();
  const distribution = withImage(await named(client, given?.distribution, name ?? ''), image);
  if (count !== undefined) return madeUp(distribution, undefined, count);
  const { scene, nodes } = await readFleet(client);
  const { os, version } = parseReference(distribution.spec.image);
  const found = given?.image ?? scene.osImages.find(({ spec }) => spec.os === os && spec.version === version);
  return { distribution, image: found, scene, nodes, madeUp: false };
}

/** The distribution of the cluster; one of a file with the status that it has there. */
async function named(client: Client, given: ImageDistribution | undefined, name: string): Promise<ImageDistribution> {
  const wanted = given?.metadata.name ?? name;
  const live = await client.get(imageDistributions, { name: wanted });
  const found = given && live?.status ? { ...given, status: live.status } : (given ?? live);
  if (!found) throw new CommandError(`There is no ImageDistribution ${wanted}`);
  return found;
}

function madeUp({ status: _live, ...given }: ImageDistribution, image: OSImage | undefined, count: number): Subject {
  const distribution = withoutSelector(given);
  const scene = { osImages: [], distributions: [], nodeStores: [], containers: madeUpContainers(distribution, count), unseen: [] }; // prettier-ignore
  return { distribution, image, scene, nodes: [], madeUp: true };
}

const withImage = (distribution: ImageDistribution, image: string | undefined): ImageDistribution =>
  image === undefined ? distribution : { ...distribution, spec: { ...distribution.spec, image: imageNameOf(image) } };

function read(file: string): Promise<string> {
  if (file === '-') return textOf(process.stdin);
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });
}

function reportOf({ subject, forecast, lacking, distributionSeconds }: Foreseen, warnings: readonly string[]): object {
  const { earliest, typical, latest, durations } = forecast;
  return {
    distribution: subject.distribution.metadata.name,
    image: subject.distribution.spec.image,
    reason: typical.reason,
    message: typical.message,
    containers: typical.following,
    maxUnavailable: typical.maxUnavailable,
    mostUnavailable: typical.mostUnavailable,
    nodesWithoutImage: lacking,
    distributionSeconds,
    upgradeSeconds: durations,
    startTime: typical.startTime,
    endTime: typical.endTime,
    earliestEndTime: earliest.endTime,
    latestEndTime: latest.endTime,
    haltTime: typical.haltTime,
    closed: typical.closed,
    batches: typical.batches,
    warnings,
  };
}
