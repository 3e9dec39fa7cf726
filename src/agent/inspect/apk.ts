import type { InstalledPackage } from '../../api/inspection.ts';

/** The packages of /lib/apk/db/installed of Alpine; `onFile` receives the files of each, which belong to its name. */
export async function* parseInstalled(
  lines: AsyncIterable<string>,
  onFile: (path: string, name: string) => void,
): AsyncGenerator<InstalledPackage> {
  let [name, version, architecture, directory] = ['', '', '', ''];
  for await (const line of lines) {
    const value = line.slice(2);
    if (line.startsWith('P:')) name = value;
    else if (line.startsWith('V:')) version = value;
    else if (line.startsWith('A:')) architecture = value;
    else if (line.startsWith('F:')) directory = value === '' ? '' : `/${value}`;
    else if (line.startsWith('R:')) onFile(`${directory}/${value}`, name);
    else if (line === '' && name !== '') {
      yield { name, version, architecture };
      [name, version, architecture, directory] = ['', '', '', ''];
    }
  }
  if (name !== '') yield { name, version, architecture };
}
