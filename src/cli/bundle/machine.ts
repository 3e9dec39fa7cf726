import { access, constants, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { secretNames } from '../../api/buildrun.ts';
import type { Recipe } from '../../api/buildrun.ts';
import { programsOf, proxiesOf } from '../../builder/local.ts';
import type { BuilderPorts, ReadSecretOf, SecretRole } from '../../builder/ports.ts';
import { secretsIn } from '../../builder/secrets.ts';
import { CommandError } from '../command.ts';
import type { Host } from '../host.ts';
import { dockerLogin } from './docker-login.ts';

/** What a build needs of the machine that somebody sits at. */

type Environment = Host['env'];

/** Throws unless this machine can build the recipe; says which packages are missing. */
export async function requirePrograms(
  recipe: Recipe,
  push: boolean,
  host: Pick<Host, 'env' | 'system'>,
): Promise<void> {
  const { platform, uid } = host.system;
  if (platform !== 'linux') {
    throw new CommandError(
      `An image is built on Linux, and this is ${platform}; use a Linux machine, or let the cluster build it`,
    );
  }
  if (uid !== 0) {
    throw new CommandError(
      'Building takes root, as owners and devices are made and programs run in the image; use sudo',
    );
  }
  const needed = programsOf(recipe, push);
  const paths = await Promise.all(needed.map(({ program }) => findProgram(program, host.env)));
  const missing = needed.filter((_it, i) => paths[i] === undefined);
  if (missing.length === 0) return;
  const packages = missing.map(({ from }) => from).filter((name) => name !== '');
  const others = missing
    .filter(({ from }) => from === '')
    .map(({ program }) => `${program} from ${homes[program] ?? 'its maker'}`);
  const advice = [
    ...(packages.length > 0 ? [`apt-get install ${packages.join(' ')}`] : []),
    ...(others.length > 0 ? [`install ${others.join(' and ')}`] : []),
  ];
  const names = missing.map(({ program }) => program);
  throw new CommandError(
    `This takes ${names.join(', ')}, which ${names.length === 1 ? 'is' : 'are'} not there: ${advice.join('; ')}`,
  );
}

const homes: Partial<Record<string, string>> = {
  syft: 'https://github.com/anchore/syft/releases',
  crane: 'https://github.com/google/go-containerregistry/releases',
};

async function findProgram(program: string, env: Environment): Promise<string | undefined> {
  for (const directory of (env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, program);
    const usable = await access(path, constants.X_OK)
      .then(() => stat(path))
      .catch(() => undefined);
    if (usable?.isFile()) return path;
  }
  return undefined;
}

interface Given {
  secrets: string | undefined;
  push: boolean;
  env: Environment;
}

/** What the build gets instead of the Secrets of a cluster, and the recipe without those that it can do without. */
export async function readPorts(
  recipe: Recipe,
  { secrets, push, env }: Given,
): Promise<{ recipe: Recipe; ports: Pick<BuilderPorts, 'tools' | 'readSecret' | 'resolvConf' | 'proxies'> }> {
  const given = secrets === undefined ? () => Promise.resolve(undefined) : secretsIn(secrets);
  for (const [role, name] of secretsOf(recipe, push)) {
    if (name === undefined || (await given(role))) continue;
    throw new CommandError(
      `The recipe names the Secret ${name}: give it with --secrets DIR, its keys as files in DIR/${role}`,
    );
  }
  const login = push ? ((await given(secretNames.push)) ?? (await dockerLogin(registryOf(recipe), env))) : undefined;
  const { pushSecretRef: _cluster, ...build } = recipe.build;
  const pathOf = async (program: string) => (await findProgram(program, env)) ?? program;
  const tools = { crane: await pathOf('crane'), syft: await pathOf('syft'), cosign: 'cosign' };
  const readSecret: ReadSecretOf = async (role) => (role === secretNames.push ? login : given(role));
  return {
    recipe: { ...recipe, build: { ...build, ...(login && { pushSecretRef: { name: 'push' } }) } },
    ports: {
      tools,
      readSecret,
      resolvConf: '/etc/resolv.conf',
      proxies: proxiesOf(env),
    },
  };
}

/** The host of the registry that the recipe is pushed to. */
const registryOf = ({ build }: Recipe): string => build.repository.slice(0, build.repository.indexOf('/'));

/** Secrets without which it cannot be built, and their names in the recipe. */
function secretsOf({ build }: Recipe, push: boolean): [SecretRole, string | undefined][] {
  const { oci, http, debootstrap } = build.from;
  return [
    [secretNames.base, (oci?.pullSecretRef ?? http?.secretRef)?.name],
    [secretNames.baseCA, (oci ?? http)?.caRef?.name],
    [secretNames.keyring, debootstrap?.keyringRef?.name],
    [secretNames.ca, push ? build.caRef?.name : undefined],
  ];
}
