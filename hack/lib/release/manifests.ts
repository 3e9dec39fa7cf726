import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sameBytes } from './archive.ts';

/** What is installed by a release: its images are named by their digests. */
export interface Named {
  registry: string;
  version: string;
  /** `sha256:…` of each image by its name, such as `monoroot-builder`. */
  digests: ReadonlyMap<string, string>;
}

/** A line for each image, as `registry/name:version@sha256:…`. */
export const imageList = ({ registry, version, digests }: Named): string =>
  [...digests].map(([name, digest]) => `${registry}/${name}:${version}@${digest}\n`).join('');

/** The manifests of deploy/ with the images of a release. Throws when one of them has another image. */
export function withImages(manifests: string, { registry, digests }: Named): string {
  let result = manifests;
  for (const [name, digest] of digests)
    result = result.replaceAll(`localhost/${name}:dev`, `${registry}/${name}@${digest}`);
  const left = /\blocalhost\/\S+/.exec(result);
  if (left) throw new Error(`deploy/ has the image ${left[0]}, which is not part of the release`);
  return result;
}

/** values.yaml of the chart with the images of a release. Throws when it has other images. */
export function chartValues(values: string, { registry, version, digests }: Named): string {
  const named = [...digests].reduce((text, [name, digest]) => {
    const from = `{ repository: ${name}, tag: dev, digest: '' }`;
    if (!text.includes(from)) throw new Error(`charts/monoroot/values.yaml has no ${from}`);
    return text.replace(from, `{ repository: ${name}, tag: ${version}, digest: '${digest}' }`);
  }, values);
  if (named.includes('tag: dev'))
    throw new Error('charts/monoroot/values.yaml has an image that is not part of the release');
  if (!named.includes('imageRegistry: localhost\n'))
    throw new Error('charts/monoroot/values.yaml has no imageRegistry: localhost');
  return named.replace('imageRegistry: localhost\n', `imageRegistry: ${registry}\n`);
}

/** Packs the chart in `directory` as `helm package` does, into `file`. Equal charts give equal bytes, which those of `helm package` are not. */
export function packChart(directory: string, file: string, named: Named & { epoch: number }): void {
  const stage = mkdtempSync(join(tmpdir(), 'monoroot-chart-'));
  try {
    const chart = join(stage, 'monoroot');
    cpSync(directory, chart, { recursive: true });
    const edit = (name: string, change: (text: string) => string) => {
      writeFileSync(join(chart, name), change(readFileSync(join(chart, name), 'utf8')));
    };
    edit('values.yaml', (values) => chartValues(values, named));
    edit('Chart.yaml', (text) => text.replace(/^(version|appVersion): .*$/gm, `$1: ${named.version}`));
    // Helm takes Chart.yaml as the first entry for granted.
    const files = ['monoroot/Chart.yaml', ...readdirSync(chart).filter((it) => it !== 'Chart.yaml').sort().map((it) => `monoroot/${it}`)]; // prettier-ignore
    const same = [...sameBytes(named.epoch), '--mode=u=rwX,go=rX'];
    const tar = execFileSync('tar', [...same, '-cf', '-', '-C', stage, ...files], { maxBuffer: 2 ** 28 });
    writeFileSync(file, execFileSync('gzip', ['-n', '-9'], { input: tar, maxBuffer: 2 ** 28 }));
  } finally {
    rmSync(stage, { recursive: true });
  }
}
