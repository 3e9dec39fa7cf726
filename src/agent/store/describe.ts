import { join } from 'node:path';
import { attributesName, listAttributes } from './attributes.ts';
import { describedNames, lineOf, manifestName, writeLines, writeManifest } from './manifest.ts';
import type { Survey } from './measure.ts';
import type { Sorter } from './sorter.ts';
import { lookAtFile } from '../../system/walk.ts';

/** What is known of the tree of an entry before it is published. */
export interface Description {
  survey: Survey;
  /** Attributes of its files, as `listAttributes` gives them for `root`. */
  attributes: Sorter;
}

const tree = './root';

/**
 * Writes what describes a finished entry into it, without digests of contents: reading all again would take longer than what it follows on.
 * Files beside the tree, whose names must be before its own, are looked at now.
 */
export async function describeEntry(
  entry: string,
  { survey, attributes }: Description,
  signal: AbortSignal,
): Promise<void> {
  const beside = (await describedNames(entry)).filter((name) => name !== tree);
  const lines: string[] = [];
  for (const name of beside) {
    lines.push(lineOf(name.slice(2), await lookAtFile(join(entry, name)), entry));
  }
  const own: string[] = [];
  for await (const line of listAttributes(entry, beside, { signal })) own.push(line);
  await writeManifest(join(entry, manifestName), after(lines, survey.manifest.sorted()), false);
  await writeLines(join(entry, attributesName), after(own, attributes.sorted()));
}

async function* after(few: readonly string[], many: AsyncIterable<string>): AsyncGenerator<string> {
  yield* few.toSorted();
  yield* many;
}

/** Adds the attributes of all files in the tree of an entry to a list. */
export async function addAttributes(entry: string, to: Sorter, signal: AbortSignal): Promise<void> {
  for await (const line of listAttributes(entry, [tree], { signal })) {
    to.add(line);
    await to.settle();
  }
}
