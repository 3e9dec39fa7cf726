// The web server for archives in the cluster of the demo: PUT stores a file and answers with its SHA-256, GET serves it.
// Runs in a Pod (see objects.ts), so it uses nothing but Node. Usage: node webserver.ts DIRECTORY PORT
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const [directory = '.', port = '8080'] = process.argv.slice(2);

async function store(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  const hash = createHash('sha256');
  request.on('data', (chunk: Buffer) => hash.update(chunk));
  await pipeline(request, createWriteStream(`${path}.new`));
  await rename(`${path}.new`, path);
  response.end(`${hash.digest('hex')}\n`);
}

async function serve(response: ServerResponse, path: string): Promise<void> {
  const about = await stat(path);
  if (!about.isFile()) {
    response.writeHead(404).end(`${basename(path)} is not a file\n`);
    return;
  }
  response.writeHead(200, { 'content-length': about.size, 'content-type': 'application/octet-stream' });
  await pipeline(createReadStream(path), response);
}

createServer((request, response) => {
  const path = join(directory, basename(new URL(request.url ?? '/', 'http://localhost').pathname));
  const answered = request.method === 'PUT' ? store(request, response, path) : serve(response, path);
  answered.catch((error: unknown) => {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (response.headersSent) response.destroy();
    else response.writeHead(missing ? 404 : 500).end(`${String(error)}\n`);
  });
}).listen(Number(port));
