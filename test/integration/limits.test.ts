import { afterAll, expect, inject, test } from 'vitest';
import { readyImage } from '../../src/agent/status/image-status.ts';
import { fittingImages, mostBytes as mostTold } from '../../src/agent/status/limits.ts';
import { storedImage, wantedImage } from '../fixtures/agent/wanted.ts';
import { fieldManagers } from '../../src/api/names.ts';
import { mostImages } from '../../src/api/nodestore.ts';
import { bytesOf, fitting, mostBytes } from '../../src/controllers/node-limits.ts';
import { nodeStores } from '../../src/kube/kinds.ts';
import { connect } from './environment.ts';

const { connection, client } = connect(inject('kubeconfig'));
afterAll(() => connection.close());

const versions = Array.from(
  { length: mostImages },
  (_, i) => `a-version-of-30-characters.${String(i).padStart(3, '0')}`,
);
/** Bytes of one character. */
const width = (text: string) => bytesOf([text]) - bytesOf(['']);
const total = (images: readonly object[]) => images.reduce((sum, image) => sum + bytesOf(image), 0);

test.each([
  ['of letters', 'x'],
  ['of characters that the API server writes as six', '<'],
])(
  'a NodeStore that is full in number and size, with texts %s, is stored by the API server and etcd',
  async (_name, text) => {
    const name = 'full';
    const short = versions.map((version) => wantedImage(version, { os: 'an-os-with-a-name-of-30-letter' }));
    // The last few take what the rest leaves.
    let room = mostBytes - total(short);
    const images = short.map((image) => {
      const length = Math.min(65_536, Math.floor(room / width(text)) - 20);
      if (length <= 0) return image;
      const filled = { ...image, mountScript: text.repeat(length) };
      room -= bytesOf(filled) - bytesOf(image);
      return filled;
    });
    const { kept, cut } = fitting(images.map((image) => ({ image, cause: 'Distributed', told: false })));
    expect([kept.length, cut.length]).toEqual([mostImages, 0]);
    expect(total(kept)).toBeGreaterThan(mostBytes * 0.95);
    await client.apply(
      nodeStores,
      { metadata: { name }, spec: { images: kept } },
      { fieldManager: fieldManagers.operator },
    );

    const args = (size: number) => ({ defaults: { args: [text.repeat(Math.floor(size))] } });
    const each =
      (mostTold / mostImages - bytesOf(readyImage(storedImage(versions[0], { os: short[0]?.os ?? '' })))) /
        width(text) -
      30;
    const stored = short.map(({ os, version }) => readyImage(storedImage(version, { os, ...args(each) })));
    const { images: told, left } = fittingImages(stored, short);
    expect(left).toEqual([]);
    expect(total(told)).toBeGreaterThan(mostTold * 0.8);
    const status = { images: told, conditions: [], store: { usedBytes: 0, freeBytes: 0 } };
    const { status: written } = await client.applyStatus(
      nodeStores,
      { metadata: { name }, status },
      { fieldManager: fieldManagers.agent },
    );
    expect(written?.images).toHaveLength(mostImages);
    await client.delete(nodeStores, { name });
  },
);
