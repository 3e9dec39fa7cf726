import { createHash, timingSafeEqual } from 'node:crypto';
import { firstHit } from '../../runtime/rules.ts';

/** Who may ask. */
export interface Access {
  /** Names and addresses, without a port, under which the page is asked for; any other may be a name of a stranger that leads here. */
  hosts: readonly string[];
  /** What each request must show, in the address once and in a cookie from then on; none where others guard the way. */
  token?: string | undefined;
  /** The same, for one use only: what the command line of a browser shows to all who can list processes. */
  ticket?: string | undefined;
}

/** What of a request decides. */
export interface Asked {
  method: string;
  /** Path and query. */
  url: string;
  host: string | undefined;
  cookie: string | undefined;
  /** `Sec-Fetch-Site`: what the browser says about the page that asks. */
  site: string | undefined;
}

/** A request that gets no page. */
export interface Refusal {
  status: number;
  message: string;
  headers?: Record<string, string>;
  /** The ticket was used. */
  spent?: boolean;
}

/** The names under which a machine is asked by itself. */
export const loopbackHosts = ['127.0.0.1', 'localhost', '[::1]'];

/** Those of a `kubectl port-forward`, the names of a Service as Pods spell them, and what else the page is asked for under. */
export function serviceHosts(service: string, namespace: string, others: readonly string[]): string[] {
  const own = [service, `${service}.${namespace}`, `${service}.${namespace}.svc`];
  const more = others.map((it) => it.trim().toLowerCase()).filter((it) => it !== '');
  return [...loopbackHosts, ...own, `${service}.${namespace}.svc.cluster.local`, ...more];
}

/** Why a request is not answered; undefined when it is. First hit wins. */
export function refusalOf(asked: Asked, access: Access, cookieName: string): Refusal | undefined {
  return firstHit(rules, { asked, access, cookieName });
}

interface Subject {
  asked: Asked;
  access: Access;
  cookieName: string;
}
type Rule = (subject: Subject) => Refusal | undefined;

const writes: Rule = ({ asked: { method } }) =>
  method === 'GET'
    ? undefined
    : {
        status: 405,
        message: 'This page only shows: it answers GET and nothing else',
        headers: { allow: 'GET' },
      };

/** DNS rebinding: a page of a stranger asks under its own name, which by now leads to this machine. */
const strangeHost: Rule = ({ asked: { host = '' }, access }) =>
  access.hosts.includes(host.toLowerCase().replace(/:\d+$/, ''))
    ? undefined
    : { status: 421, message: `This page is not at ${printableHost(host)}; ask under a name that it is served at` };

const crossSite: Rule = ({ asked: { site, url } }) =>
  site === 'cross-site' && url.startsWith('/api/')
    ? { status: 403, message: 'Another site asked for this; open the page itself' }
    : undefined;

const showsToken: Rule = ({ asked: { url }, access: { token, ticket }, cookieName }) => {
  const given = queryOf(url).get('token');
  if (token === undefined || given === null) return undefined;
  const spent = ticket !== undefined && isEqual(given, ticket);
  if (!spent && !isEqual(given, token)) return undefined;
  const cookie = `${cookieName}=${token}; HttpOnly; SameSite=Strict; Path=/`;
  return { status: 303, message: 'Go on', headers: { location: withoutToken(url), 'set-cookie': cookie }, spent };
};

const lacksToken: Rule = ({ asked: { cookie = '' }, access: { token }, cookieName }) => {
  if (token === undefined) return undefined;
  const values = cookie.split(/; */).filter((it) => it.startsWith(`${cookieName}=`));
  if (values.some((it) => isEqual(it.slice(cookieName.length + 1), token))) return undefined;
  return { status: 401, message: 'Open the address that kubectl monoroot dashboard printed: it has the key in it' };
};

const rules: readonly Rule[] = [writes, strangeHost, crossSite, showsToken, lacksToken];

const queryOf = (url: string) => new URLSearchParams(url.split('?').slice(1).join('?'));

function withoutToken(url: string): string {
  const query = queryOf(url);
  query.delete('token');
  const [path = ''] = url.split('?');
  // Two slashes at the beginning would be another host.
  return `${path.replace(/^\/+/, '/')}${query.size === 0 ? '' : `?${query.toString()}`}`;
}

/** Takes the same time whatever differs. */
function isEqual(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

const printableHost = (host: string) => host.replace(/[^\w.:[\]-]/g, '?').slice(0, 100);
