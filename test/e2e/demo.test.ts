import { expect, test } from 'vitest';
import { run } from '../../hack/lib/process.ts';
import { kubectl } from './lib/system.ts';

test('npm run demo shows all that it claims, on real Debian images', { timeout: 900_000 }, async () => {
  const { code, stdout, stderr } = await run('npm', ['run', '--silent', 'demo'], {
    env: kubectl.env,
    timeoutSeconds: 880,
  });
  expect(code, `${stdout.slice(-4000)}\n${stderr.slice(-2000)}`).toBe(0);
});
