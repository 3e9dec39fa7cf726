import { writablePath } from '../../api/kubernetes/podfields.ts';
import { resolveInContainer } from './top.ts';

/** Overlays in any case, or none that could be: the runtime's, the customer's, and /usr, which stays as the image has it. */
const apart = new Set(['etc', 'var', 'tmp', 'run', 'usr', 'dev', 'proc', 'sys', 'data', 'sw', '.monoroot']);
const most = 16;

/**
 * Volumes of an image that can be overlays of their own. A mount point cannot be made in a read-only directory, so each must be a
 * directory of the image that no link leads to, or be on top.
 */
export async function mountableVolumes(root: string, volumes: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of volumes) {
    const inside = path.slice(1);
    if (!writablePath.safeParse(path).success || apart.has(inside.split('/')[0] ?? '')) continue;
    const place = await resolveInContainer(root, inside);
    const isThere = place?.type === 'directory' && place.path === inside;
    if (isThere || (!place && !inside.includes('/'))) found.push(path);
  }
  return found.slice(0, most);
}
