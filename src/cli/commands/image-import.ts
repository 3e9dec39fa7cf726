import { readFile } from 'node:fs/promises';
import { FetchError, proxiesOf, resolveImage } from '../../builder/resolve.ts';
import type { ResolvedImage } from '../../builder/resolve.ts';
import { osName, osVersion } from '../../api/meta.ts';
import { dockerLogin } from '../bundle/docker-login.ts';
import { CommandError, UsageError, defineCommand, exitCodes } from '../command.ts';
import type { Context } from '../command.ts';
import { mebibytes } from '../terminal.ts';

/** Writes the objects that make an image of a registry an operating system for containers. */
export const imageImport = defineCommand({
  name: ['image', 'import'],
  summary: 'Print OSImage and ImageDistribution for an image in a registry',
  positionals: ['REFERENCE'],
  options: {
    os: { type: 'string', value: 'NAME', help: 'name of the operating system, such as nginx' },
    version: { type: 'string', value: 'NAME', help: 'name of the version, such as v1' },
    architecture: { type: 'string', value: 'NAME', choices: ['amd64', 'arm64'], help: 'amd64 (default) or arm64' },
    'pull-secret': { type: 'string', value: 'NAME', help: 'Secret in monoroot-sources that nodes log in with' },
    'ca-secret': {
      type: 'string',
      value: 'NAME',
      help: 'Secret in monoroot-sources with the authorities of the registry',
    },
    'ca-file': { type: 'string', value: 'FILE', help: 'the same authorities, for asking the registry from here' },
    'plain-http': { type: 'boolean', help: 'ask the registry without TLS' },
  },
  description: `REFERENCE is that of docker pull: nginx, docker.io/library/nginx:1.27, registry.example.com/os/debian@sha256:…. The registry is asked
from here, with the login of \`docker login\` if there is one. What it has under a tag now is written down as a digest: whatever the tag
means later, containers run these bytes. Nothing is changed in a cluster; apply what is printed. The first image of an operating system
takes both objects; for the next, apply its OSImage and change spec.image of the ImageDistribution.`,
  examples: [
    'kubectl monoroot image import nginx:1.27 --os nginx --version v1 | kubectl apply -f -',
    'kubectl monoroot image import registry.example.com/os/debian:12 --os debian-12 --version v36 --pull-secret registry',
  ],
  async run(context, { values, positionals: [text = ''] }) {
    const os = named(values.os, 'os', osName);
    const version = named(values.version, 'version', osVersion);
    const { repository, tag } = readReference(text);
    const architecture = values.architecture === 'arm64' ? 'arm64' : 'amd64';
    const plainHTTP = values['plain-http'] === true;
    const found = await ask(repository, tag, { architecture, plainHTTP, caFile: values['ca-file'] }, context);
    report(text, found, context);
    const secrets = { pull: values['pull-secret'], ca: values['ca-secret'] };
    const reference = tag.startsWith('sha256:') ? repository : `${repository}:${tag}`;
    for (const line of manifest({ os, version, architecture, reference, plainHTTP, digest: found.digest, secrets }))
      context.out.line(line);
    return exitCodes.done;
  },
});

function named(value: string | undefined, option: string, schema: typeof osName): string {
  if (value === undefined) throw new UsageError(`--${option} NAME must be given`);
  if (schema.safeParse(value).success) return value;
  const characters = option === 'os' ? 'lower-case letters, digits and -' : 'lower-case letters, digits, . and -';
  throw new UsageError(
    `--${option} ${value} is no name: at most 30 ${characters}, with a letter or digit at both ends`,
  );
}

/** As docker reads it: without a registry it is Docker Hub, without a tag `latest`. */
export function readReference(text: string): { repository: string; tag: string } {
  const [, name = '', tag, digest] = /^([^@]+?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? [];
  const [first = '', ...rest] = name.split('/');
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const path = hasRegistry ? rest.join('/') : name;
  if (!/^[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/.test(path)) {
    throw new UsageError(`${text} is no reference of an image, such as registry.example.com/os/debian:12`);
  }
  const host = hasRegistry ? first : 'docker.io';
  const whole = host === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  return { repository: `${host}/${whole}`, tag: digest ?? tag ?? 'latest' };
}

interface Asking {
  architecture: 'amd64' | 'arm64';
  plainHTTP: boolean;
  caFile: string | undefined;
}

async function ask(repository: string, tag: string, given: Asking, { env, signal }: Context): Promise<ResolvedImage> {
  const { architecture, plainHTTP, caFile } = given;
  const host = repository.slice(0, repository.indexOf('/'));
  const ca = caFile === undefined ? undefined : await readCa(caFile);
  const login = await dockerLogin(host, env);
  try {
    return await resolveImage(repository, tag, { architecture, plainHTTP, login, ca, proxies: proxiesOf(env), signal });
  } catch (error) {
    if (error instanceof FetchError) throw new CommandError(explain(error, host));
    throw error;
  }
}

async function readCa(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandError(`${file} cannot be read: ${String(error)}`);
  });
}

/** What to do about it here is not what to do in a cluster. */
function explain({ reason, message }: FetchError, host: string): string {
  const said = `${reason}: ${message.replace(/; check source\.oci\..*$/, '')}`;
  if (reason === 'Unauthorized') return `${said}; log in with docker login ${host}`;
  if (reason === 'CertificateUntrusted') return `${said}; give its authorities with --ca-file`;
  if (reason === 'ManifestUnknown') return `${said}; look at its tags`;
  return said;
}

/** Kubernetes has no say in these: told before somebody wonders. */
function report(text: string, { defaults, layers, bytes, digest }: ResolvedImage, { err }: Context): void {
  err.line(`${text} is ${digest}: ${layers} ${layers === 1 ? 'layer' : 'layers'}, ${mebibytes(bytes)}`);
  const { command = [], args = [], user = 'root', stopSignal = 'SIGTERM', volumes = [] } = defaults ?? {};
  const runs = [...command, ...args].join(' ');
  err.line(
    runs === ''
      ? 'It has no command: set spec.command in HostedContainers'
      : `It runs ${runs}, as ${user}, until ${stopSignal}`,
  );
  if (volumes.length > 0) err.line(`Its volumes become writable where that is possible: ${volumes.join(', ')}`);
}

interface Objects {
  os: string;
  version: string;
  architecture: string;
  reference: string;
  digest: string;
  plainHTTP: boolean;
  secrets: { pull: string | undefined; ca: string | undefined };
}

function manifest({ os, version, architecture, reference, digest, plainHTTP, secrets }: Objects): string[] {
  const quoted = (name: string) => (/^[0-9.]|^(true|false|yes|no|on|off|null|y|n)$/.test(name) ? `"${name}"` : name);
  return [
    'apiVersion: monoroot.dev/v1alpha1',
    'kind: OSImage',
    'metadata:',
    `  name: ${quoted(`${os}.${version}`)}`,
    'spec:',
    `  os: ${quoted(os)}`,
    `  version: ${quoted(version)}`,
    ...(architecture === 'amd64' ? [] : [`  architecture: ${architecture}`]),
    '  source:',
    '    oci:',
    `      reference: ${reference}`,
    `      digest: ${digest}`,
    ...(plainHTTP ? ['      plainHTTP: true'] : []),
    ...(secrets.pull === undefined ? [] : [`      pullSecretRef: {name: ${secrets.pull}}`]),
    ...(secrets.ca === undefined ? [] : [`      caRef: {name: ${secrets.ca}}`]),
    '---',
    'apiVersion: monoroot.dev/v1alpha1',
    'kind: ImageDistribution # one for each operating system: for another version, change spec.image',
    'metadata:',
    `  name: ${quoted(os)}`,
    'spec:',
    `  image: ${os}:${version}`,
    '  activate:',
    `    newContainers: true # the default version of ${os}, once all nodes have it`,
  ];
}
