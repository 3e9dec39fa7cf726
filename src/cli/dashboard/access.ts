import { createHash, timingSafeEqual } from 'node:crypto';
import { firstHit } from '../../runtime/rules.ts';
import { keyPath } from './routes.ts';

/** Who may ask. */
export interface Access {
  /** Names and addresses, without a port, under which the page is asked for; any other may be a name of a stranger that leads here. */
  hosts: readonly string[];
  /** What each request for data must show; none where others guard the way. */
  key?: string | undefined;
  /** What is changed for the key, once: the command line of a browser shows it to all who can list processes. */
  ticket?: string | undefined;
}

/** What of a request decides. */
export interface Asked {
  method: string;
  /** Path and query. */
  url: string;
  host: string | undefined;
  authorization: string | undefined;
  /** `Sec-Fetch-Site`: what the browser says about the page that asks. */
  site: string | undefined;
}

/** A request that gets no page. */
export interface Refusal {
  status: number;
  message: string;
  headers?: Record<string, string>;
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
export function refusalOf(asked: Asked, access: Access): Refusal | undefined {
  return firstHit(rules, { asked, access });
}

/** The key, for who shows the ticket that is left. */
export function keyFor({ authorization }: Asked, { key, ticket }: Access): string | undefined {
  return ticket !== undefined && shows(authorization, ticket) ? key : undefined;
}

interface Subject {
  asked: Asked;
  access: Access;
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

const isData = (url: string) => url.startsWith('/api/');

/** All ports of a machine are one site, so a site of another port is a stranger too. */
const otherSite: Rule = ({ asked: { site = 'none', url } }) =>
  isData(url) && site !== 'same-origin' && site !== 'none'
    ? { status: 403, message: 'Another site asked for this; open the page itself' }
    : undefined;

const lacksKey: Rule = ({ asked: { authorization, url }, access: { key } }) => {
  const isOpen = key === undefined || !isData(url) || url === keyPath;
  return isOpen || shows(authorization, key) ? undefined : noKey;
};
export const noKey: Refusal = {
  status: 401,
  message: 'Open the address that kubectl monoroot dashboard printed: it has the key in it',
};

const rules: readonly Rule[] = [writes, strangeHost, otherSite, lacksKey];

/** Takes the same time whatever differs. */
function shows(authorization: string | undefined, key: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(authorization ?? ''), digest(`Bearer ${key}`));
}

const printableHost = (host: string) => host.replace(/[^\w.:[\]-]/g, '?').slice(0, 100);
