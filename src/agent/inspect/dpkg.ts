import type { InstalledPackage } from '../../api/inspection.ts';

/**
 * The installed packages of a file in the format of /var/lib/dpkg/status, which is that of each file in status.d of distroless
 * images too. Packages of which only the configuration is left are not installed.
 */
export async function* parseStatus(lines: AsyncIterable<string>): AsyncGenerator<InstalledPackage> {
  let fields = new Map<string, string>();
  for await (const line of lines) {
    if (line === '') {
      yield* installed(fields);
      fields = new Map();
    }
    // Lines that begin with a blank go on with the field before.
    const [, name, value] = /^(Package|Status|Architecture|Version): *(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, value.trim());
  }
  yield* installed(fields);
}

function installed(fields: ReadonlyMap<string, string>): InstalledPackage[] {
  const [name, version] = [fields.get('Package'), fields.get('Version')];
  const [status, architecture = ''] = [fields.get('Status'), fields.get('Architecture')];
  if (name === undefined || version === undefined) return [];
  if (status !== undefined && !status.endsWith(' installed')) return [];
  return [{ name, version, architecture }];
}

/** The package whose list of files a file in /var/lib/dpkg/info is: `libc6:amd64.list` is that of libc6. */
export const packageOfList = (name: string): string | undefined => /^([^:]+)(:[^:]+)?\.list$/.exec(name)?.[1];
