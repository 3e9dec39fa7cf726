import { load } from 'js-yaml';
import { CommandError } from '../command.ts';

/** One object of a file. */
export interface Document {
  file: string;
  value: Record<string, unknown>;
  /** Lines of the document, and which line of the file the first one is. */
  lines: readonly string[];
  firstLine: number;
}

/** The objects of a file of YAML or JSON documents, without empty ones. Throws an error for users when it is no YAML. */
export function documentsOf(file: string, text: string): Document[] {
  const documents: Document[] = [];
  let lines: string[] = [];
  let firstLine = 1;
  const end = (next: number) => {
    const value = parse(file, lines.join('\n'), firstLine);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      documents.push({ file, value: value as Record<string, unknown>, lines, firstLine });
    }
    lines = [];
    firstLine = next;
  };
  for (const [index, line] of text.split('\n').entries()) {
    if (/^---(\s|$)/.test(line)) end(index + 2);
    else lines.push(line);
  }
  end(0);
  return documents;
}

function parse(file: string, text: string, firstLine: number): unknown {
  try {
    return load(text);
  } catch (error) {
    const said = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new CommandError(`${file}: the document that begins in line ${firstLine} is no YAML: ${said}`);
  }
}

/** The line of the file where a field is, or the nearest one above it that is written there. */
export function lineOf(
  { lines, firstLine }: Pick<Document, 'lines' | 'firstLine'>,
  path: readonly (string | number)[],
): number {
  let at = 0;
  for (const part of path) {
    if (typeof part === 'number') continue;
    const key = new RegExp(`^[\\s{,-]*(?:.*[{,]\\s*)?["']?${part.replaceAll(/[.*+?^$()[\]{}|\\]/g, '\\$&')}["']?\\s*:`);
    const found = lines.findIndex((line, index) => index >= at && key.test(line));
    if (found < 0) break;
    at = found;
  }
  return firstLine + at;
}
