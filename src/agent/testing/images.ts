import type { WantedImage } from '../../api/nodestore.ts';
import type { HttpSource } from '../../api/sources.ts';
import type { FetchPorts } from '../fetch/fetch.ts';
import { Room } from '../../image/disk/reservations.ts';
import type { ImageFile } from '../store/image-file.ts';
import { storePaths } from '../store/paths.ts';
import { prepareStore } from '../store/remove.ts';
import { readSpace } from '../../image/disk/space.ts';
import { temporaryDirectory } from './environment.ts';
import { onThisMachine } from './server.ts';

const digestOf = (character: string) => `sha256:${character.repeat(64)}`;

/** Something wanted from a web server. */
export type WantedArchive = WantedImage & { source: { http: HttpSource } };

/** Something wanted; its digest is made of one character so that tests are easy to read. */
export function wantedImage(version = 'v1', changes: Partial<WantedImage> & { digestOf?: string } = {}): WantedArchive {
  const { digestOf: character = 'a', ...rest } = changes;
  return {
    os: 'debian-12',
    version,
    digest: digestOf(character),
    source: { http: { url: 'http://127.0.0.1:1/image.tar', sha256: character.repeat(64) } },
    timeoutSeconds: 60,
    backoffLimit: 2,
    ...rest,
  } as WantedArchive;
}

/** The same in the store. */
export function storedImage(version = 'v1', changes: Partial<ImageFile> & { digestOf?: string } = {}): ImageFile {
  const { digestOf: character = 'a', ...rest } = changes;
  return {
    os: 'debian-12',
    version,
    digest: digestOf(character),
    layout: { kind: 'merged', directories: ['etc', 'usr'] },
    hasMountScript: false,
    archiveBytes: 1,
    unpackedBytes: 2,
    sharedBytes: 0,
    files: 3,
    publishTime: '2026-01-01T00:00:00Z',
    ...rest,
  };
}

/** An empty store of its own for a test. */
export async function fetchPorts(changes: Partial<FetchPorts> = {}): Promise<FetchPorts> {
  const paths = changes.paths ?? storePaths(temporaryDirectory());
  await prepareStore(paths);
  let id = 0;
  return {
    paths,
    readSecret: () => Promise.resolve(undefined),
    architecture: 'amd64',
    registries: { mirrorsFile: '/nonexistent', warn: () => undefined },
    signatures: { cosign: 'cosign', policyFile: '/nonexistent/policy.yaml' },
    now: () => new Date('2026-01-01T00:00:00Z'),
    uniqueId: () => `id${++id}`,
    http: { resumePauseSeconds: 0.001, reach: onThisMachine },
    room: new Room(() => readSpace(paths.staging), { bytes: 256 * 1024 * 1024 }),
    ...changes,
  };
}
