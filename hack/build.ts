// Bundles the programs into dist/, one file each that needs nothing but Node.
//   hack/node hack/build.ts            all of them
//   hack/node hack/build.ts operator   only these
import { chmodSync, existsSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import { pageSource } from './lib/page.ts';
import { threadSources } from './lib/threads.ts';

const root = join(import.meta.dirname, '..');
const required = ['operator', 'agent', 'mounts', 'builder', 'inspect', 'digest', 'links', 'gates', 'web'];
const optional = ['cli'];

const source = (name: string): string => join(root, 'src/cmd', `${name}.ts`);

const asked = process.argv.slice(2);
const names = asked.length > 0 ? asked : [...required, ...optional.filter((name) => existsSync(source(name)))];
const missing = names.filter((name) => !existsSync(source(name)));
if (missing.length > 0) {
  const files = missing.map((name) => relative(root, source(name)));
  process.stderr.write(`hack/build.ts: no source for ${missing.join(' and ')}: ${files.join(', ')} does not exist\n`);
  process.exit(1);
}

// An older Node, such as that of a distribution, fails somewhere in a library, in words that help no one.
const checkNode =
  "if (parseInt(process.versions.node) < 22) { console.error('monoroot needs Node 22.19 or later, and this is ' + process.version); process.exit(2); }";

await build({
  entryPoints: names.map(source),
  outdir: join(root, 'dist'),
  bundle: true,
  minify: true,
  // Stack traces and logs name classes and functions.
  keepNames: true,
  sourcemap: 'linked',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  define: { ...(await threadSources()), ...(await pageSource()) },
  // Packages in CommonJS call require() for Node's own modules, which an ES module has not.
  banner: {
    js:
      "import { createRequire as monorootRequire } from 'node:module'; const require = monorootRequire(import.meta.url); " +
      checkNode,
  },
  logLevel: 'warning',
});

// The plugin is started by its name: see docs/cli.md.
if (names.includes('cli')) chmodSync(join(root, 'dist/cli.js'), 0o755);

for (const name of names) {
  const kib = Math.round(statSync(join(root, 'dist', `${name}.js`)).size / 1024);
  process.stdout.write(`dist/${name}.js ${kib} KiB\n`);
}
