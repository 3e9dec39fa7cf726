import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { binaryDirectory } from '../../test/fixtures/binaries.ts';
import {
  baseArchive,
  fakeSyft,
  readJson,
  recipeOf,
  serveBase,
  whyNoBuilding,
  useRegistry,
} from '../../test/fixtures/builder.ts';
import type { Build } from '../api/build.ts';
import { buildAnswer, buildCapabilities, publishAnswer } from '../api/buildrun.ts';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';

const unable = whyNoBuilding();
const program = join(import.meta.dirname, '../cmd/builder.ts');

interface Running {
  /** Ends when it ends: the exit code, and the answer, if there is one. */
  ended: Promise<{ code: number | null; answer: unknown; log: string }>;
  /** Resolves when it has said this. */
  said: (text: string) => Promise<void>;
  stop: () => void;
  work: string;
}

/** Starts the program of a Job as the kubelet does, with these capabilities and no others. */
function start(recipe: object, args: string[], capabilities: readonly string[], syft?: string): Running {
  const directory = temporaryDirectory();
  for (const name of ['recipe', 'work', 'secrets']) mkdirSync(join(directory, name));
  writeFileSync(join(directory, 'recipe/recipe.json'), JSON.stringify(recipe));
  const list = ['-all', ...capabilities.map((it) => `+${it.toLowerCase()}`)].join(',');
  const command = [
    '--no-new-privs',
    '--inh-caps=-all',
    `--bounding-set=${list}`,
    '--',
    process.execPath,
    program,
    ...args,
  ];
  const binaries = binaryDirectory();
  const answerFile = join(directory, 'answer');
  const child = spawn('setpriv', command, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      RECIPE_DIRECTORY: join(directory, 'recipe'),
      SECRETS_DIRECTORY: join(directory, 'secrets'),
      WORK_DIRECTORY: join(directory, 'work'),
      ANSWER_FILE: answerFile,
      CRANE: join(binaries, 'crane'),
      COSIGN: join(binaries, 'cosign'),
      SYFT: syft ?? join(binaries, 'syft'),
    },
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (log += piece.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve)).then(async (code) => ({
    code,
    answer: existsSync(answerFile) ? await readJson(answerFile) : undefined,
    log,
  }));
  const said = async (text: string) => {
    while (!log.includes(text)) {
      if (child.exitCode !== null) throw new Error(`It ended and has not said ${text}: ${log}`);
      await setTimeout(10);
    }
  };
  return { ended, said, stop: () => void child.kill('SIGTERM'), work: join(directory, 'work') };
}

/** Each line needs one of the rights, in the tree of somebody else. */
const base = `
printf x >usr/bin/ping; setcap cap_net_raw+ep usr/bin/ping
mkdir usr/private; printf x >usr/private/file; chown -R 1000:1000 usr/private; chmod 0700 usr/private
printf x >usr/bin/setgid; chown 5:33 usr/bin/setgid; chmod 6755 usr/bin/setgid
`;

describe.skipIf(unable)(unable ? `a Job (skipped: ${unable})` : 'a Job', { timeout: 120_000 }, () => {
  const registry = useRegistry();

  const recipe = (build: Partial<Build>) => recipeOf({ repository: `${registry.host}/os`, ...build });

  test('builds and publishes, tells each step, and answers', async () => {
    const made = recipe({ from: await serveBase(baseArchive()), run: ['echo it works'] });
    const { code, answer, log } = await start(made, ['build'], buildCapabilities).ended;
    expect([code, buildAnswer.parse(answer)]).toMatchObject([
      0,
      { digest: expect.stringMatching(/^sha256:/) as unknown },
    ]);
    expect(log).toContain('==> Step 5 of 9: run: 1 command\n    + echo it works\n    it works\n');
    const { digest } = answer as { digest: string };
    const published = await start(made, ['publish', digest], []).ended;
    expect([published.code, publishAnswer.parse(published.answer)]).toEqual([
      0,
      { reference: `${registry.host}/os/production/tiny:v1`, signed: false },
    ]);
  });

  test('that fails answers why, and exits with 1', async () => {
    const made = recipe({ from: await serveBase(baseArchive()), run: ['echo that was it; exit 3'] });
    const { code, answer, log } = await start(made, ['build'], buildCapabilities).ended;
    expect([code, answer]).toEqual([
      1,
      {
        reason: 'CommandFailed',
        message: expect.stringMatching(/^Command 1 of 1 failed [^]*\nthat was it$/) as unknown,
      },
    ]);
    expect(log).toContain('Failed: CommandFailed');
  });

  test.each([
    ['whose recipe is not valid', {}, ['build'], 'InvalidRecipe'],
    ['that is given nonsense', {}, ['publish', 'latest'], 'BuildFailed'],
  ])('%s answers that', async (_name, made, args, reason) => {
    expect(await start(made, args, buildCapabilities).ended).toMatchObject({ code: 1, answer: { reason } });
  });

  test('that is stopped ends at once, with all that it started, and answers', async () => {
    const made = recipe({ from: await serveBase(baseArchive()), run: ['echo sleeping; while :; do :; done'] });
    const job = start(made, ['build'], buildCapabilities);
    await job.said('    sleeping');
    job.stop();
    expect(await job.ended).toMatchObject({ code: 1, answer: { reason: 'Stopped' } });
    expect(existsSync(join(job.work, 'build'))).toBe(false);
  });

  test('that is stopped leaves no daemon of a command, whoever runs it', async () => {
    const run = [
      `mkdir /srv/www && chown 33 /srv/www && echo "busybox setsid sh -c 'while :; do : >/srv/www/alive; done' &" >/srv/start`,
      '(su -s /bin/sh www -c "sh /srv/start" &); until [ -e /srv/www/alive ]; do :; done; echo sleeping; while :; do :; done',
    ];
    const job = start(recipe({ from: await serveBase(baseArchive()), run }), ['build'], buildCapabilities);
    await job.said('    sleeping');
    job.stop();
    expect(await job.ended).toMatchObject({ code: 1, answer: { reason: 'Stopped' } });
    // It would have made the directory's removal fail, or its file again.
    expect(existsSync(join(job.work, 'build'))).toBe(false);
  });

  describe('the rights of a build', () => {
    const archive = () => baseArchive((root) => void execFileSync('bash', ['-euc', base], { cwd: root }));
    const build = async (capabilities: readonly string[]) => {
      const files = [{ path: '/srv/file', content: 'x', mode: '2755', owner: 'www:web' }];
      const run = ['test "$(su -s /bin/sh www -c "id -u")" = 33'];
      return start(recipe({ from: await serveBase(archive()), files, run }), ['build'], capabilities, fakeSyft()).ended;
    };
    let whole: unknown;

    test('suffice', async () => {
      const { answer, log } = await build(buildCapabilities);
      expect(answer, log).toHaveProperty('digest');
      whole = answer;
    });

    test.each(buildCapabilities)('are not enough without %s', async (right) => {
      const { answer } = await build(buildCapabilities.filter((it) => it !== right));
      expect(answer).not.toEqual(whole);
    });
  });
});
