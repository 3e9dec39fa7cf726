import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Proxies } from '../download/connect.ts';
import { programEnvironment, readLines } from '../../system/programs.ts';
import type { Login } from './login.ts';
import type { Repository } from './repository.ts';

/** How programs of the family of `crane` ask a registry. */
export interface CraneOptions {
  login: Login | undefined;
  /** PEM of the authorities that may sign the registry's certificate, instead of the usual ones. */
  ca: string | undefined;
  proxies: Proxies | undefined;
  signal: AbortSignal;
}

/** More is kept of no program. */
const largest = 4 * 1024 * 1024;

/** Environment of a program that asks a registry as crane does; its login and authorities are written into the directory. */
export async function registryEnvironment(
  directory: string,
  { host }: Pick<Repository, 'host'>,
  { login, ca, proxies }: Pick<CraneOptions, 'login' | 'ca' | 'proxies'>,
): Promise<Record<string, string>> {
  // Nothing but this login of the pull secret: its file could also name programs to run and headers to send.
  const auth = login && {
    username: login.username,
    password: login.password,
    ...(login.identityToken !== undefined && { identitytoken: login.identityToken }),
  };
  const key = host === 'index.docker.io' ? 'https://index.docker.io/v1/' : host;
  const config = JSON.stringify({ auths: auth ? { [key]: auth } : {} });
  await writeFile(join(directory, 'config.json'), config, { mode: 0o600 });
  if (ca !== undefined) await writeFile(join(directory, 'ca.crt'), ca);
  return {
    ...programEnvironment,
    HOME: directory,
    DOCKER_CONFIG: directory,
    ...(ca !== undefined && { SSL_CERT_FILE: join(directory, 'ca.crt'), SSL_CERT_DIR: directory }),
    ...(proxies && {
      HTTP_PROXY: proxies.httpProxy,
      HTTPS_PROXY: proxies.httpsProxy || proxies.httpProxy,
      NO_PROXY: proxies.noProxy,
    }),
  };
}

export interface ToolResult {
  code: number | null;
  output: Buffer;
  /** The last line that it wrote about what is wrong. */
  complaint: string;
  /** What ended a program that is written in Go, if something did: a trace of where it was follows. */
  fatal: string | undefined;
}

/** Runs a program that asks a registry, to its end. Aborting, or more than 4 MiB of output, kills it. */
export async function runTool(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<ToolResult> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env, signal, killSignal: 'SIGKILL' });
  let complaint = '';
  let fatal: string | undefined;
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', (error) => (complaint = error.message));
    child.once('close', resolve);
  });
  const pieces: Buffer[] = [];
  let size = 0;
  child.stdout.on('data', (piece: Buffer) => {
    size += piece.length;
    if (size <= largest) pieces.push(piece);
    else child.kill('SIGKILL');
  });
  const lines = readLines(child.stderr, (line) => {
    complaint = line.trim() || complaint;
    fatal ??= /^(fatal error|panic): .*/.exec(line)?.[0];
  });
  const [code] = await Promise.all([ended, lines]);
  if (size > largest) complaint = `it wrote more than ${largest} bytes`;
  return { code, output: Buffer.concat(pieces), complaint, fatal };
}

/** Whether a complaint of such a program is that the registry does not let it read. */
export const isDenied = (complaint: string): boolean => /UNAUTHORIZED|DENIED|status code 40[13]/.test(complaint);
