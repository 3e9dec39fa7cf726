// A web server for archives that can misbehave on request: /<fault>/<file>; PUT stores one. Runs in the cluster, from a ConfigMap.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';

const slowly = (bytesPerSecond) =>
  new Transform({
    async transform(chunk, _encoding, done) {
      for (let at = 0; at < chunk.length; at += 8192) {
        const piece = chunk.subarray(at, at + 8192);
        await delay((1000 * piece.length) / bytesPerSecond);
        this.push(piece);
      }
      done();
    },
  });

const send = (response, file, through) => {
  response.writeHead(200, { 'content-length': statSync(file).size });
  const stream = createReadStream(file);
  response.on('close', () => stream.destroy());
  (through ? stream.pipe(through) : stream).pipe(response);
};

const faults = {
  good: (request, response, file) => send(response, file),
  slow: (request, response, file) => send(response, file, slowly(150_000)),
  truncated: (request, response, file) => {
    response.writeHead(200, { 'content-length': statSync(file).size });
    createReadStream(file, { end: Math.floor(statSync(file).size / 2) })
      .on('data', (chunk) => response.write(chunk))
      .on('end', () => response.destroy());
  },
  bearer: (request, response, file) =>
    request.headers.authorization === 'Bearer open-sesame' ? send(response, file) : response.writeHead(401).end(),
  basic: (request, response, file) =>
    request.headers.authorization === `Basic ${Buffer.from('ali:baba').toString('base64')}`
      ? send(response, file)
      : response.writeHead(401).end(),
};

const store = async (request, response, file) => {
  const hash = createHash('sha256');
  request.on('data', (chunk) => hash.update(chunk));
  await pipeline(request, createWriteStream(file));
  response.end(hash.digest('hex'));
};

const answer = (request, response) => {
  const [, fault = '', name = ''] = (request.url ?? '').split('/');
  const file = `/files/${name}`;
  if (request.method === 'PUT') return store(request, response, file).catch(() => response.destroy());
  const isFile = statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
  return isFile && faults[fault] ? faults[fault](request, response, file) : response.writeHead(404).end();
};

createServer(answer).listen(8080);
createTlsServer({ cert: readFileSync('/etc/tls/tls.crt'), key: readFileSync('/etc/tls/tls.key') }, answer).listen(8443);
process.on('SIGTERM', () => process.exit(0));
