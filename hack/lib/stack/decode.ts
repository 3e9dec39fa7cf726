import { SourceMap } from 'node:module';

/** A place in a bundle: `/opt/monoroot/operator.js:12:3456`, also inside of a JSON string. */
const place = /(?:file:\/\/)?\/[\w./-]*\/(\w+)\.js:(\d+):(\d+)/g;

/**
 * Replaces places in bundles by places in the sources, such as `src/runtime/queue.ts:12:3`. `mapOf` gives the text of the source map of
 * a program, or undefined; places that no map knows stay as they are.
 */
export function createDecoder(mapOf: (program: string) => string | undefined): (line: string) => string {
  const maps = new Map<string, SourceMap | undefined>();
  const read = (program: string): SourceMap | undefined => {
    const text = mapOf(program);
    return text === undefined
      ? undefined
      : new SourceMap(JSON.parse(text) as ConstructorParameters<typeof SourceMap>[0]);
  };
  return (line) =>
    line.replace(place, (found, program: string, row: string, column: string) => {
      if (!maps.has(program)) maps.set(program, read(program));
      const origin = maps.get(program)?.findOrigin(Number(row), Number(column));
      if (!origin || !('fileName' in origin)) return found;
      return `${origin.fileName.replace(/^(?:\.\.\/)+/, '')}:${origin.lineNumber}:${origin.columnNumber}`;
    });
}
