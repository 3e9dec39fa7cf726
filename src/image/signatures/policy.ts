import { createPublicKey } from 'node:crypto';
import { YAMLException, load } from 'js-yaml';
import { z } from 'zod';
import type { DesiredImage } from '../../api/nodestore.ts';
import { checkValues, explain, mostYamlValues } from '../untrusted.ts';
import { parseRepository } from '../registry/repository.ts';

/** What the policy says about a source. */
export interface Rule {
  /** As the policy has it. */
  prefix: string;
  /** PEM of public keys: a signature of one of them is needed. None is needed when there are none. */
  keys: readonly string[];
}

export type Policy = readonly Rule[];
type FetchSource = DesiredImage['source'];

const everything = '*';

const key = z.string().transform((text, context) => {
  const problem = keyProblem(text);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  return text;
});

const prefix = z
  .string()
  .regex(
    /^(\*|(https?:\/\/)?([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(\/[^\s:@?#/]+)*\/?)$/,
    'must be a registry with the beginning of a path and neither tag nor digest, such as registry.example.com/os/production, a URL, or "*"',
  );

const rule = z
  .strictObject({ prefix, keys: z.array(key).min(1).optional(), unsigned: z.literal(true).optional() })
  .refine((it) => (it.keys === undefined) !== (it.unsigned === undefined), 'must have either keys or unsigned: true');
const policy = z.strictObject({ repositories: z.array(rule) });

/**
 * Reads the text of a policy. Throws an Error that says what is wrong with it: a policy that is partly understood is none.
 */
export function parsePolicy(text: string): Policy {
  const parsed = policy.safeParse(readYaml(text));
  if (!parsed.success) throw new Error(explain(parsed.error));
  const rules = parsed.data.repositories.map(({ prefix: it, keys = [] }) => ({ prefix: it, keys }));
  const places = rules.map((rule) => placeOfPrefix(rule.prefix));
  const twice = rules.find((_rule, i) => places.indexOf(places[i] ?? '') !== i);
  if (twice) throw new Error(`${twice.prefix} is there twice`);
  return rules;
}

function readYaml(text: string): unknown {
  try {
    const value = load(text);
    checkValues(value, mostYamlValues);
    return value;
  } catch (error) {
    // Without the lines that are wrong: a private key may be among them.
    if (error instanceof YAMLException) throw new Error(`it is no YAML: ${error.reason}`, { cause: error });
    throw error;
  }
}

/**
 * The rule with the longest prefix, of whole parts of the path, that a source lies below; undefined when there is none. A URL that
 * servers read in several ways lies below every prefix of its server: one that asks for a signature is taken before all others.
 */
export function ruleFor(source: FetchSource, rules: Policy): Rule | undefined {
  const wanted = placeOf(source);
  const length = (rule: Rule) => (rule.prefix === everything ? 0 : placeOfPrefix(rule.prefix).length);
  const longest = (isAbove: (place: string) => boolean, among = rules) =>
    among
      .filter(({ prefix: it }) => it === everything || isAbove(placeOfPrefix(it)))
      .sort((a, b) => length(b) - length(a))[0];
  const strictest =
    source.http && isAmbiguous(source.http.url)
      ? longest(
          (place) => originOf(place) === originOf(wanted),
          rules.filter(({ keys }) => keys.length > 0),
        )
      : undefined;
  return strictest ?? longest((place) => wanted === place || wanted.startsWith(`${place}/`));
}

const originOf = (place: string): string | undefined => URL.parse(place)?.origin;

/** Some servers decode a separator before they resolve `..`, some twice, and some drop what comes after a semicolon. */
function isAmbiguous(url: string): boolean {
  const path = URL.parse(url)?.pathname ?? '';
  return /%(2f|5c|25|00)|\/\.{1,2};/i.test(path);
}

/** Registry and repository as a reference names them, wherever the bytes come from; or the URL of an archive. */
function placeOf({ oci, http }: FetchSource): string {
  if (http) return placeOfUrl(http.url);
  const { host, name } = parseRepository(oci?.reference ?? '');
  return `${hostOf(host)}/${name}`;
}

function placeOfPrefix(text: string): string {
  if (text === everything) return text;
  if (/^https?:/.test(text)) return placeOfUrl(text);
  const [host = '', ...path] = text.replace(/\/$/, '').split('/');
  return [hostOf(host), ...path].join('/');
}

function placeOfUrl(text: string): string {
  const url = URL.parse(text);
  return url ? `${url.protocol}//${serverOf(url)}${url.pathname}`.replace(/\/$/, '') : text;
}

/** A registry has one name here, however it is written. */
function hostOf(text: string): string {
  const url = URL.parse(`https://${text}`);
  const host = (url ? serverOf(url) : text.toLowerCase()).replace(/:(443|80)$/, '');
  return ['docker.io', 'registry-1.docker.io'].includes(host) ? 'index.docker.io' : host;
}

/**
 * A URL has one spelling of its host already: lower case, no default port, numbers of addresses as everybody writes them. What is left are
 * names with a dot at their end, which lead to the same server, and IPv4 addresses in the clothes of IPv6.
 */
function serverOf({ hostname, port }: URL): string {
  const [, high, low] = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(hostname) ?? [];
  const bytes = [high, low].flatMap((it) => (it === undefined ? [] : [parseInt(it, 16) >> 8, parseInt(it, 16) & 255]));
  const host = bytes.length > 0 ? bytes.join('.') : hostname.replace(/\.+$/, '');
  return port === '' ? host : `${host}:${port}`;
}

function keyProblem(text: string): string | undefined {
  if (/PRIVATE KEY/.test(text)) return 'is a private key: everybody who can read it can sign; replace the pair';
  if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(text)) return 'must be PEM that begins with -----BEGIN PUBLIC KEY-----';
  try {
    createPublicKey(text);
    return undefined;
  } catch {
    return 'is no public key that can be read';
  }
}
