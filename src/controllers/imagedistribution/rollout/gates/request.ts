import { Agent, request } from 'undici';
import { lookupNotLocal, refuseLocalHost } from '../../../../runtime/addresses.ts';

/** What a gate needs of Secrets. Never to be logged. */
export interface GateAccess {
  /** Value of the header `authorization`. */
  authorization?: string;
  /** PEM of the authorities that may sign the server's certificate, instead of the usual ones. */
  ca?: string;
}

export interface GateCall {
  url: URL;
  contentType: string;
  body: string;
  access: GateAccess;
  timeoutSeconds: number;
  /** Also loopback and link-local addresses. */
  localAddresses: boolean;
  signal: AbortSignal;
}

export interface GateResponse {
  status: number;
  /** At most `mostBytes` of it. */
  text: string;
  /** There was more than `text`. */
  cut: boolean;
  /** Where else it is said to be, for people: without what may be secret. */
  redirect?: string;
}

/** Of an answer that is read. */
export const mostBytes = 256 * 1024;

/**
 * POSTs once, on a connection of its own, and follows no redirect: a login is for the server that the gate names. Rejects with
 * the reason of the signal, or an Error for people when there is no answer within the time.
 */
export async function postOnce({
  url,
  contentType,
  body,
  access,
  timeoutSeconds,
  localAddresses,
  signal,
}: GateCall): Promise<GateResponse> {
  const time = AbortSignal.timeout(timeoutSeconds * 1000);
  const { ca, authorization } = access;
  if (!localAddresses) refuseLocalHost(url);
  const connect = {
    timeout: timeoutSeconds * 1000,
    ...(ca !== undefined && { ca }),
    ...(!localAddresses && { lookup: lookupNotLocal }),
  };
  const dispatcher = new Agent({ connect, connections: 1 });
  try {
    const response = await request(url, {
      method: 'POST',
      dispatcher,
      signal: AbortSignal.any([signal, time]),
      headers: {
        'content-type': contentType,
        'user-agent': 'monoroot-operator',
        ...(authorization !== undefined && { authorization }),
      },
      body,
    });
    const { statusCode: status, headers } = response;
    const location = status >= 300 && status < 400 ? URL.parse(String(headers.location ?? ''), url.href) : null;
    return {
      status,
      ...(await readStart(response.body)),
      ...(location && { redirect: `${location.origin}${location.pathname}` }),
    };
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(time.aborted ? `no answer within ${timeoutSeconds} s` : said(error), { cause: error });
  } finally {
    await dispatcher.destroy();
  }
}

async function readStart(body: AsyncIterable<Uint8Array>): Promise<Pick<GateResponse, 'text' | 'cut'>> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    pieces.push(piece);
    size += piece.length;
    if (size > mostBytes) break;
  }
  return { text: Buffer.concat(pieces).subarray(0, mostBytes).toString(), cut: size > mostBytes };
}

function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return code && !error.message.includes(code) ? `${error.message} (${code})` : error.message;
}
