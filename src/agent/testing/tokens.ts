import { X509Certificate, sign } from 'node:crypto';
import { user } from './registry.ts';
import { serve } from './server.ts';
import { selfSigned } from './tls.ts';

export interface TokenServer {
  realm: string;
  issuer: string;
  cert: string;
  /** How it was asked, such as `GET repository:os:pull as u`. */
  asked: string[];
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * A server, until the test ends, that gives tokens to read repositories: to the one user, to those who have the refresh token
 * `refresh`, and when `anonymous` to everybody.
 */
export async function startTokenServer({ anonymous = false } = {}): Promise<TokenServer> {
  const { cert, key } = selfSigned();
  const issuer = 'test';
  const chain = [new X509Certificate(cert).raw.toString('base64')];
  const asked: string[] = [];

  function token(scope: string): string {
    const [type = '', name = '', actions = ''] = scope.split(':');
    const now = Math.floor(Date.now() / 1000);
    const access = [{ type, name, actions: actions.split(',') }];
    const claims = {
      iss: issuer,
      sub: 'u',
      aud: 'registry',
      iat: now,
      nbf: now - 60,
      exp: now + 300,
      jti: '1',
      access,
    };
    const text = `${encode({ typ: 'JWT', alg: 'ES256', x5c: chain })}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  }

  const expected = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString('base64')}`;
  const origin = await serve((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      const { method = '' } = request;
      const form = method === 'POST' ? new URLSearchParams(body) : new URL(request.url ?? '', 'http://x').searchParams;
      const { authorization } = request.headers;
      const known = authorization === expected || form.get('refresh_token') === 'refresh';
      const scope = form.get('scope') ?? '';
      asked.push(`${method} ${scope} as ${known ? 'u' : authorization === undefined ? 'nobody' : 'somebody'}`);
      if (known || (anonymous && authorization === undefined)) response.end(JSON.stringify({ token: token(scope) }));
      else response.writeHead(401).end();
    });
  });
  // cosign takes no private address for a realm that is not the registry itself, but a name.
  return { realm: `${origin.replace('127.0.0.1', 'localhost')}/token`, issuer, cert, asked };
}
