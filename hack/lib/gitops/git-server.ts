import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../process.ts';

/** A Git repository over HTTP on the loopback interface, and a place to commit to it from. */
export interface GitServer {
  url: string;
  /** Writes these files (undefined removes one), commits and pushes to `main`; resolves to the commit. */
  commit(message: string, files: Record<string, string | undefined>): Promise<string>;
  stop(): void;
}

export async function startGit(): Promise<GitServer> {
  const directory = mkdtempSync(join(tmpdir(), 'monoroot-git-'));
  const work = join(directory, 'work');
  const git = async (...args: string[]) => {
    const env = { ...process.env, HOME: directory, GIT_CONFIG_NOSYSTEM: '1' };
    const { code, stdout, stderr } = await run('git', args, { timeoutSeconds: 60, env });
    if (code !== 0) throw new Error(`git ${args.join(' ')}: ${stderr.trim()}`);
    return stdout.trim();
  };
  await git('init', '--quiet', '--bare', '--initial-branch=main', join(directory, 'fleet.git'));
  await git('clone', '--quiet', join(directory, 'fleet.git'), work);
  const server = createServer((request, response) => backend(directory, request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/fleet.git`,
    async commit(message, files) {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(work, path)), { recursive: true });
        if (text === undefined) rmSync(join(work, path));
        else writeFileSync(join(work, path), text);
      }
      const author = ['-c', 'user.name=Monoroot', '-c', 'user.email=monoroot@example.com'];
      await git('-C', work, 'add', '--all');
      await git('-C', work, ...author, 'commit', '--quiet', '-m', message);
      await git('-C', work, 'push', '--quiet', 'origin', 'HEAD:main');
      return git('-C', work, 'rev-parse', 'HEAD');
    },
    stop() {
      server.closeAllConnections();
      server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** One request to `git http-backend`, which speaks CGI. */
function backend(directory: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: directory,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REQUEST_METHOD: request.method,
      PATH_INFO: pathname,
      QUERY_STRING: searchParams.toString(),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  // A client that goes away before its answer is whole.
  child.stdin.on('error', () => undefined);
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  child.stdout.on('data', (piece: Buffer) => {
    if (response.headersSent) return void response.write(piece);
    head = Buffer.concat([head, piece]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const headers = head.subarray(0, end).toString().split('\r\n').map((line) => line.split(/: */, 2)); // prettier-ignore
    const status = headers.find(([name]) => name === 'Status')?.[1];
    response.writeHead(
      Number(status?.slice(0, 3) ?? 200),
      Object.fromEntries(headers.filter(([name]) => name !== 'Status')) as Record<string, string>,
    );
    response.write(head.subarray(end + 4));
  });
  child.once('close', () => response.end());
}
