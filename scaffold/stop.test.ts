import { once } from 'node:events';
import * as fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Container, initOf, whyNoContainers } from '../test/fixtures/scaffold.ts';

const missing = whyNoContainers();
if (missing !== undefined) console.warn(`Tests of scaffold/launch are skipped: ${missing}`);

/** A service that says which signals it gets, and ends at QUIT. */
const service = `trap 'echo quit >>/run/said; exit 7' QUIT; trap 'echo term >>/run/said; exit 8' TERM
trap 'echo hup >>/run/said' HUP; echo "$$ $(id -u) $0" >/run/said; while :; do sleep 0.05; done`;

async function until(check: () => boolean): Promise<void> {
  const deadline = Date.now() + 90_000;
  while (!check()) {
    if (Date.now() > deadline) throw new Error('It did not come to that in 90 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe.skipIf(missing !== undefined)('a stop signal', { timeout: 120_000 }, () => {
  test.each(['0', 'app'])('reaches the command instead of SIGTERM, as user %s', async (user) => {
    await using container = await Container.create({ image: (root) => fs.writeFileSync(`${root}/run/said`, '') });
    fs.chmodSync(container.path('/run'), 0o777);
    const env = { MONOROOT_USER: user, MONOROOT_STOP_SIGNAL: 'QUIT', MONOROOT_WRITABLE: '/etc:/var:/tmp' };
    const running = container.start(['sh', '-c', service, 'named'], env);
    const said = () => (fs.existsSync(container.path('/run/said')) ? container.read('/run/said') : '');
    await until(() => said().endsWith('named\n'));
    process.kill(initOf(running), 'SIGHUP');
    await until(() => said().includes('hup'));
    process.kill(initOf(running), 'SIGTERM');
    const [code] = (await once(running, 'exit')) as [number];
    expect(code).toBe(7);
    const [first, ...rest] = said().trimEnd().split('\n');
    expect(first).toMatch(user === 'app' ? /^\d+ 1000 named$/ : /^\d+ 0 named$/);
    expect(rest).toEqual(['hup', 'quit']);
  });

  test('does not change how a command ends, what it is called and what it has', async () => {
    await using container = await Container.create();
    const env = { MONOROOT_STOP_SIGNAL: 'RTMIN+3', 'odd.name': 'x' };
    expect(container.run(['sh', '-c', 'exit 9'], env).status).toBe(9);
    expect(container.run(['sh', '-c', 'kill -9 $$'], env).status).toBe(137);
    expect(container.run(['env'], env).stdout).toContain('odd.name=x\n');
    expect(container.run(['env'], env).stdout).not.toMatch(/MONOROOT_(STOP|LINKS|USER)/);
    const ignored = (more: Record<string, string>) =>
      /SigIgn:\s(\w+)/.exec(container.run(['cat', '/proc/self/status'], more).stdout)?.[1];
    expect(ignored(env)).toBe(ignored({}));
  });

  test('of a command that cannot start leaves its message', async () => {
    await using container = await Container.create({
      image: (root) => fs.writeFileSync(`${root}/usr/bin/broken`, '#!/nowhere\n', { mode: 0o755 }),
    });
    const { status, terminationLog } = container.run(['broken'], { MONOROOT_STOP_SIGNAL: 'INT' });
    expect({ status, terminationLog }).toEqual({
      status: 125,
      terminationLog:
        "monoroot: CommandNotFound: 'broken' of tiny:v1 did not start: it, its interpreter or its dynamic loader is missing\n",
    });
  });
});
