import type { OSImage } from '../../api/osimage.ts';
import { imageName } from '../../api/images.ts';
import { FetchError, askServer, proxiesOf, resolveImage } from '../../builder/resolve.ts';
import { dockerLogin } from '../bundle/docker-login.ts';
import type { Reached } from './facts.ts';
import { hostOf } from './sources.ts';

interface Ports {
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
}

const atOnce = 4;

/** Asks the source of each image; registries with the login of `docker login`, web servers with none. Nothing is downloaded but descriptions. */
export async function reachFromHere(images: readonly OSImage[], ports: Ports): Promise<Reached[]> {
  const left = images.filter(({ spec }) => spec.source.http ?? spec.source.oci);
  const reached: Reached[] = [];
  const one = async () => {
    for (let image = left.shift(); image; image = left.shift()) reached.push(await reach(image, ports));
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return reached.sort((a, b) => (a.image < b.image ? -1 : 1));
}

async function reach({ spec }: OSImage, ports: Ports): Promise<Reached> {
  const about = { image: imageName(spec), host: hostOf(spec.source) };
  try {
    await ask(spec, ports);
    return about;
  } catch (error) {
    if (error instanceof FetchError) return { ...about, problem: `${error.reason}: ${error.message}` };
    throw error;
  }
}

async function ask({ source: { http, oci }, architecture }: OSImage['spec'], { env, signal }: Ports): Promise<void> {
  const proxies = proxiesOf(env);
  if (http) return askServer(http.url, { proxies, signal });
  if (!oci) return;
  const { reference, digest, plainHTTP = false } = oci;
  const [host = ''] = reference.split('/');
  const login = await dockerLogin(host, env);
  const repository = reference.replace(/:[^/:]*$/, '');
  const asked = { architecture: architecture === 'arm64' ? 'arm64' : 'amd64', plainHTTP } as const;
  await resolveImage(repository, digest, { ...asked, login, ca: undefined, proxies, signal });
}
