import type { InstalledPackage } from '../../api/inspection.ts';

/** The packages of /lib/apk/db/installed of Alpine, each before the next one and after its files, with the name of the package. */
export async function* parseInstalled(
  lines: AsyncIterable<string>,
): AsyncGenerator<InstalledPackage | { file: string; name: string }> {
  let [name, version, architecture, directory] = ['', '', '', ''];
  for await (const line of lines) {
    const value = line.slice(2);
    if (line.startsWith('P:')) name = value;
    else if (line.startsWith('V:')) version = value;
    else if (line.startsWith('A:')) architecture = value;
    else if (line.startsWith('F:')) directory = value === '' ? '' : `/${value}`;
    else if (line.startsWith('R:')) yield { file: `${directory}/${value}`, name };
    else if (line === '' && name !== '') {
      yield { name, version, architecture };
      [name, version, architecture, directory] = ['', '', '', ''];
    }
  }
  if (name !== '') yield { name, version, architecture };
}
