import { request as forward } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serve } from './server.ts';

/** Does something else than to hand a request on: true when it has. */
export type Meddle = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface Relay {
  /** Name and port. */
  host: string;
  /** What it was asked for, such as `/v2/os/blobs/sha256:…`, with the range if there was one. */
  asked: string[];
}

/** A server until the test ends that hands all that it is asked for on to another one, unless `meddle` does something else. */
export async function startRelay(to: string, meddle: Meddle = () => false): Promise<Relay> {
  const asked: string[] = [];
  const origin = await serve((request, response) => {
    const { url = '', headers } = request;
    asked.push(headers.range === undefined ? url : `${url} ${headers.range}`);
    if (meddle(request, response)) return;
    forward(`http://${to}${url}`, { headers: { ...headers, host: to } }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    }).end();
  });
  return { host: new URL(origin).host, asked };
}
