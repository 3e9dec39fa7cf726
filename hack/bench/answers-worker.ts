// Asks every Pod on a node for its page, in a thread of its own: what watches the API server is not to wait for it. See answers.ts.
import { readdirSync } from 'node:fs';
import { connect, isIPv4 } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

/** One answer. Times are in milliseconds since 1970. */
export interface Answer {
  address: string;
  page: string;
  asked: number;
  at: number;
}

/** Milliseconds between two questions. */
const period = 4;
/** Milliseconds for one of them. */
const patience = 500;

const addresses = workerData as string;
const ignored = new Set(readdirSync(addresses).filter(isIPv4));
const now = () => performance.timeOrigin + performance.now();
setInterval(() => {
  for (const address of readdirSync(addresses)) if (isIPv4(address) && !ignored.has(address)) ask(address);
}, period);
parentPort?.postMessage(undefined);

function ask(address: string): void {
  const asked = now();
  let text = '';
  const socket = connect({ host: address, port: 8080, timeout: patience });
  socket.setEncoding('utf8');
  socket.once('connect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
  socket.on('data', (chunk: string) => (text += chunk));
  socket.once('end', () => {
    const [head = '', body = ''] = text.split('\r\n\r\n');
    if (!head.startsWith('HTTP/1.') || !head.includes(' 200 ')) return;
    parentPort?.postMessage({ address, page: body.trim(), asked, at: now() } satisfies Answer);
  });
  socket.once('timeout', () => socket.destroy());
  // No one listens there, yet or any more.
  socket.once('error', () => socket.destroy());
}
