import { describe, expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { parseConfig, parseManifest } from './image.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 7 };
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 3 };
const bytes = (json: unknown) => Buffer.from(JSON.stringify(json));

function refusal(parse: () => unknown): string {
  try {
    return `taken: ${JSON.stringify(parse())}`;
  } catch (error) {
    return error instanceof FetchError ? `${error.reason}: ${error.message}` : String(error);
  }
}

describe('a manifest', () => {
  test('of OCI or Docker gives its layers, the lowest first', () => {
    expect(parseManifest(bytes({ schemaVersion: 2, config, layers: [layer] }), 'amd64')).toMatchObject({
      config: { digest, size: 3 },
      layers: [{ digest, size: 7 }],
    });
    const docker = {
      config: { ...config, mediaType: 'application/vnd.docker.container.image.v1+json' },
      layers: [{ ...layer, mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' }],
    };
    expect(parseManifest(bytes(docker), 'amd64')).toMatchObject({ layers: [{ digest }] });
  });

  test.each<[string, unknown, string]>([
    ['of Docker schema 1', { schemaVersion: 1, fsLayers: [] }, 'Docker schema 1'],
    ['of something else', { hello: 1 }, 'no known kind'],
    ['of no JSON object', 'x', 'is not valid'],
    ['without layers', { config, layers: [] }, 'It has no layers'],
    [
      'of an artifact',
      { config: { ...config, mediaType: 'application/vnd.cncf.helm.config.v1+json' }, layers: [layer] },
      'helm.config',
    ],
    [
      'with a foreign layer',
      {
        config,
        layers: [{ ...layer, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' }],
      },
      'foreign.diff',
    ],
    [
      'with an encrypted layer',
      { config, layers: [{ ...layer, mediaType: `${layer.mediaType}+encrypted` }] },
      'encrypted',
    ],
    ['with a layer of another digest', { config, layers: [{ ...layer, digest: 'sha512:1' }] }, 'only sha256'],
    ['with a path as a digest', { config, layers: [{ ...layer, digest: `${digest}/../x` }] }, 'only sha256'],
  ])('%s is refused', (_name, json, said) => {
    const told = refusal(() => parseManifest(bytes(json), 'amd64'));
    expect(told).toMatch(/^UnsupportedImage: /);
    expect(told).toContain(said);
  });

  test('of an index is that for the processor', () => {
    const manifests = ['arm64', 'amd64'].map((architecture, i) => ({
      digest: `sha256:${String(i).repeat(64)}`,
      size: 1,
      platform: { os: 'linux', architecture },
    }));
    expect(parseManifest(bytes({ manifests }), 'amd64')).toEqual({ child: `sha256:${'1'.repeat(64)}` });
    const told = refusal(() => parseManifest(bytes({ manifests: manifests.slice(0, 1) }), 'amd64'));
    expect(told).toMatch(/^ArchitectureMismatch: .*linux\/amd64 but for linux\/arm64/);
  });

  test('of an index with variants is the plain one, else the lowest that the processor can run', () => {
    const of = (variant?: string) => ({
      digest: `sha256:${(variant ?? 'v0').slice(1).repeat(64)}`,
      size: 1,
      platform: { os: 'linux', architecture: 'amd64', ...(variant !== undefined && { variant }) },
    });
    const chosen = (level: number, ...manifests: object[]) => parseManifest(bytes({ manifests }), 'amd64', level);
    expect(chosen(4, of('v3'), of(), of('v2'))).toEqual({ child: `sha256:${'0'.repeat(64)}` });
    expect(chosen(4, of('v3'), of('v2'))).toEqual({ child: `sha256:${'2'.repeat(64)}` });
    expect(refusal(() => chosen(1, of('v3'), of('v2')))).toBe(
      'ArchitectureMismatch: The index has nothing below linux/amd64/v2, and the processor of this node is of level v1; ' +
        'push one without a variant, or select nodes that can run it',
    );
  });
});

describe('a configuration', () => {
  const parse = (of: unknown, more = {}) => parseConfig(bytes({ architecture: 'amd64', config: of, ...more }), 'amd64');

  test('without anything to run gives no defaults', () => {
    expect(parse({ Entrypoint: null, Cmd: [], Env: null, WorkingDir: '' })).toBeUndefined();
    expect(parse(null)).toBeUndefined();
  });

  test('means text, where Kubernetes would put in variables', () => {
    expect(parse({ Cmd: ['$(A)', '$$(A)', '$A', 'a$'] })).toEqual({ args: ['$$(A)', '$$$$(A)', '$A', 'a$'] });
    expect(parse({ Env: ['A=$(B)=1'] })).toEqual({ env: [{ name: 'A', value: '$$(B)=1' }] });
  });

  test('that could not be defaults is refused', () => {
    expect(refusal(() => parse({ User: 'a b' }))).toMatch(/^UnsupportedImage: .*user/s);
  });

  test('for another processor or system is refused', () => {
    expect(refusal(() => parse({}, { architecture: 'arm64' }))).toMatch(/^ArchitectureMismatch: /);
    expect(refusal(() => parse({}, { os: 'windows' }))).toMatch(/^UnsupportedImage: It is for windows/);
  });
});

describe('what a hostile registry sends is refused with one reason', () => {
  const million = (item: string, size: number) => Buffer.from(`${item},`.repeat(size).slice(0, -1));
  const around = (before: string, item: string, after: string) =>
    Buffer.concat([Buffer.from(before), million(item, 1_048_576 / (item.length + 1)), Buffer.from(after)]);
  const head = `{"schemaVersion":2,"config":${JSON.stringify(config)},`;

  test.each<[string, () => unknown]>([
    ['a manifest of a million layers', () => parseManifest(around(`${head}"layers":[`, '{}', ']}'), 'amd64')],
    ['an index of a million manifests', () => parseManifest(around('{"manifests":[', '{}', ']}'), 'amd64')],
    [
      'a configuration of a million variables',
      () => parseConfig(around('{"architecture":"amd64","config":{"Env":[', '1', ']}}'), 'amd64'),
    ],
    ['a manifest of many levels', () => parseManifest(Buffer.from('['.repeat(1_000_000)), 'amd64')],
  ])('%s', (_name, parse) => {
    const told = refusal(parse);
    expect(told).toMatch(/^UnsupportedImage: Its \w+ (has more than 20000 values|is nested deeper)/);
    expect(told.length).toBeLessThan(1024);
  });

  test('many layers that are not valid, but not too many to be looked at', () => {
    const told = refusal(() =>
      parseManifest(bytes({ config, layers: Array.from({ length: 9_000 }, () => ({})) }), 'amd64'),
    );
    expect(told).toMatch(/^UnsupportedImage: Its manifest is not valid: .* at layers\.0\.digest, and 17999 more/);
    expect(told.length).toBeLessThan(1024);
  });

  test('a word of any length', () => {
    const told = refusal(() => parseConfig(bytes({ architecture: 'x'.repeat(100_000) }), 'amd64'));
    expect(told).toMatch(/^ArchitectureMismatch: The image is for xxx/);
    expect(told.length).toBeLessThan(2100);
  });

  test('more layers than can be laid over one another', () => {
    const layers = Array.from({ length: 257 }, () => layer);
    expect(refusal(() => parseManifest(bytes({ config, layers }), 'amd64'))).toContain('It has 257 layers');
  });
});
