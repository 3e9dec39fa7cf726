import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Recipe } from '../../api/buildrun.ts';
import { BuildError, toBuildError } from '../../builder/failure.ts';
import { buildLocally } from '../../builder/local.ts';
import type { LocalBuild } from '../../builder/local.ts';
import { architectureOf } from '../../builder/ports.ts';
import { createPrograms } from '../../builder/programs.ts';
import { readPorts, requirePrograms } from '../bundle/machine.ts';
import { screenProgress } from '../bundle/progress.ts';
import { readRecipeFile } from '../bundle/recipe.ts';
import { CommandError, defineCommand, exitCodes } from '../command.ts';
import type { Context } from '../command.ts';
import { mebibytes } from '../terminal.ts';

/** Builds a bundle on this machine with what a Job in the cluster builds it with. */
export const bundleBuild = defineCommand({
  name: ['bundle', 'build'],
  summary: 'Build the image of a recipe on this machine',
  positionals: ['FILE'],
  completes: [['File']],
  options: {
    output: { type: 'string', value: 'DIR', help: 'where the bundle is written to; here by default' },
    push: { type: 'boolean', help: 'push it to <repository>/testing/<os>:<version>, too' },
    'plain-http': { type: 'boolean', help: 'ask the registry without TLS' },
    secrets: {
      type: 'string',
      value: 'DIR',
      help: 'Secrets that the recipe names: push/, ca/, base/, base-ca/ and keyring/, each with its keys as files',
    },
  },
  description: `FILE is the manifest of an OSImage with source.build, or a recipe: os, version, architecture, build, defaults, mountScript.
Three files are written: <os>-<version>.tar.zst, its .sha256, and the list of its packages as .spdx.json. The same recipe and the
same packages give the same bytes, here and in the cluster. It takes Linux and root, as owners and devices are made. The login of
\`docker login\` is used to push unless --secrets has another.`,
  examples: [
    'sudo kubectl monoroot bundle build debian-12.yaml --output images',
    'sudo kubectl monoroot bundle build debian-12.yaml --push',
  ],
  async run(context, { values, positionals: [file = ''] }) {
    const { push = false, secrets } = values;
    const recipe = await readRecipeFile(file, { push, plainHTTP: values['plain-http'] });
    await requirePrograms(recipe, push, context);
    const output = resolve(values.output ?? '.');
    await mkdir(output, { recursive: true });
    // Beside the output: there is room for it, and device nodes work there as a rule, which they do not in every /tmp.
    const work = await mkdtemp(`${output}/.monoroot-build-`);
    try {
      const built = await build(recipe, { push, secrets, output, work }, context);
      report(built, recipe, context);
      return exitCodes.done;
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  },
});

interface Options {
  push: boolean;
  secrets: string | undefined;
  output: string;
  work: string;
}

async function build(recipe: Recipe, { push, secrets, output, work }: Options, context: Context): Promise<LocalBuild> {
  const progress = screenProgress(context.err);
  const { signal, env } = context;
  const programs = createPrograms({
    tell: (line) => progress.line(line),
    signal,
    env: { PATH: env['PATH'], TMPDIR: `${work}/build/tmp` },
  });
  const local = await readPorts(recipe, { secrets, push, env });
  const architecture = architectureOf(context.system.arch);
  const ports = { ...local.ports, work, architecture, programs, progress, signal };
  try {
    return await buildLocally(local.recipe, output, push, ports);
  } catch (error) {
    throw explain(
      signal.aborted
        ? new BuildError('Stopped', 'It was stopped before it was done; run it again')
        : toBuildError(error),
    );
  }
}

const explain = ({ reason, message, lines }: BuildError) =>
  new CommandError([`${reason}: ${message}`, ...lines.map((line) => `    ${line}`)].join('\n'));

function report({ bundle, list, sha256, bytes, packages, pushed }: LocalBuild, recipe: Recipe, context: Context): void {
  const { out, err } = context;
  err.line(`${bundle}: ${mebibytes(bytes)}`);
  err.line(`${list}: ${packages} packages`);
  const { os, version, build } = recipe;
  out.line('source:');
  if (pushed) {
    out.line('  oci:');
    out.line(`    reference: ${pushed.reference}`);
    out.line(`    digest: ${pushed.digest}`);
    if (build.plainHTTP === true) out.line('    plainHTTP: true');
    return;
  }
  out.line('  http:');
  out.line(`    url: https://images.example.com/${os}-${version}.tar.zst # where you put it`);
  out.line(`    sha256: ${sha256}`);
}
