import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const architectures: Readonly<Record<string, string>> = { amd64: 'x64', arm64: 'arm64' };

/** The Node for Linux that hack/lib/pinned/node.sha256 says, from npm when this machine has another architecture. Throws for any other file. */
export function pinnedNode(platform: string, root: string): string {
  const [, name = ''] = platform.split('-');
  const architecture = architectures[name] ?? name;
  const file =
    process.platform === 'linux' && process.arch === architecture
      ? join(root, 'node_modules/node/bin/node')
      : fetched(architecture, join(root, 'dist/node', platform));
  execFileSync(join(root, 'hack/lib/pinned/check'), ['node', file, architecture], { cwd: root, stdio: 'inherit' });
  return file;
}

function fetched(architecture: string, directory: string): string {
  const file = join(directory, 'package/bin/node');
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  const name = `node-linux-${architecture}@${process.versions.node}`;
  const archive = execFileSync('npm', ['pack', '--silent', name], { cwd: directory, encoding: 'utf8' }).trim();
  execFileSync('tar', ['-xzf', archive], { cwd: directory });
  return file;
}
