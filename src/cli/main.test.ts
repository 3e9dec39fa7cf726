import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { osImages } from '../kube/kinds.ts';
import { ApiError } from '../runtime/errors.ts';
import { commands as allCommands } from './commands.ts';
import { helpFor } from './help.ts';
import { CommandError, defineCommand, exitCodes, outputOption } from './command.ts';
import { runForTest } from '../../test/fixtures/cli.ts';

const commands = [
  defineCommand({
    name: ['show'],
    summary: 'Show it',
    positionals: ['NAME'],
    options: { ...outputOption, all: { type: 'boolean', short: 'a', help: 'show all of it' } },
    description: 'It is shown.',
    examples: ['kubectl monoroot show it'],
    run(context, { values, positionals }) {
      if (positionals[0] === 'refused') {
        throw new ApiError({ code: 404, reason: 'NotFound', message: 'imagedistributions "refused" not found' });
      }
      const refusals: Record<string, ApiError> = {
        expired: new ApiError({ code: 401, reason: 'Unauthorized', message: 'Unauthorized' }),
        uninstalled: new ApiError({
          code: 404,
          reason: 'Unknown',
          message: 'The API server answered 404: 404 page not found',
        }),
      };
      const refusal = refusals[positionals[0] ?? ''];
      if (refusal) throw refusal;
      if (positionals[0] === 'odd') throw new CommandError('It is odd; choose another');
      context.out.line(`${positionals.join(' ')} ${values.output ?? 'text'} ${values.all ?? false}`);
      return Promise.resolve(exitCodes.no);
    },
  }),
  defineCommand({
    name: ['rollout', 'pause'],
    summary: 'Pause it',
    positionals: ['NAME'],
    run: () => Promise.resolve(exitCodes.done),
  }),
];
const run = (...argv: string[]) => runForTest(argv, commands);

test.each([
  ['no command: the list', [], 0, /Usage: kubectl monoroot COMMAND[^]*show NAME {11}Show it\n/],
  ['--help: the list', ['--help'], 0, /rollout pause NAME {2}Pause it/],
  ['the first word of several commands: these', ['rollout'], 0, /Commands:\n {2}rollout pause NAME {2}Pause it\n/],
  ['--version: the version', ['--version'], 0, /^1\.2\.3\n$/],
  ['--help of a command: all about it', ['show', '-h'], 0, /^Show it\.[^]*It is shown\.[^]*-a, --all +show all of it/],
  ['what a command answers, and its code', ['show', 'x'], 1, /^x text false\n$/],
  ['options before the command', ['-o', 'json', '-n', 'shops', 'show', '-a', 'x'], 1, /^x json true\n$/],
  ['options between the words of a command', ['rollout', '--context=c', 'pause', 'x'], 0, /^$/],
  ['a value with its option in one word', ['show', 'x', '-ojson'], 1, /^x json false\n$/],
  ['what follows two dashes is no option', ['show', '--', '-x'], 1, /^-x text false\n$/],
  ['help before a command', ['help', 'show'], 0, /^Show it\./],
  ['help before the first word of several', ['help', 'rollout'], 0, /rollout pause NAME {2}Pause it/],
  ['options before and after an argument', ['show', '-a', 'x', '-o', 'json'], 1, /^x json true\n$/],
])('%s', async (_case, argv, code, stdout) => {
  const ran = await run(...argv);
  expect(ran).toMatchObject({ code, stderr: '' });
  expect(ran.stdout).toMatch(stdout);
});

test('help fits its terminal, and is no wider than 80 columns elsewhere', async () => {
  const { commands: all } = await import('./commands.ts');
  for (const { name } of all) {
    const { stdout } = await runForTest([...name, '--help'], all);
    const lines = stdout.split('\n').filter((line) => !line.includes('kubectl monoroot '));
    expect([name, lines.filter((line) => line.length > 80)]).toEqual([name, []]);
  }
  const { stdout } = await runForTest([], all);
  expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

test('each command has an example that names it', async () => {
  const { commands: all } = await import('./commands.ts');
  const without = all.filter(
    ({ name, examples = [] }) => !examples.some((it) => it.includes(`kubectl monoroot ${name.join(' ')}`)),
  );
  expect(without.map(({ name }) => name.join(' '))).toEqual([]);
});

test('who interrupts a command is not told of an error', async () => {
  const ran = await runForTest(['show', 'odd'], commands, { signal: AbortSignal.abort() });
  expect(ran).toEqual({ code: 2, stdout: '', stderr: 'Interrupted\n' });
});

test('no cluster, no answer, no file: one line that says what', async () => {
  const ask = defineCommand({
    name: ['ask'],
    summary: 'Ask',
    async run({ cluster }) {
      await cluster().client.get(osImages, { name: 'x' });
      return exitCodes.done;
    },
  });
  const cluster = { server: 'https://127.0.0.1:1' };
  const context = { name: 'here', context: { cluster: 'c', user: 'u' } };
  const config = { clusters: [{ name: 'c', cluster }], users: [{ name: 'u', user: {} }], contexts: [context] };
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'config');
  writeFileSync(file, JSON.stringify({ ...config, 'current-context': 'here' }));
  const told = async (...argv: string[]) => (await runForTest(['ask', ...argv], [ask])).stderr;
  expect(await told('--kubeconfig', file)).toMatch(/^Error: connect ECONNREFUSED 127\.0\.0\.1:1; is this the right/);
  expect(await told('--kubeconfig', file, '--context', 'there')).toMatch(
    /^Error: The kubeconfig has no context 'there'/,
  );
  expect(await told('--kubeconfig', join(directory, 'none'))).toMatch(
    /^Error: ENOENT: no such file or directory.*none'\n$/,
  );
});

test.each([
  ['an unknown command', ['shwo', 'x'], 'There is no command shwo x; did you mean show? See kubectl monoroot --help'],
  ['a command unlike any', ['frobnicate'], 'There is no command frobnicate. See kubectl monoroot --help'],
  [
    'an unknown option before the command',
    ['--frobnicate', 'show'],
    "Unknown option '--frobnicate'. See kubectl monoroot show --help",
  ],
  [
    'an option that lacks its value',
    ['show', 'x', '-o'],
    "Option '-o, --output <FORMAT>' argument missing. See kubectl monoroot show --help",
  ],
  [
    'a time that is none',
    ['show', 'x', '--request-timeout', '5'],
    '--request-timeout takes a time such as 90s, 10m or 2h, and got 5',
  ],
  [
    'an unknown second word',
    ['rollout', 'psue'],
    'There is no command rollout psue; did you mean rollout pause? See kubectl monoroot --help',
  ],
  [
    'an unknown option',
    ['show', 'x', '--al'],
    "Unknown option '--al'; did you mean --all or --as? See kubectl monoroot show --help",
  ],
  ['a missing argument', ['show'], 'It takes NAME, and got none. See kubectl monoroot show --help'],
  ['one too many', ['show', 'x', 'y'], 'It takes NAME, and got x y. See kubectl monoroot show --help'],
  [
    'a value that is none of the choices',
    ['show', 'x', '-o', 'xml'],
    '--output takes text or json, and got xml. See kubectl monoroot show --help',
  ],
  [
    'a refusal of the API server',
    ['show', 'refused'],
    'The API server refused it: imagedistributions "refused" not found (NotFound)',
  ],
  [
    'a token that has expired',
    ['show', 'expired'],
    'The API server refused it: Unauthorized. It does not know who asks: log in again, the token or the certificate of the kubeconfig may have expired',
  ],
  [
    'a cluster without Monoroot',
    ['show', 'uninstalled'],
    'The API server does not know the kinds of Monoroot: is it installed in this cluster? See --context',
  ],
  ['what a command cannot do', ['show', 'odd'], 'It is odd; choose another'],
])('one clear line, and exit code 2, for %s', async (_case, argv, message) => {
  expect(await run(...argv)).toEqual({ code: 2, stdout: '', stderr: `Error: ${message}\n` });
});

test('without any kubeconfig that is what is said', async () => {
  const ask = defineCommand({
    name: ['ask'],
    summary: 'Ask',
    run: ({ cluster }) => Promise.resolve(cluster().server === '' ? exitCodes.no : exitCodes.done),
  });
  const file = join(mkdtempSync(join(tmpdir(), 'monoroot-cli-')), 'config');
  onTestFinished(() => rmSync(dirname(file), { recursive: true }));
  // What the client library makes of no file at all.
  const config = { clusters: [{ name: 'cluster', cluster: { server: 'http://localhost:8080' } }], contexts: [{ name: 'loaded-context', context: { cluster: 'cluster', user: 'user' } }], users: [{ name: 'user', user: {} }] }; // prettier-ignore
  writeFileSync(file, JSON.stringify({ ...config, 'current-context': 'loaded-context' }));
  expect((await runForTest(['ask', '--kubeconfig', file], [ask])).stderr).toMatch(/^Error: There is no kubeconfig: /);
});

test.each([60, 72, 80])('the list of commands fits into %i columns', (columns) => {
  const lines = helpFor([], allCommands, columns).split('\n');
  expect(lines.filter((line) => line.length > columns)).toEqual([]);
});
