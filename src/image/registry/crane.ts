import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Proxies } from '../download/connect.ts';
import { programEnvironment } from '../../system/programs.ts';
import type { Login } from './login.ts';
import type { Repository } from './repository.ts';

/** How programs of the family of `crane` ask a registry. */
export interface CraneOptions {
  login: Login | undefined;
  /** PEM of the authorities that may sign the registry's certificate, instead of the usual ones. */
  ca: string | undefined;
  proxies: Proxies | undefined;
}

/** Environment of a program that asks a registry as crane does; its login and authorities are written into the directory. */
export async function registryEnvironment(
  directory: string,
  { host }: Pick<Repository, 'host'>,
  { login, ca, proxies }: CraneOptions,
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
