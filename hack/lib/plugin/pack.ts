import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { pageSource } from '../page.ts';
import { threadSources } from '../threads.ts';

/** Packs the plugin with a Node of its own. ADR 45 says why so. */

export interface Packed {
  platform: string;
  /** One file that unpacks itself once and then runs. */
  single: string;
  /** The same for krew, which unpacks it. */
  archive: string;
  sha256: string;
}

export interface Parts {
  /** Such as `linux-amd64`. */
  platform: string;
  node: string;
  /** The bundled plugin, an ES module. */
  program: string;
  out: string;
  version: string;
  root: string;
  /** Of gzip; tests take a fast one. */
  level?: number;
}

const name = 'kubectl-monoroot';

/** Bundles the plugin into one module that needs nothing but Node; gives its path. */
export async function bundlePlugin(root: string, file: string): Promise<string> {
  await build({
    entryPoints: [join(root, 'src/cmd/cli.ts')],
    outfile: file,
    bundle: true,
    minify: true,
    keepNames: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    define: { ...(await threadSources()), ...(await pageSource()) },
    // Packages in CommonJS call require() for Node's own modules, which an ES module has not.
    banner: {
      js: "import { createRequire as monorootRequire } from 'node:module'; const require = monorootRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  return file;
}

/** Writes the single file and the archive of one platform. The same parts give the same bytes. */
export function packPlugin(parts: Parts): Packed {
  const { platform, out, version, node, program, root, level = 6 } = parts;
  mkdirSync(out, { recursive: true });
  const stage = mkdtempSync(join(out, '.stage-'));
  try {
    copyFileSync(node, join(stage, 'node'));
    chmodSync(join(stage, 'node'), 0o755);
    copyFileSync(program, join(stage, 'cli.mjs'));
    chmodSync(join(stage, 'cli.mjs'), 0o644);
    copyFileSync(join(root, 'LICENSE'), join(stage, 'LICENSE'));
    chmodSync(join(stage, 'LICENSE'), 0o644);
    const single = join(out, `${name}-${platform}`);
    writeSingle(single, tarball(stage, level), version);
    writeFileSync(join(stage, name), wrapper, { mode: 0o755 });
    chmodSync(join(stage, name), 0o755);
    const archive = join(out, `${name}-${platform}.tar.gz`);
    const bytes = tarball(stage, level);
    writeFileSync(archive, bytes);
    return { platform, single, archive, sha256: createHash('sha256').update(bytes).digest('hex') };
  } finally {
    rmSync(stage, { recursive: true });
  }
}

function tarball(directory: string, level: number): Buffer {
  const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--format=ustar'];
  const tar = execFileSync('tar', [...same, '-cf', '-', '-C', directory, '.'], { maxBuffer: 2 ** 30 });
  return execFileSync('gzip', ['-n', `-${level}`], { input: tar, maxBuffer: 2 ** 30 });
}

function writeSingle(file: string, payload: Buffer, version: string): void {
  const id = `${version}-${createHash('sha256').update(payload).digest('hex').slice(0, 16)}`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, Buffer.concat([Buffer.from(launcher(id)), payload]));
  chmodSync(file, 0o755);
}

/** What krew starts, by a link. */
const wrapper = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/node" "$here/cli.mjs" "$@"
`;

/** The beginning of the single file: the archive begins behind its last line. Two that start at once both unpack, and one of them is kept. */
function launcher(id: string): string {
  const lines = (count: number) => `#!/bin/sh
# kubectl-monoroot ${id}: Node and the plugin in one file. It unpacks itself once, into the cache directory of the user.
cache=\${MONOROOT_PLUGIN_CACHE:-\${XDG_CACHE_HOME:-$HOME/.cache}/monoroot/plugin}
home=$cache/${id}
if [ ! -d "$home" ]; then
  fail() { echo "kubectl-monoroot: cannot unpack itself into $cache; set MONOROOT_PLUGIN_CACHE to a directory that you can write to" >&2; exit 2; }
  umask 077
  mkdir -p "$cache" && new=$(mktemp -d "$cache/new.XXXXXX") || fail
  tail -n +${count} "$0" | gzip -dc | tar -xf - -C "$new" || { rm -rf "$new"; fail; }
  if [ -d "$home" ] || ! mv "$new" "$home"; then rm -rf "$new"; fi
fi
# Compiled code is kept there, too: a start takes two thirds of the time.
NODE_COMPILE_CACHE=$home/compiled exec "$home/node" "$home/cli.mjs" "$@"
`;
  return lines(lines(0).split('\n').length);
}
