import { expect, test } from 'vitest';
import { build } from 'esbuild';
import { createDecoder } from './decode.ts';

const source = `
function fails(): never {
  throw new Error('as asked');
}
export const run = () => fails();
run();
`;

/** The program, bundled as hack/build.ts does it, and its map. */
async function bundle(): Promise<{ code: string; map: string }> {
  const { outputFiles } = await build({
    stdin: { contents: source, sourcefile: 'src/cmd/failing.ts', loader: 'ts' },
    outfile: 'dist/failing.js',
    write: false,
    bundle: true,
    minify: true,
    keepNames: true,
    sourcemap: 'linked',
    format: 'esm',
  });
  const textOf = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? '';
  return { code: textOf('.js'), map: textOf('.map') };
}

test('a place in a bundle becomes the place in the source', async () => {
  const { code, map } = await bundle();
  const column = code.split('\n')[0]?.indexOf('throw ') ?? -1;
  expect(column).toBeGreaterThan(0);
  const decode = createDecoder((program) => (program === 'failing' ? map : undefined));
  expect(decode(`    at fails (file:///opt/monoroot/failing.js:1:${column + 1})`)).toBe(
    '    at fails (src/cmd/failing.ts:3:3)',
  );
  expect(decode(`{"stack":"Error: x\\n    at fails (/opt/monoroot/failing.js:1:${column + 1})\\n"}`)).toBe(
    '{"stack":"Error: x\\n    at fails (src/cmd/failing.ts:3:3)\\n"}',
  );
});

test('what no map knows stays as it is', async () => {
  const { map } = await bundle();
  const decode = createDecoder((program) => (program === 'failing' ? map : undefined));
  for (const line of [
    '    at other (file:///opt/monoroot/other.js:1:20)',
    '    at node:internal/main/run_main_module:36:49',
    'failing.js is no place',
    '',
  ])
    expect(decode(line)).toBe(line);
});
