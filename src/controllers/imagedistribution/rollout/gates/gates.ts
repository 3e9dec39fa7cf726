import { z } from 'zod';
import { labels } from '../../../../api/names.ts';
import type { containerCounts, Gate } from '../../../../api/rollout.ts';
import { postOnce } from './request.ts';
import type { GateAccess, GateResponse } from './request.ts';
import { queryResult } from './prometheus.ts';
import type { GateResult } from './prometheus.ts';
import { truncate } from '../../../../runtime/text.ts';

/** The state of the rollout that a gate is asked about; what a webhook gets as JSON. */
export interface GateQuestion {
  distribution: string;
  /** `<os>:<version>` that containers are moved to. */
  image: string;
  /** 0: the canaries. */
  wave: number;
  counts: z.output<typeof containerCounts>;
}

export interface GateSecret {
  labels: Readonly<Record<string, string>>;
  values: Record<string, string>;
}

export interface GatePorts {
  /** Labels and decoded values of a Secret in the operator's namespace; undefined when there is none. Read again on every call. */
  readSecret: (name: string) => Promise<GateSecret | undefined>;
  /** Gates may be at loopback and link-local addresses; not unless it is set. */
  localAddresses?: boolean;
}

/**
 * Asks a gate once whether a rollout may go on. What cannot be asked does not hold. Rejects only when the signal aborts.
 * Prometheus holds when its answer is a scalar or a vector that is not empty and all values are numbers other than 0: NaN, as of
 * 0/0, does not hold, +Inf and -Inf do. A webhook holds when it answers 2xx.
 */
export async function askGate(
  gate: Gate,
  question: GateQuestion,
  ports: GatePorts,
  signal: AbortSignal,
): Promise<GateResult> {
  const secrets: string[] = [];
  try {
    const { url, contentType, body } = callOf(gate, question);
    const access = await readAccess(gate, ports, secrets);
    const { timeoutSeconds } = gate;
    const { localAddresses = false } = ports;
    const answer = await postOnce({ url, contentType, body, access, timeoutSeconds, localAddresses, signal }).catch(
      (error: unknown) => {
        throw new Error(`${url.host}: ${messageOf(error)}; check the URL, the server and caRef of the gate`);
      },
    );
    return short(resultOf(gate, answer, url.host, (text) => oneLine(conceal(text, secrets))));
  } catch (error) {
    signal.throwIfAborted();
    return short({ holds: false, message: conceal(messageOf(error), secrets) });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What goes into a status. */
const short = ({ holds, message }: GateResult): GateResult => ({ holds, message: truncate(message, 1024) });

/** Servers may repeat what they were sent. */
const conceal = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);

/** The beginning of what a server said. */
const oneLine = (text: string): string =>
  truncate(
    text
      .slice(0, 2000)
      .replace(/[\p{C}\s]+/gu, ' ')
      .trim(),
    300,
  );

function callOf(
  { prometheus, webhook }: Gate,
  question: GateQuestion,
): { url: URL; contentType: string; body: string } {
  const base = URL.parse(prometheus?.url ?? webhook?.url ?? '');
  if (!base) throw new Error('The url of the gate is no URL; correct it');
  if (base.username || base.password) {
    throw new Error(
      'The url of the gate has a login in it, which everybody can read; put it in a Secret for secretRef',
    );
  }
  if (!prometheus) return { url: base, contentType: 'application/json', body: JSON.stringify(question) };
  base.pathname = `${base.pathname.replace(/\/+$/, '')}/api/v1/query`;
  const body = new URLSearchParams({ query: prometheus.query }).toString();
  return { url: base, contentType: 'application/x-www-form-urlencoded', body };
}

/** What the gate's Secrets say; their values are added to `secrets`. Throws when one is missing or not labelled for gates. */
async function readAccess(
  { secretRef, caRef }: Gate,
  { readSecret }: GatePorts,
  secrets: string[],
): Promise<GateAccess> {
  const read = async (name: string) => {
    const secret = await readSecret(name).catch((error: unknown) => {
      throw new Error(`Secret ${name} cannot be read: ${messageOf(error)}; check the rights of the operator`);
    });
    if (!secret) throw new Error(`There is no Secret ${name} in the operator's namespace; create it there`);
    // Whoever writes an ImageDistribution chooses Secret and server: without the label every Secret there could be sent anywhere.
    if (secret.labels[labels.gate] !== 'true') {
      throw new Error(
        `Secret ${name} has no label ${labels.gate}=true, so no gate may use it; label it if it is meant for gates`,
      );
    }
    return secret.values;
  };
  const access: GateAccess = {};
  if (secretRef) {
    const { token, username, password } = await read(secretRef.name);
    // A line break at the end is what `echo` and editors add.
    if (token?.trim()) access.authorization = `Bearer ${token.trim()}`;
    else if (username !== undefined && password !== undefined) {
      access.authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    } else {
      throw new Error(`Secret ${secretRef.name} has neither token nor username and password; add one or the others`);
    }
    // The longest first: a part of it that is concealed would uncover the rest.
    secrets.push(
      ...[access.authorization.replace(/^\w+ /, ''), token?.trim(), password].filter((it) => !!it).map(String),
    );
    secrets.sort((a, b) => b.length - a.length);
  }
  if (caRef) {
    const ca = (await read(caRef.name))['ca.crt'];
    if (!ca) throw new Error(`Secret ${caRef.name} has no key ca.crt; add it`);
    access.ca = ca;
  }
  return access;
}

function resultOf(
  { prometheus }: Gate,
  { status, text, cut, redirect }: GateResponse,
  host: string,
  tell: (text: string) => string,
): GateResult {
  const no = (message: string): GateResult => ({ holds: false, message: `${host} ${message}` });
  if (redirect !== undefined) {
    return no(`answered ${status} and leads to ${tell(redirect)}, which is not followed; correct the url of the gate`);
  }
  if (!prometheus) {
    const words = tell(text);
    return { holds: status >= 200 && status < 300, message: `${host} answered ${status}${words && `: ${words}`}` };
  }
  if (cut) return no('gave too long an answer; make the query give fewer values, such as with min()');
  return queryResult(status, text, host, tell);
}
