import { waitFor } from '../../../hack/lib/kube/wait.ts';
import { services } from './objects.ts';
import { labels } from '../../../src/api/names.ts';
import { fieldManager, kubectl, namespace } from './system.ts';

/** One time that the page was asked for. */
export interface Answer {
  /** Milliseconds since 1970. */
  at: number;
  /** What it said; '' when there was no answer within a second. */
  page: string;
}

/** Runs in the Pod of the web server, so that it goes on while no API server can be reached. */
const script = `
const [, url, file] = process.argv;
const fs = require('fs');
const ask = async () => {
  const at = Date.now();
  // The next question is asked also when a connection to a Pod that goes never ends: nothing else ends the wait for certain.
  const late = new Promise((resolve) => setTimeout(resolve, 1000, ''));
  const asked = fetch(url, { signal: AbortSignal.timeout(1000), headers: { connection: 'close' } }).then((r) => r.text()).catch(() => '');
  const page = await Promise.race([asked, late]);
  fs.appendFileSync(file, JSON.stringify({ at, page: page.trim() }) + '\\n');
  setTimeout(ask, 250);
};
ask();
setTimeout(() => process.exit(), 600_000);
`;
const target = { name: 'deployment/files', namespace };

/**
 * Asks for the page of a container four times a second, as a customer does: through a Service. Returns when the first
 * answer has come; what it returns gives all answers so far.
 */
export async function pollPage(name: string): Promise<() => Promise<Answer[]>> {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { [labels.hostedContainer]: name }, ports: [{ port: 80, targetPort: 8080 }] },
  };
  await kubectl.apply([service], fieldManager);
  const { spec } = (await kubectl.get(services, { name, namespace })) ?? {};
  const file = `/files/page-${name}-${Date.now()}`;
  const started = await kubectl.exec(target, [
    'sh',
    '-c',
    'node -e "$0" "$1" "$2" >/dev/null 2>&1 </dev/null &',
    script,
    `http://${spec?.clusterIP ?? ''}/`,
    file,
  ]);
  if (started.code !== 0) throw new Error(`The page of ${name} is not asked for: ${started.stderr}`);
  const answers = async () => {
    const { stdout } = await kubectl.shell(target, 'cat "$1"', file);
    return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Answer); // prettier-ignore
  };
  await waitFor(
    `the page of ${name}`,
    async () => ((await answers()).some(({ page }) => page !== '') ? { done: true } : { waiting: 'no answer' }),
    { seconds: 30, interval: 0.2 },
  );
  return answers;
}

/** The longest time without an answer, in seconds. */
export function longestSilence(answers: readonly Answer[]): number {
  let [longest, since] = [0, answers[0]?.at ?? 0];
  for (const { at, page } of answers) {
    if (page === '') longest = Math.max(longest, at - since);
    else since = at;
  }
  return longest / 1000;
}
