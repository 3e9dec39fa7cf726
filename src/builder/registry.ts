import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Build } from '../api/build.ts';
import { secretNames } from '../api/buildrun.ts';
import { readAuthority } from '../image/download/credentials.ts';
import { registryEnvironment } from '../image/registry/crane.ts';
import { readLogin } from '../image/registry/login.ts';
import { parseRepository } from '../image/registry/repository.ts';
import { BuildError } from './failure.ts';
import type { Image } from './image.ts';
import { FailedProgram } from './programs.ts';
import type { BuilderPorts } from './ports.ts';

/** The registry that a recipe is pushed to. */
export interface TargetRegistry {
  /** Pushes what a layout holds; the digest is there then. */
  push(image: Image, reference: string): Promise<void>;
  /** The digest that a reference has; undefined when there is none. */
  digestOf(reference: string): Promise<string | undefined>;
  copy(from: string, to: string): Promise<void>;
  /** Gives what has a digest a tag besides. */
  tag(reference: string, tag: string): Promise<void>;
  /** Environment of other programs that ask it. */
  env: Record<string, string>;
  plainHTTP: boolean;
}

/** Calls `use` with the registry of a recipe, its login and its authorities; they are on the disk only meanwhile. */
export async function withRegistry<T>(
  build: Pick<Build, 'repository' | 'pushSecretRef' | 'caRef' | 'plainHTTP'>,
  ports: BuilderPorts,
  use: (registry: TargetRegistry) => Promise<T>,
): Promise<T> {
  const { repository, pushSecretRef, caRef, plainHTTP = false } = build;
  const { readSecret, proxies, work } = ports;
  const parsed = parseRepository(`${repository}/production/x`, plainHTTP);
  const source = { reference: repository, digest: '', ...(pushSecretRef && { pullSecretRef: pushSecretRef }) };
  const login = await readLogin(source, parsed, () => readSecret(secretNames.push));
  const ca = await readAuthority({ ...(caRef && { caRef }) }, () => readSecret(secretNames.ca));
  const directory = await mkdtemp(join(work, 'login-'));
  try {
    const env = await registryEnvironment(directory, parsed, { login, ca, proxies });
    return await use(createRegistry(parsed.host, plainHTTP, env, ports));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const unknown = /MANIFEST_UNKNOWN|NAME_UNKNOWN|NOT_FOUND|status code 404|404 Not Found/;
const denied = /UNAUTHORIZED|DENIED|status code 40[13]|40[13] (Unauthorized|Forbidden)/;

function createRegistry(
  host: string,
  plainHTTP: boolean,
  env: Record<string, string>,
  { programs, tools, progress }: BuilderPorts,
): TargetRegistry {
  const crane = (...args: string[]) => [tools.crane, ...args, ...(plainHTTP ? ['--insecure'] : [])];
  const failed = (reason: 'PushFailed' | 'CopyFailed', what: string) => (error: unknown) => {
    if (!(error instanceof FailedProgram) || error.missing) throw error as Error;
    const complaint = error.lines.at(-1) ?? error.message;
    if (error.lines.some((line) => denied.test(line))) {
      const message = `${host} refuses the login: ${what} (${complaint}); check source.build.pushSecretRef and its Secret`;
      throw new BuildError('Unauthorized', message, { cause: error });
    }
    const message = `${what}: ${complaint}; check the registry, source.build.repository, caRef and plainHTTP`;
    throw new BuildError(reason, message, { cause: error });
  };
  const digestOf = async (reference: string) => {
    try {
      return (await programs.read(crane('digest', reference), { env, quiet: true })).trim();
    } catch (error) {
      if (error instanceof FailedProgram && error.lines.some((line) => unknown.test(line))) return undefined;
      return failed('PushFailed', `${reference} cannot be read`)(error);
    }
  };
  const expectDigest = async (reference: string, digest: string) => {
    const found = await digestOf(reference);
    if (found === digest) return;
    const message = `${reference} is ${found ?? 'not there'} after ${digest} was pushed there; see that nothing else pushes to it`;
    throw new BuildError('PushFailed', message);
  };

  return {
    env,
    plainHTTP,
    digestOf,
    async push({ layout, manifest }, reference) {
      progress.line(`pushing ${reference}@${manifest.digest}`);
      await programs
        .run(crane('push', layout.directory, reference), { env })
        .catch(failed('PushFailed', `${reference} cannot be pushed`));
      await expectDigest(reference, manifest.digest);
    },
    async copy(from, to) {
      await programs
        .run(crane('copy', from, to), { env })
        .catch(failed('CopyFailed', `${from} cannot be copied to ${to}`));
    },
    async tag(reference, tag) {
      await programs
        .run(crane('tag', reference, tag), { env })
        .catch(failed('CopyFailed', `${reference} cannot be tagged ${tag}`));
    },
  };
}
