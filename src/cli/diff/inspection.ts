import type { InspectedFile, InspectedPackage, InspectionHead, InspectionLine } from '../../api/inspection.ts';

/** The end of an answer is missing: it can be asked for again. */
export class LostOutput extends Error {
  override readonly name = 'LostOutput';
}

/** One image as its agent tells of it. */
export interface Inspection {
  head: InspectionHead;
  packages: InspectedPackage[];
  /** In the order of the manifest; they come while they are read. */
  files: AsyncGenerator<InspectedFile>;
}

/** Reads an answer up to its files. Throws LostOutput, also while the files are read, when it is not whole. */
export async function readInspection(lines: AsyncGenerator<InspectionLine>): Promise<Inspection> {
  const next = async () => {
    const result = await lines.next();
    if (result.done === true) throw new LostOutput('The answer of the agent ended too early');
    return result.value;
  };
  const head = await next();
  if (head.kind !== 'image') throw new LostOutput('The answer of the agent does not begin with an image');
  const packages: InspectedPackage[] = [];
  let line = await next();
  for (; line.kind === 'package'; line = await next()) packages.push(line);

  async function* files() {
    try {
      for (; line.kind !== 'end'; line = await next()) if (line.kind === 'file') yield line;
    } finally {
      await lines.return(undefined);
    }
  }
  return { head, packages, files: files() };
}
