import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { CommandError } from '../command.ts';
import type { Host } from '../host.ts';

/** The login that `docker login` has left on this machine, in its config.json or with a credential helper. */

type Environment = Host['env'];

const entry = z.looseObject({ auth: z.string().optional(), identitytoken: z.string().optional() });
const configuration = z.object({
  auths: z.record(z.string(), entry).default({}),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).default({}),
});
/** What a helper prints: https://github.com/docker/docker-credential-helpers. */
const credentials = z.object({ Username: z.string(), Secret: z.string().min(1) });

const helperSeconds = 60;
const dockerHub = 'https://index.docker.io/v1/';

/**
 * The content of a Secret with the login for the registry `host`; undefined when there is none. A helper that fails otherwise
 * than by having no login is a CommandError, which does not quote what it printed to its standard output.
 */
export async function dockerLogin(host: string, env: Environment): Promise<Record<string, string> | undefined> {
  const file = join(env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? '/root', '.docker'), 'config.json');
  const content = await readFile(file, 'utf8').catch(() => undefined);
  if (content === undefined) return undefined;
  const { auths, credsStore, credHelpers } = parseConfiguration(file, content);
  const keys = keysOf(host);
  const first = <T>(from: Record<string, T>) => keys.map((key) => from[key]).find((it) => it !== undefined);
  const helper = first(credHelpers) ?? credsStore;
  const found = helper === undefined ? undefined : await askHelper(helper, keys, env);
  const login = found ?? first(auths);
  // With a helper, docker leaves an entry without a login behind.
  if (!login?.auth && !login?.identitytoken) return undefined;
  return { '.dockerconfigjson': JSON.stringify({ auths: { [host]: login } }) };
}

function parseConfiguration(file: string, content: string): z.output<typeof configuration> {
  try {
    return configuration.parse(JSON.parse(content));
  } catch {
    throw new CommandError(`${file} is no configuration of docker; repair it, or log in again with docker login`);
  }
}

/** The names under which docker keeps the login of a registry. */
const keysOf = (host: string): string[] =>
  host === 'docker.io' || host === 'index.docker.io' ? [dockerHub, host] : [host, `https://${host}`];

async function askHelper(
  helper: string,
  keys: readonly string[],
  env: Environment,
): Promise<z.output<typeof entry> | undefined> {
  if (!/^[A-Za-z0-9._-]+$/.test(helper))
    throw new CommandError(`'${helper}' is no name of a credential helper of docker`);
  for (const key of keys) {
    const answer = await run(`docker-credential-${helper}`, key, env);
    if (answer === undefined) continue;
    const { Username: user, Secret: secret } = answer;
    if (user === '<token>') return { identitytoken: secret, auth: Buffer.from(`${user}:`).toString('base64') };
    return { auth: Buffer.from(`${user}:${secret}`).toString('base64') };
  }
  return undefined;
}

async function run(program: string, key: string, env: Environment): Promise<z.output<typeof credentials> | undefined> {
  const child = spawn(program, ['get'], {
    env: { ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: AbortSignal.timeout(helperSeconds * 1000),
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(key);
  const failed = (why: string) =>
    new CommandError(
      `The credential helper ${program} gave no login for ${key}: ${why}; log in again with docker login`,
    );
  try {
    const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    if (code === 0) return credentials.parse(JSON.parse(stdout));
    // The helpers of docker say it on standard output.
    if (/credentials not found/i.test(`${stdout}${stderr}`)) return undefined;
    throw failed(stderr.trim().slice(0, 200) || `exit code ${code ?? 'none'}`);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw failed('it is not installed');
    throw failed(
      (error as Error).name === 'AbortError' ? `no answer within ${helperSeconds} s` : 'its answer is not valid',
    );
  }
}
