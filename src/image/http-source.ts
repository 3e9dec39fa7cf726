import type { HttpSource } from '../api/sources.ts';
import { readCredentials } from './download/credentials.ts';
import type { ReadSecret } from './download/credentials.ts';
import { openHttp } from './download/http.ts';
import type { HttpOptions } from './download/http.ts';
import { checkDigest, transfer } from './transfer.ts';
import type { Source } from './source.ts';

/** The archive of this digest on a web server. It is unpacked while it comes. */
export async function openArchive(
  http: HttpSource,
  digest: string,
  { readSecret, ...options }: Omit<HttpOptions, 'credentials'> & { readSecret: ReadSecret },
): Promise<Source> {
  const credentials = () => readCredentials(http, readSecret);
  const download = await openHttp(http.url, { ...options, credentials });
  return {
    totalBytes: download.totalBytes,
    sizeIsVerified: false,
    async verify(signal, onBytes) {
      const again = await openHttp(http.url, { ...options, credentials, signal });
      try {
        await checkDigest(again.body, digest, onBytes);
      } finally {
        await again.close();
      }
    },
    obtain: async (into) => ({ archiveBytes: await transfer(download, { ...into, digest }) }),
    close: () => download.close(),
  };
}
