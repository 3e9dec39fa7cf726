import { waitForImage } from './containers.ts';
import { ask, shell, show } from './demo.ts';
import type { Demo } from './demo.ts';
import { containers, customersPage, demoNamespace, os } from './objects.ts';
import { waitForPage } from './serve.ts';

/** Changes one property of both containers, which is all that an upgrade takes. */
export async function upgrade(demo: Demo): Promise<void> {
  const { claims } = demo;
  const curl = 'curl -s http://localhost:8080/healthz';
  const before = await shell(demo, 'web-1', curl);
  for (const name of containers) await setImage(demo, name, 'v2');
  for (const name of containers) await waitForImage(demo, name, 'v2');
  await show(demo, '-n', demoNamespace, 'get', 'hostedcontainers');
  const data = await Promise.all(containers.map((name) => ask(demo, name, 'cat /data/kept')));
  const after = await shell(demo, 'web-1', curl);
  const own = await waitForPage(demo, 'web-1', customersPage);
  const made = await waitForPage(demo, 'web-2', `${os}:v2`);
  claims.check('upgraded', {
    'curl was not there in v1': before.code === 127,
    'it is in v2, and gets an answer': after.code === 0 && after.stdout.trim() === 'ok',
    'the page of web-1 is the one in /data': own.includes(customersPage),
    [`the page of web-2 names ${os}:v2`]: made.includes(`${os}:v2`),
    'the data of both is there': data.every((text, i) => text === `data of ${containers[i] ?? ''}`),
  });
}

export async function setImage(demo: Demo, name: string, version: string): Promise<void> {
  const patch = JSON.stringify({ spec: { image: `${os}:${version}` } });
  await show(demo, '-n', demoNamespace, 'patch', 'hostedcontainer', name, '--type=merge', '--patch', patch);
}
