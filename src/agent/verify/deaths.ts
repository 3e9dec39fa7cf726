import { imageName } from '../../api/images.ts';
import type { Verification } from '../state.ts';
import { begin, end, readDeaths } from '../store/begun.ts';
import type { Deaths, Work } from '../store/begun.ts';
import type { ImageFile } from '../store/image-file.ts';
import type { StorePaths } from '../store/paths.ts';
import type { VerifyPorts } from './runner.ts';

/** Verifications that agents died of. */
export interface VerificationDeaths {
  /** The same verification, counted as one that the agent dies of until it ends. */
  verify: VerifyPorts['verify'];
  /** What is to be remembered of an image of which earlier agents died; undefined when none did. Asks the disk once. */
  recall(image: ImageFile, now: number): Promise<Verification | undefined>;
}

const workOf = (content: boolean): Work => (content ? 'read' : 'look');

export interface DeathPorts {
  paths: StorePaths;
  verify: VerifyPorts['verify'];
  /** Milliseconds until the next try after so many deaths. */
  delay: (deaths: number) => number;
  /** What is said of an image of which so many agents died when they looked at it, or read it. */
  message: (deaths: number, content: boolean) => string;
}

export function countVerifications({ paths, verify, delay, message }: DeathPorts): VerificationDeaths {
  const deaths = new Map<Work, Map<string, Deaths>>();

  async function deathsOf(image: ImageFile, content: boolean): Promise<Deaths> {
    const work = workOf(content);
    const known = deaths.get(work) ?? (await readDeaths(paths, work));
    deaths.set(work, known);
    const found = known.get(imageName(image));
    const fingerprint = image.publishTime;
    return found?.fingerprint === fingerprint ? found : { fingerprint, deaths: 0 };
  }

  return {
    async verify(image, content, signal) {
      const work = workOf(content);
      // On a full disk nothing is counted.
      await begin(paths, work, imageName(image), await deathsOf(image, content)).catch(() => undefined);
      try {
        signal.throwIfAborted();
        return await verify(image, content, signal);
      } finally {
        deaths.get(work)?.delete(imageName(image));
        await end(paths, work, imageName(image));
      }
    },
    async recall(image, now) {
      const [look, read] = [await deathsOf(image, false), await deathsOf(image, true)];
      if (look.deaths + read.deaths === 0) return undefined;
      const after = (count: number) => (count > 0 ? now + delay(count) : 0);
      return {
        publishTime: image.publishTime,
        finding: {
          kind: 'unverified',
          message: message(Math.max(look.deaths, read.deaths), read.deaths > 0),
        },
        ...(look.deaths > 0 && { retryTime: after(look.deaths) }),
        ...(read.deaths > 0 && { contentRetryTime: after(read.deaths) }),
      };
    },
  };
}
