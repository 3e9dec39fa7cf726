import type { HttpSource } from '../../api/sources.ts';
import { readCredentials } from '../download/credentials.ts';
import type { ReadSecret } from '../download/credentials.ts';
import { openHttp } from '../download/http.ts';
import type { HttpOptions } from '../download/http.ts';
import { transfer } from '../transfer.ts';
import type { Source } from './source.ts';

/** The archive of this digest on a web server. It is unpacked while it comes. */
export async function openArchive(
  http: HttpSource,
  digest: string,
  { readSecret, ...options }: Omit<HttpOptions, 'credentials'> & { readSecret: ReadSecret },
): Promise<Source> {
  const download = await openHttp(http.url, { ...options, credentials: () => readCredentials(http, readSecret) });
  return {
    totalBytes: download.totalBytes,
    obtain: async (into) => ({ archiveBytes: await transfer(download, { ...into, digest }) }),
    close: () => download.close(),
  };
}
